"""One pass of Hugging Face's Trainer over planned blocks, for adapters and for the scratch base.

The loop, accumulation, clipping and schedule are the Trainer's. What is trained, and where the
result is written, belongs to ``trainer`` and ``scratch``.
"""

from __future__ import annotations

import math
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from astro_assets.errors import EmptyCorpusError
from astro_assets.models.libraries import quiet_libraries
from astro_assets.progress import Progress
from astro_assets.training.callbacks import CurvePoint, CurveRecorder, OnMetrics, steps_per_point
from astro_assets.training.dataset import Blocks, PlannedBlocks
from astro_assets.training.optimisation import Optimisation


@dataclass(frozen=True)
class Trained:
    """What a pass over the blocks gave, besides the moved weights."""

    curve: tuple[CurvePoint, ...]
    n_tokens: int
    """Tokens seen, repeats counted."""
    seconds: float
    peak_memory_bytes: int
    """Of the GPU if one was used, else of this process."""

    @property
    def first_perplexity(self) -> float:
        """Training perplexity over the first twentieth of the run."""
        n_first = max(1, len(self.curve) // 20)
        first = [point.nll_nats_per_token for point in self.curve[:n_first]]
        return math.exp(sum(first) / n_first)

    @property
    def last_perplexity(self) -> float:
        """Training perplexity over the last twentieth of the run."""
        return math.exp(self.curve[-1].smoothed_nll_nats_per_token)

    def as_facts(self) -> dict[str, Any]:
        """Return its figures as plain JSON values."""
        return {
            "first_training_perplexity": self.first_perplexity,
            "last_training_perplexity": self.last_perplexity,
            "n_steps": self.curve[-1].step,
            "n_tokens_seen": self.n_tokens,
            "seconds": round(self.seconds, 3),
            "tokens_per_second": round(self.n_tokens / self.seconds, 1),
            "peak_memory_bytes": self.peak_memory_bytes,
        }


def seed_everything(seed: int) -> None:
    """Seed every generator that weights, dropout and order are drawn from."""
    from transformers import set_seed

    set_seed(seed)


def fit(
    model: Any,
    blocks: Blocks,
    optimisation: Optimisation,
    *,
    name: str,
    progress: Progress,
    on_metrics: OnMetrics | None = None,
    replay: Blocks | None = None,
) -> Trained:
    """Train ``model``'s trainable weights on ``blocks`` where the model lies; leave no files.

    Args:
        model: A causal language model, in fp32 where weights are trainable.
        blocks: Token ids, each (block_length,).
        optimisation: Steps, batch, rates.
        name: What the progress display calls it.
        progress: Told of every step's tokens.
        on_metrics: Called with every point of the learning curve.
        replay: Blocks of which ``optimisation.replay_fraction`` of every batch is taken.

    Raises:
        EmptyCorpusError: there is no block.
        TrainingError: the loss is no longer a finite number.
    """
    if len(blocks) == 0:
        raise EmptyCorpusError(
            "There is no block to train on.", expected="at least one block of training tokens."
        )
    quiet_libraries()
    n_examples = optimisation.n_steps * optimisation.batch
    planned = PlannedBlocks(
        blocks,
        n_examples=n_examples,
        seed=optimisation.seed,
        replay=replay,
        replay_fraction=optimisation.replay_fraction,
    )
    tokens_per_step = optimisation.batch * len(blocks[0])
    n_tokens = optimisation.n_steps * tokens_per_step
    began = time.monotonic()
    with (
        progress.task(name, total=n_tokens, unit="tokens") as task,
        tempfile.TemporaryDirectory() as scratch_folder,
    ):
        recorder = CurveRecorder(
            task,
            n_steps=optimisation.n_steps,
            tokens_per_step=tokens_per_step,
            on_metrics=on_metrics,
        )
        _run_trainer(model, planned, optimisation, recorder, Path(scratch_folder))
    return Trained(
        curve=tuple(recorder.points),
        n_tokens=n_tokens,
        seconds=time.monotonic() - began,
        peak_memory_bytes=_peak_memory_bytes(model.device),
    )


def _run_trainer(
    model: Any,
    planned: PlannedBlocks,
    optimisation: Optimisation,
    recorder: CurveRecorder,
    folder: Path,
) -> None:
    from transformers import PrinterCallback, Trainer, default_data_collator

    arguments = _arguments(optimisation, model.device, folder)
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=planned,
        data_collator=default_data_collator,
        callbacks=[recorder],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()


def _arguments(optimisation: Optimisation, device: torch.device, folder: Path) -> Any:
    """Return the Trainer's arguments; the paper's schedule in this library's words."""
    from transformers import TrainingArguments

    arguments = TrainingArguments(
        output_dir=str(folder),
        use_cpu=device.type == "cpu",
        max_steps=optimisation.n_steps,
        per_device_train_batch_size=optimisation.micro_batch,
        gradient_accumulation_steps=optimisation.batch // optimisation.micro_batch,
        train_sampling_strategy="sequential",  # the plan is the order
        learning_rate=optimisation.learning_rate,
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": optimisation.min_lr_ratio},
        warmup_steps=optimisation.n_warmup_steps,
        adam_beta1=optimisation.betas[0],
        adam_beta2=optimisation.betas[1],
        adam_epsilon=optimisation.eps,
        weight_decay=optimisation.weight_decay,
        max_grad_norm=optimisation.clip,
        bf16=optimisation.precision == "bf16",
        seed=optimisation.seed,
        logging_steps=steps_per_point(optimisation.n_steps),
        logging_nan_inf_filter=False,  # a lost loss must be seen
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=device.type != "cpu",
        remove_unused_columns=False,
    )
    # One process, one GPU: without this the Trainer wraps the model in DataParallel where it sees
    # several, which a 4-bit base does not survive.
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1
    return arguments


def _peak_memory_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
