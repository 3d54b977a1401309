"""The ways of training that ``bench.training`` compares, each a function run in a fresh process.

All get the same base folder, the same blocks in the same order, the same recipe and number of
steps. What they are compared by, and the table, is in ``bench.training``.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from astro_assets.corpus.blocks import Stream, TokenBlocks
from astro_assets.models.base import BaseModel
from astro_assets.models.libraries import quiet_libraries
from astro_assets.training.recipe import Recipe
from bench.peak import peak_memory

N_WARM = 3
"""First steps that no clock counts: memory is fetched and kernels are chosen in them."""


@dataclass(frozen=True)
class Work:
    """What every way does."""

    base: BaseModel
    stream: Path
    n_tokens: int
    block_length: int
    recipe: Recipe
    n_steps: int
    threads: int
    profile: bool = False

    def blocks(self) -> TokenBlocks:
        """Return the training blocks."""
        return TokenBlocks([Stream(self.stream, self.n_tokens)], block_length=self.block_length)


@dataclass(frozen=True)
class Result:
    """What one run of one way cost."""

    seconds: float
    """Of the steps after the first ``N_WARM``."""
    cpu_seconds: float
    n_tokens: int
    """In those steps."""
    peak_bytes: int
    """On CUDA what tensors held at most, weights included; on a CPU peak RSS less what it was when
    every library had been imported."""
    last_nll: float
    """Training loss of the last step: ways that learn the same end alike."""
    said: tuple[str, ...] = ()

    @property
    def tokens_per_second(self) -> float:
        """Speed of the counted steps."""
        return self.n_tokens / self.seconds


@dataclass
class Steps:
    """A progress display that only looks at the clock, at the end of every step."""

    work: Work
    marks: list[tuple[float, float]] = field(default_factory=list)
    profiler: Any = None

    @contextmanager
    def task(self, _name: str, **_size: Any) -> Iterator[Steps]:
        """Be the only task there is."""
        yield self

    def advance(self, _n: float = 0, **_figures: Any) -> None:
        """Note that a step has ended."""
        if _on_cuda():
            import torch

            torch.cuda.synchronize()
        self.marks.append((time.perf_counter(), time.process_time()))
        if self.profiler is not None:
            self.profiler.step()

    def result(self, peak_bytes: int, last_nll: float, said: tuple[str, ...] = ()) -> Result:
        """Return what the steps after the warm ones cost."""
        (began, cpu_began), (ended, cpu_ended) = self.marks[N_WARM - 1], self.marks[-1]
        n_steps = len(self.marks) - N_WARM
        n_tokens = n_steps * self.work.recipe.batch * self.work.block_length
        return Result(ended - began, cpu_ended - cpu_began, n_tokens, peak_bytes, last_nll, said)


def ours(work: Work, settings: dict[str, Any]) -> Result:
    """Train by ``train_model``, as Dagster and a person do, with these runtime settings."""
    from astro_assets.training.runtime import Runtime
    from astro_assets.training.trainer import Inputs, train_model

    recipe = replace(work.recipe, max_tokens=_n_tokens(work))
    said: list[str] = []
    _import_everything()
    with tempfile.TemporaryDirectory() as folder, peak_memory() as memory, _profiled(work) as steps:
        built = train_model(
            Inputs(base=work.base, blocks=work.blocks(), recipe=recipe),
            Path(folder) / "result",
            progress=steps,
            runtime=Runtime(threads=work.threads, **settings),
            say=said.append,
        )
    last_nll = math.log(built.facts["last_training_perplexity"])
    return steps.result(memory[0], last_nll, tuple(said))


def plain(work: Work, quantisation: str | None) -> Result:
    """Train as the libraries' own examples do: Trainer, peft, bitsandbytes, and nothing of ours."""
    import torch
    from transformers import AutoModelForCausalLM, set_seed

    from astro_assets.models.quantisation import quantisation_config

    _use_threads(work)
    set_seed(work.recipe.seed)
    _import_everything()
    with peak_memory() as memory, _profiled(work) as steps:
        dtype = torch.bfloat16 if _on_cuda() else torch.float32
        model = AutoModelForCausalLM.from_pretrained(
            work.base.folder,
            dtype=dtype,
            device_map={"": "cuda" if _on_cuda() else "cpu"},
            quantization_config=quantisation_config(quantisation, dtype),
        )
        last = _plain_trainer(_with_lora(model, work.recipe), work, steps)
    return steps.result(memory[0], last)


def unsloth(work: Work) -> Result:
    """Train a 4-bit base by Unsloth, without its recomputation, where it is installed."""
    from unsloth import FastLanguageModel

    recipe = work.recipe
    _import_everything()
    with peak_memory() as memory, _profiled(work) as steps:
        model, _tokenizer = FastLanguageModel.from_pretrained(
            str(work.base.folder), max_seq_length=work.block_length, load_in_4bit=True
        )
        model = FastLanguageModel.get_peft_model(
            model,
            r=recipe.rank,
            target_modules=[*(recipe.target_modules or ())],
            lora_alpha=recipe.alpha,
            lora_dropout=recipe.dropout,
            bias="none",
            use_gradient_checkpointing=False,
        )
        last = _plain_trainer(model, work, steps)
    return steps.result(memory[0], last)


def _with_lora(model: Any, recipe: Recipe) -> Any:
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    if recipe.quantisation:
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=[*(recipe.target_modules or ())],
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def _plain_trainer(model: Any, work: Work, steps: Steps) -> float:
    """Train with the Trainer's defaults and the recipe's numbers; return the last loss."""
    from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

    from astro_assets.training.dataset import PlannedBlocks

    class Mark(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **now: Any) -> None:
            steps.advance()

    recipe = work.recipe
    examples = PlannedBlocks(
        work.blocks(), n_examples=work.n_steps * recipe.batch, seed=recipe.seed
    )
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            use_cpu=not _on_cuda(),
            max_steps=work.n_steps,
            per_device_train_batch_size=recipe.micro_batch,
            gradient_accumulation_steps=recipe.batch // recipe.micro_batch,
            train_sampling_strategy="sequential",
            learning_rate=recipe.learning_rate,
            lr_scheduler_type="cosine_with_min_lr",
            lr_scheduler_kwargs={"min_lr_rate": recipe.min_lr_ratio},
            warmup_steps=recipe.warmup_share,
            adam_beta1=recipe.betas[0],
            adam_beta2=recipe.betas[1],
            adam_epsilon=recipe.eps,
            weight_decay=recipe.weight_decay,
            max_grad_norm=recipe.clip,
            bf16=recipe.precision == "bf16",
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        trainer = Trainer(model=model, args=arguments, train_dataset=examples, callbacks=[Mark()])
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return float([line["loss"] for line in trainer.state.log_history if "loss" in line][-1])


@contextmanager
def _profiled(work: Work) -> Iterator[Steps]:
    """Yield the clock; with ``--profile`` print where three steps after the warm ones went."""
    if not work.profile:
        yield Steps(work)
        return
    from torch import profiler

    kinds = [profiler.ProfilerActivity.CPU]
    if _on_cuda():
        kinds.append(profiler.ProfilerActivity.CUDA)
    schedule = profiler.schedule(wait=N_WARM - 1, warmup=1, active=3, repeat=1)
    with profiler.profile(activities=kinds, schedule=schedule) as watched:
        yield Steps(work, profiler=watched)
    order = "self_cuda_time_total" if _on_cuda() else "self_cpu_time_total"
    print(watched.key_averages().table(sort_by=order, row_limit=25, max_name_column_width=60))


def _import_everything() -> None:
    """Import what any of the ways imports, so that no way's memory holds more code."""
    quiet_libraries()
    import bitsandbytes.nn
    import peft
    from transformers import Trainer

    from astro_assets.training import trainer

    assert bitsandbytes.nn and peft and Trainer and trainer


def _use_threads(work: Work) -> None:
    from astro_assets.models.device import use_threads

    use_threads(work.threads)


def _on_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def _n_tokens(work: Work) -> int:
    return work.n_steps * work.recipe.batch * work.block_length
