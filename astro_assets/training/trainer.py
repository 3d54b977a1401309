"""A base and blocks in, an adapter or a whole model out.

LoRA on a frozen base (arXiv:2106.09685), on a 4-bit base QLoRA (arXiv:2305.14314):
W' = W + (alpha / r) B A, with A (r, n_in) and B (n_out, r); B begins at zero, so training begins at
the base itself. Method ``full`` moves every weight instead. The loop is in ``loop``, what is
written in ``result``; loading is ``models``', registering ``registry``'s.
"""

from __future__ import annotations

import dataclasses
import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from astro_assets.artifacts import fingerprint
from astro_assets.artifacts.atomic import new_folder
from astro_assets.artifacts.manifest import Built
from astro_assets.corpus.blocks import TokenBlocks
from astro_assets.models.base import BaseModel
from astro_assets.models.device import choose_device, use_threads
from astro_assets.models.loading import load_model
from astro_assets.progress import Progress
from astro_assets.training import distributed
from astro_assets.training.adapter import attach_adapter, continue_adapter
from astro_assets.training.checkpoints import Checkpoints
from astro_assets.training.fitting_together import refuse_misfits
from astro_assets.training.heldout import Heldout
from astro_assets.training.loop import Trained, fit, seed_everything
from astro_assets.training.loss import use_loss
from astro_assets.training.optimisation import Optimisation
from astro_assets.training.out_of_memory import lack_of_memory_named
from astro_assets.training.recipe import Recipe
from astro_assets.training.result import (
    gathered,
    read_result,
    write_adapter,
    write_model,
    write_records,
)
from astro_assets.training.runtime import Machine, Plan, Runtime, make_plan, shape_of, this_machine
from astro_assets.training.stopping import StopRequest
from astro_assets.training.surroundings import Surroundings

_LIBRARIES = ("torch", "transformers", "peft", "accelerate", "bitsandbytes")


@dataclasses.dataclass(frozen=True)
class Inputs:
    """What a training reads."""

    base: BaseModel
    blocks: TokenBlocks
    """Token ids of the astro train side, cut to the base's tokenizer."""
    recipe: Recipe
    replay: TokenBlocks | None = None
    """Of the general train side, for recipes with a replay_fraction."""
    heldout: Heldout | None = None
    """Documents measured while training runs; None: none are."""
    parent: Path | None = None
    """Adapter folder, or whole model's, that training starts from; None: the base."""
    parent_fingerprint: str | None = None

    @property
    def identity(self) -> str:
        """The sha256 of what is trained on what, and how: checkpoints of another do not fit."""
        return fingerprint.of_value(
            {
                "base": self.base.digest,
                "blocks": self.blocks.fingerprint,
                "replay": self.replay.fingerprint if self.replay else None,
                "recipe": self.recipe.as_dict(),
                "parent": self.parent_fingerprint,
            }
        )


def train_model(
    inputs: Inputs,
    out: Path,
    *,
    progress: Progress,
    runtime: Runtime | None = None,
    work: Path | None = None,
    stop: StopRequest | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> Built:
    """Train as the recipe says and write the result's folder to ``out``, whole or not at all.

    The folder holds adapter_config.json and adapter_model.safetensors (peft's form), or a whole
    Hugging Face model, and learning_curve.jsonl, heldout_curve.jsonl, recipe.json, training.json.

    Args:
        inputs: Base, blocks, recipe; the base's files are not changed.
        out: The result's folder; an older one is replaced.
        progress: Told of every step's tokens.
        runtime: What is to be chosen otherwise than by what the machine has.
        work: Folder for checkpoints and live curves; a training that was stopped goes on from
            there. None: nothing is kept.
        stop: Who may ask it to stop.
        say: Told in a sentence each what was chosen for this machine.

    Returns:
        Fingerprint over the adapter's or model's files; counts n_steps, n_blocks, n_tokens_seen,
        n_trainable; facts with perplexities, speed, memory, plan and versions.

    Raises:
        EmptyCorpusError: not one block to train on.
        BadSettingError: recipe, blocks, base and machine do not fit each other.
        TrainingError: the loss was lost, or memory.
        TrainingStoppedError: it was asked to stop.
    """
    runtime, recipe = runtime or Runtime(), inputs.recipe
    machine, plan = planned(inputs, runtime)
    for reason in plan.reasons:
        say(reason)
    use_threads(max(1, runtime.threads // plan.n_processes) if runtime.threads else 0)
    seed_everything(recipe.seed)
    with lack_of_memory_named(micro_batch=plan.micro_batch, recompute=plan.recompute):
        model = _model(inputs, plan)
        use_loss(model, plan.loss)
        trained = fit(
            model,
            inputs.blocks,
            _optimisation(inputs, plan),
            name=f"train ({recipe.name})",
            progress=progress,
            replay=inputs.replay,
            around=_surroundings(inputs, plan, runtime, work, stop),
        )
    facts = _facts(model, inputs, trained) | _hardware(machine, plan)
    _write(model, inputs, trained, out, plan=plan, facts=facts)
    return read_result(out)


def planned(inputs: Inputs, runtime: Runtime) -> tuple[Machine, Plan]:
    """Return this machine and how the training is run on it; nothing is loaded.

    Raises:
        EmptyCorpusError: not one block to train on.
        BadSettingError: recipe, blocks, base and machine do not fit each other.
    """
    refuse_misfits(inputs)
    machine = this_machine(runtime.device)
    plan = make_plan(
        inputs.recipe,
        machine,
        runtime,
        shape_of(inputs.base.folder),
        block_length=inputs.blocks.block_length,
        n_processes=distributed.n_processes(),
    )
    return machine, plan


def _model(inputs: Inputs, plan: Plan) -> Any:
    """Load what is trained: every weight with method full, else an adapter on a frozen base."""
    recipe, folder = inputs.recipe, inputs.base.folder
    device = _loaded_to(plan)
    if recipe.method == "full":
        # Weights that are moved by small steps are held in fp32; bf16 is what they compute in.
        model = load_model(
            inputs.parent or folder,
            device=device,
            dtype=torch.float32,
            attention=plan.attention,
        )
        return model.requires_grad_(True)
    on_gpu_in_bf16 = plan.precision == "bf16" and plan.device == "cuda"
    dtype = torch.bfloat16 if on_gpu_in_bf16 else torch.float32
    model = load_model(
        folder,
        quantisation=recipe.quantisation,
        device=device,
        dtype=dtype,
        attention=plan.attention,
        dequantised=plan.dequantise,
        # FSDP lays all weights of a layer end to end, so they must be of one type.
        storage_dtype=dtype if plan.sharding else torch.uint8,
    ).requires_grad_(False)
    if inputs.parent is not None:
        return continue_adapter(model, inputs.parent, recipe)
    return attach_adapter(model, recipe)


def _loaded_to(plan: Plan) -> torch.device:
    """Return where weights are loaded: the process's device, or RAM where they are sharded later.

    No single GPU may hold what FSDP is asked to shard. The two variables let transformers read the
    weights in one process of each machine alone, and accelerate hand out the shards.
    """
    if plan.sharding is not None:
        os.environ["ACCELERATE_USE_FSDP"] = "true"
        os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = "true"
        return torch.device("cpu")
    return choose_device() if plan.device == "cuda" else torch.device("cpu")


def _optimisation(inputs: Inputs, plan: Plan) -> Optimisation:
    return plan.applied_to(
        inputs.recipe.optimisation(
            n_blocks=len(inputs.blocks), block_length=inputs.blocks.block_length
        )
    )


def _surroundings(
    inputs: Inputs, plan: Plan, runtime: Runtime, work: Path | None, stop: StopRequest | None
) -> Surroundings:
    return Surroundings(
        checkpoints=Checkpoints(work, inputs.identity) if work else None,
        checkpoint_seconds=60.0 * runtime.checkpoint_minutes,
        heldout=inputs.heldout,
        n_spread=inputs.recipe.evaluations,
        patience=inputs.recipe.early_stopping,
        stop=stop or StopRequest(),
        sharding=plan.sharding,
        recompute=plan.recompute,
    )


def _write(
    model: Any, inputs: Inputs, trained: Trained, out: Path, *, plan: Plan, facts: dict[str, Any]
) -> None:
    """Write the result's folder; the first process does, the others wait until it is there."""
    weights = gathered(model, sharded=plan.sharding is not None)
    if distributed.is_first():
        with new_folder(out) as folder:
            if inputs.recipe.method == "full":
                dtype = torch.bfloat16 if plan.precision == "bf16" else torch.float32
                write_model(model, inputs.base, folder, weights, dtype=dtype)
            else:
                write_adapter(model, inputs.base, folder, weights)
            write_records(folder, trained, inputs.recipe, facts)
    distributed.wait_for_all()


def _facts(model: Any, inputs: Inputs, trained: Trained) -> dict[str, Any]:
    base = inputs.base
    return {
        **trained.as_facts(),
        "n_blocks": len(inputs.blocks),
        "n_trainable": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "base": {"name": base.name, "digest": base.digest, "revision": base.revision},
        "parent": inputs.parent_fingerprint,
        "recipe": inputs.recipe.as_dict(),
    }


def _hardware(machine: Machine, plan: Plan) -> dict[str, Any]:
    return {
        "device": machine.device_name,
        "machine": machine.as_dict(),
        "plan": plan.as_dict(),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in _LIBRARIES},
        },
    }
