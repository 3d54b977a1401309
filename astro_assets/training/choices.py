"""The choices of a plan that follow from one thing at a time: devices, precision, kernels.

Each returns what was chosen and a sentence that says why, or refuses. How much fits into memory is
``fitting``'s.
"""

from __future__ import annotations

from typing import Literal, cast

from astro_assets.errors import BadSettingError
from astro_assets.training.machine import Machine
from astro_assets.training.recipe import Recipe

Precision = Literal["bf16", "fp32"]
Attention = Literal["eager", "sdpa", "flash_attention_2"]
Loss = Literal["full", "chunked", "liger"]


def refuse_device(wanted: str, machine: Machine) -> None:
    """Refuse a device that is not the machine's.

    Raises:
        BadSettingError: another device was asked for.
    """
    if wanted not in ("auto", machine.device):
        raise BadSettingError(
            f"Device {wanted} was asked for, and this is {_words(machine)}.",
            expected=f"auto or {machine.device}.",
        )


def refuse_processes(recipe: Recipe, machine: Machine, n_processes: int) -> None:
    """Refuse what the number of devices does not allow.

    Raises:
        BadSettingError: too few devices, nothing to shard over, or a batch that cannot be divided.
    """
    if recipe.sharding is not None and machine.device != "cuda":
        raise BadSettingError(
            f"Recipe {recipe.name} shards with {recipe.sharding}, and this is {_words(machine)}.",
            expected="CUDA GPUs: on a CPU accelerate leaves the sharding out without a word.",
            do="Take a recipe with sharding: null, or train where the GPUs are "
            "(ASTRO_TRAINER=elsewhere).",
        )
    if n_processes < recipe.min_devices:
        raise BadSettingError(
            f"Recipe {recipe.name} needs {recipe.min_devices} GPUs, "
            f"here {n_processes} would train.",
            expected=f"min_devices: {recipe.min_devices}, over all machines.",
            do="Train where there are as many (ASTRO_TRAINER=elsewhere), or take a recipe that "
            "needs fewer.",
        )
    if recipe.batch % n_processes:
        raise BadSettingError(
            f"Recipe {recipe.name} takes {recipe.batch} blocks a step, which {n_processes} "
            "processes cannot share evenly.",
            expected=f"a number of processes that divides {recipe.batch}.",
            do="Set devices to such a number.",
        )


def why_processes(recipe: Recipe, machine: Machine, n_set: int, n_processes: int) -> str:
    """Return the sentence about processes."""
    noun = "process" if n_processes == 1 else "processes"
    why = "one for each GPU" if machine.device == "cuda" else "one is all a CPU needs"
    sharing = f", weights sharded with {recipe.sharding}" if recipe.sharding else ""
    return f"{n_processes} {noun} on {_words(machine)}{sharing}: {'as set' if n_set else why}."


def choose_precision(recipe: Recipe, machine: Machine) -> tuple[Precision, str]:
    """Choose what is computed in.

    Raises:
        BadSettingError: bf16 on a GPU that does not have it.
    """
    if recipe.precision == "bf16" and machine.device == "cuda" and not machine.has_bf16:
        raise BadSettingError(
            f"Recipe {recipe.name} computes in bf16, which {machine.device_name} does not have.",
            expected="a GPU of the Ampere generation or newer.",
            do="Set precision to auto or fp32 in a recipe of your own.",
        )
    if recipe.precision != "auto":
        return recipe.precision, f"Precision {recipe.precision}, as the recipe says."
    if machine.device == "cuda" and machine.has_bf16:
        return "bf16", "Precision bf16: the GPU multiplies it itself."
    if machine.device == "cuda":
        return "fp32", f"Precision fp32: {_words(machine)} does not multiply bf16 itself."
    return "fp32", "Precision fp32: on a CPU equal trainings are to give equal bytes."


def choose_attention(wanted: str, machine: Machine, precision: str) -> tuple[Attention, str]:
    """Choose the attention's kernel.

    Raises:
        BadSettingError: flash_attention_2 where it is not installed or does not run.
    """
    if wanted == "auto":
        return "sdpa", "Attention sdpa: torch's own fused kernels; whole blocks have no padding."
    if wanted == "flash_attention_2":
        lacks = None
        if not machine.has_flash_attention:
            lacks = "the package flash_attn is not installed"
        elif machine.device != "cuda":
            lacks = "it runs on CUDA only"
        elif precision != "bf16":
            lacks = "it does not compute in fp32"
        if lacks:
            raise BadSettingError(
                f"Attention flash_attention_2 was asked for, and {lacks}.",
                expected="auto, sdpa or eager.",
            )
    return cast(Attention, wanted), f"Attention {wanted}, as set."


def choose_loss(wanted: str, machine: Machine) -> tuple[Loss, str]:
    """Choose how the loss is made without all logits at once; all of them only when asked for.

    Raises:
        BadSettingError: liger where it is not installed or does not run.
    """
    can_liger = machine.has_liger and machine.device == "cuda"
    if wanted == "liger" and not can_liger:
        lacks = "it is not installed" if machine.device == "cuda" else "it runs on CUDA only"
        raise BadSettingError(
            f"Loss liger was asked for, and {lacks}.", expected="auto, chunked or full."
        )
    if wanted != "auto":
        return cast(Loss, wanted), f"Loss {wanted}, as set."
    if can_liger:
        return "liger", "Loss liger: output layer and cross entropy in one kernel."
    why = "Liger is not installed" if machine.device == "cuda" else "Liger runs on CUDA only"
    return "chunked", f"Loss chunked: logits a chunk at a time; {why}."


def _words(machine: Machine) -> str:
    if machine.device == "cpu":
        return f"a CPU with {machine.n_cores} cores"
    return f"{machine.n_devices} x {machine.device_name}"
