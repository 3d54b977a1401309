"""Machines that tests plan for; none of them has to exist."""

from typing import Any

from astro_assets.training.machine import Machine
from astro_assets.training.recipe import Recipe, load_recipe
from astro_assets.training.runtime import Plan, Runtime, count_processes, make_plan
from astro_assets.training.shape import Shape
from tests.training.shapes import LLAMA_2_7B


def a_gpu(
    gigabytes: float,
    *,
    n_devices: int = 1,
    has_bf16: bool = True,
    has_kernels: bool = False,
    ram_gigabytes: float = 0,
) -> Machine:
    """Return a machine with GPUs of so many decimal GB."""
    return Machine(
        device="cuda",
        device_name="Test GPU",
        n_devices=n_devices,
        memory_bytes=round(gigabytes * 1e9),
        n_cores=16,
        has_bf16=has_bf16,
        has_liger=has_kernels,
        has_flash_attention=has_kernels,
        ram_bytes=round(ram_gigabytes * 1e9),
    )


def a_cpu(gigabytes: float = 16, *, has_kernels: bool = False) -> Machine:
    """Return a machine without a GPU."""
    return Machine(
        device="cpu",
        device_name="Test CPU",
        n_devices=1,
        memory_bytes=round(gigabytes * 1e9),
        n_cores=2,
        has_bf16=False,
        has_liger=has_kernels,
        has_flash_attention=has_kernels,
    )


def plan(
    recipe: Recipe | str = "paper",
    machine: Machine | None = None,
    shape: Shape = LLAMA_2_7B,
    *,
    n_processes: int | None = None,
    **runtime: Any,
) -> Plan:
    """Return the plan for a recipe, by default the paper's on one GPU of 80 GB."""
    recipe = load_recipe(recipe) if isinstance(recipe, str) else recipe
    machine = machine or a_gpu(80)
    wanted = Runtime(**runtime)
    return make_plan(
        recipe,
        machine,
        wanted,
        shape,
        block_length=recipe.block_length or 512,
        n_processes=n_processes or count_processes(wanted, machine),
    )
