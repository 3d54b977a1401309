"""How a recipe is run on a machine: what a person overrides, what the machine decides, and why.

A plan is made before anything is loaded, from plain numbers alone. It changes memory and speed;
what is learnt is the recipe's. Single choices are in ``choices``, what fits into memory is
``fitting``'s.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, Self

from astro_assets.errors import BadSettingError
from astro_assets.training import choices, fitting
from astro_assets.training.fields import choice, read_fields, real, whole
from astro_assets.training.machine import Device, Machine, this_machine
from astro_assets.training.optimisation import Optimisation
from astro_assets.training.recipe import Recipe
from astro_assets.training.shape import Shape, shape_of

__all__ = [
    "Machine",
    "Plan",
    "Runtime",
    "Shape",
    "count_processes",
    "make_plan",
    "refuse_unmeetable",
    "shape_of",
    "this_machine",
]

Switch = Literal["auto", "on", "off"]


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What a person sets against what the machine would decide; ``auto`` leaves it to the plan.

    Raises:
        BadSettingError: a field has a value that cannot be used.
    """

    device: Literal["auto", "cpu", "cuda"] = field(
        default="auto", metadata=choice("auto", "cpu", "cuda")
    )
    n_processes: int = field(default=0, metadata=whole(least=0, most=4096))
    """0: one for each GPU, one on a CPU."""
    threads: int = field(default=0, metadata=whole(least=0, most=4096))
    """CPU threads of one process; 0: as many as there are cores."""
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2"] = field(
        default="auto", metadata=choice("auto", "eager", "sdpa", "flash_attention_2")
    )
    loss: Literal["auto", "full", "chunked", "liger"] = field(
        default="auto", metadata=choice("auto", "full", "chunked", "liger")
    )
    recompute: Switch = field(default="auto", metadata=choice("auto", "on", "off"))
    """Whether activations are made again in the backward pass, to save memory."""
    dequantise: Switch = field(default="auto", metadata=choice("auto", "on", "off"))
    """Whether a 4-bit base is put into bf16 (CPU: fp32) once, which is faster."""
    micro_batch: int = field(default=0, metadata=whole(least=0, most=1_000_000))
    """Blocks per forward pass of one process at most, instead of the recipe's; 0: the recipe's."""
    checkpoint_minutes: float = field(default=10.0, metadata=real(above=0, most=1e6))

    def __post_init__(self) -> None:
        """Check every field by its rule."""
        read_fields(self, do="Correct the setting of that name.")

    @classmethod
    def of_dict(cls, document: dict[str, Any]) -> Self:
        """Return what ``as_dict`` gave.

        Raises:
            BadSettingError: an unknown field, or a value that cannot be used.
        """
        known = [one.name for one in fields(cls)]
        unknown = [name for name in document if name not in known]
        if unknown:
            raise BadSettingError(
                f"Unknown field {str(unknown[0])[:60]!r} of a runtime.",
                expected=f"the fields {', '.join(known)}.",
            )
        return cls(**document)

    def as_dict(self) -> dict[str, Any]:
        """Return every field as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a recipe is run on a machine."""

    device: Device
    n_processes: int
    micro_batch: int
    """Blocks per forward pass of one process."""
    n_accumulated: int
    """Forward passes of each process per optimiser step."""
    precision: Literal["bf16", "fp32"]
    attention: Literal["eager", "sdpa", "flash_attention_2"]
    loss: Literal["full", "chunked", "liger"]
    recompute: bool
    dequantise: bool
    sharding: Literal["fsdp"] | None
    estimated_bytes: int
    """Largest memory of one process, as estimated."""
    reasons: tuple[str, ...]
    """One sentence per choice, for people."""

    def as_dict(self) -> dict[str, Any]:
        """Return every field as plain JSON values."""
        return {**asdict(self), "reasons": [*self.reasons]}

    def applied_to(self, optimisation: Optimisation) -> Optimisation:
        """Return the optimisation with the micro-batch and the precision of this plan."""
        return replace(optimisation, micro_batch=self.micro_batch, precision=self.precision)


def count_processes(runtime: Runtime, machine: Machine) -> int:
    """Return how many processes one machine starts: one for each GPU, one on a CPU, or as set.

    Raises:
        BadSettingError: more processes than GPUs.
    """
    wanted = runtime.n_processes or machine.n_devices
    if machine.device == "cuda" and wanted > machine.n_devices:
        raise BadSettingError(
            f"{wanted} processes were asked for, and this machine has {machine.n_devices} GPUs.",
            expected="at most one process for each GPU.",
            do="Set devices to 0 (all GPUs), or see fewer with CUDA_VISIBLE_DEVICES.",
        )
    return wanted


def refuse_unmeetable(
    recipe: Recipe, machine: Machine, runtime: Runtime, *, block_length: int
) -> None:
    """Refuse what this machine alone cannot meet, from what is known before there is a base.

    Whether the training fits into memory is told by ``make_plan``.

    Raises:
        BadSettingError: devices, processes, batch, precision or block length; says what is lacking.
    """
    choices.refuse_device(runtime.device, machine)
    choices.refuse_processes(recipe, machine, count_processes(runtime, machine))
    choices.choose_precision(recipe, machine)
    if recipe.block_length not in (None, block_length):
        raise BadSettingError(
            f"Recipe {recipe.name} asks for blocks of {recipe.block_length} tokens, "
            f"block_length is {block_length}.",
            expected="the recipe's block_length.",
            do=f"Set ASTRO_BLOCK_LENGTH={recipe.block_length}; token_blocks are then made with it.",
        )


def make_plan(
    recipe: Recipe,
    machine: Machine,
    runtime: Runtime,
    shape: Shape,
    *,
    block_length: int,
    n_processes: int,
) -> Plan:
    """Decide how ``recipe`` is run on a base of ``shape``; pure.

    Args:
        recipe: How to train.
        machine: What there is.
        runtime: What a person set; it wins over every choice made here.
        shape: The base model's.
        block_length: Tokens per block.
        n_processes: Over all machines.

    Raises:
        BadSettingError: the recipe cannot be met here; says what is lacking.
    """
    choices.refuse_device(runtime.device, machine)
    choices.refuse_processes(recipe, machine, n_processes)
    precision, why_precision = choices.choose_precision(recipe, machine)
    attention, why_attention = choices.choose_attention(runtime.attention, machine, precision)
    loss, why_loss = choices.choose_loss(runtime.loss, machine)
    fit = fitting.fit_memory(
        fitting.Wish(
            recipe=recipe,
            machine=machine,
            shape=shape,
            block_length=block_length,
            n_processes=n_processes,
            precision=precision,
            attention=attention,
            loss=loss,
            recompute=runtime.recompute,
            dequantise=runtime.dequantise,
            micro_batch=runtime.micro_batch,
        )
    )
    return Plan(
        device=machine.device,
        n_processes=n_processes,
        micro_batch=fit.micro_batch,
        n_accumulated=recipe.batch // (n_processes * fit.micro_batch),
        precision=precision,
        attention=attention,
        loss=loss,
        recompute=fit.recompute,
        dequantise=fit.dequantise,
        sharding=recipe.sharding,
        estimated_bytes=fit.estimated_bytes,
        reasons=(
            choices.why_processes(recipe, machine, runtime.n_processes, n_processes),
            why_precision,
            why_attention,
            why_loss,
            *fit.reasons,
        ),
    )
