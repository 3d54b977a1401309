"""The largest and fastest way to run a training that fits into memory.

The choices are the micro-batch, whether activations are made again, and whether a 4-bit base is
put into plain numbers once. None changes what is learnt beyond the rounding of sums.
"""

from __future__ import annotations

from dataclasses import dataclass

from astro_assets.errors import BadSettingError
from astro_assets.training.machine import Machine
from astro_assets.training.memory import Estimate, Way, estimate, loading_bytes
from astro_assets.training.recipe import Recipe
from astro_assets.training.shape import Shape

BUSY_TOKENS = 2_048
"""Tokens of a forward pass that keep a GPU's multipliers busy: smaller passes are not bought with
a dequantised base."""
_CORE_OPERATIONS = 5e10
"""Multiplications and additions a second of one CPU core in fp32, to the order of magnitude."""
_SLOW_PARAMETERS = 1e9
"""Size of base from which a CPU's time is told."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is to fit, and what a person has decided already."""

    recipe: Recipe
    machine: Machine
    shape: Shape
    block_length: int
    n_processes: int
    precision: str
    attention: str
    loss: str
    recompute: str
    """auto, on or off."""
    dequantise: str
    """auto, on or off."""
    micro_batch: int = 0
    """Blocks per forward pass at most; 0: as the recipe says."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What fits."""

    micro_batch: int
    recompute: bool
    dequantise: bool
    estimated_bytes: int
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class _Option:
    micro_batch: int
    recompute: bool
    dequantise: bool
    needs: Estimate


def fit_memory(wish: Wish) -> Fit:
    """Return the fastest way that fits: without recomputation if any micro-batch allows it.

    Raises:
        BadSettingError: nothing fits; says what the smallest way needs.
    """
    if wish.recipe.sharding is not None:
        _refuse_little_ram(wish)
    for recompute in _allowed(wish.recompute, first=False):
        fitting = [
            option
            for dequantise in _dequantisings(wish)
            if (option := _largest(wish, recompute, dequantise)) is not None
        ]
        if fitting:
            best = _faster(wish, fitting)
            return Fit(
                micro_batch=best.micro_batch,
                recompute=best.recompute,
                dequantise=best.dequantise,
                estimated_bytes=best.needs.total,
                reasons=tuple(_reasons(wish, best)),
            )
    raise _too_large(wish)


def usable_bytes(machine: Machine, n_processes: int, *, sharded: bool = False) -> int:
    """Return the memory that one process may plan with.

    A GPU: without 1.5 GB for the driver, libraries and buffers of communication, and 5 % for gaps
    between blocks; of shards 8 %, for no estimate of theirs was measured yet. A CPU: its share of
    80 % of the RAM, without 1 GB for the interpreter.
    """
    if machine.device == "cuda":
        return round((0.92 if sharded else 0.95) * machine.memory_bytes - 1.5e9)
    return round(0.8 * machine.memory_bytes / n_processes - 1e9)


def _room(wish: Wish) -> int:
    is_sharded = wish.recipe.sharding is not None
    return usable_bytes(wish.machine, wish.n_processes, sharded=is_sharded)


def _refuse_little_ram(wish: Wish) -> None:
    """Refuse a machine whose RAM does not hold the weights that are read before they are shared.

    Raises:
        BadSettingError: it is known to be too small.
    """
    needs, has = loading_bytes(wish.recipe, wish.shape), wish.machine.ram_bytes
    if 0 < has < needs:
        raise BadSettingError(
            f"Recipe {wish.recipe.name} reads about {_gb(needs)} of weights into RAM before they "
            f"are shared out, and this machine lends {_gb(has)}.",
            expected="RAM for the whole base on every machine.",
            do="Take a machine or container with more RAM, a smaller base, or 4 bits.",
        )


def _allowed(wanted: str, *, first: bool) -> list[bool]:
    """Return the values of a switch, the preferred one first."""
    return [first, not first] if wanted == "auto" else [wanted == "on"]


def _dequantisings(wish: Wish) -> list[bool]:
    """Return whether the base may be dequantised; shards stay in 4 bits, which are sent around."""
    if wish.recipe.quantisation is None:
        return [False]
    if wish.recipe.sharding is not None:
        if wish.dequantise == "on":
            raise BadSettingError(
                f"dequantise = on was set, and recipe {wish.recipe.name} shards a 4-bit base.",
                expected="auto or off: the shards are sent around in 4 bits.",
            )
        return [False]
    return _allowed(wish.dequantise, first=True)


def _largest(wish: Wish, recompute: bool, dequantise: bool) -> _Option | None:
    """Return the largest micro-batch that shares the batch evenly and fits, or None."""
    room = _room(wish)
    for micro_batch in _micro_batches(wish):
        needs = _needs(wish, micro_batch, recompute, dequantise)
        if needs.total <= room:
            return _Option(micro_batch, recompute, dequantise, needs)
    return None


def _micro_batches(wish: Wish) -> list[int]:
    """Return the divisors of one process's share of the batch, the largest allowed first."""
    share = wish.recipe.batch // wish.n_processes
    most = min(wish.micro_batch or wish.recipe.micro_batch, share)
    return [size for size in range(most, 0, -1) if share % size == 0]


def _needs(wish: Wish, micro_batch: int, recompute: bool, dequantise: bool) -> Estimate:
    is_narrow, on_gpu = wish.precision == "bf16", wish.machine.device == "cuda"
    way = Way(
        n_tokens=micro_batch * wish.block_length,
        block_length=wish.block_length,
        n_processes=wish.n_processes,
        # On a CPU a frozen base is held in fp32 whatever is computed in.
        weight_bytes=2 if is_narrow and on_gpu else 4,
        compute_bytes=2 if is_narrow else 4,
        mask_bytes=1 if on_gpu else 4,
        attention=wish.attention,
        loss=wish.loss,
        recompute=recompute,
        dequantise=dequantise,
    )
    return estimate(wish.recipe, wish.shape, way)


def _faster(wish: Wish, options: list[_Option]) -> _Option:
    """Return the dequantised option unless it costs a GPU the size of its passes."""
    first, last = options[0], options[-1]
    n_tokens = first.micro_batch * wish.block_length
    is_busy = wish.machine.device == "cpu" or n_tokens >= BUSY_TOKENS
    return first if is_busy or first.micro_batch >= last.micro_batch else last


def _reasons(wish: Wish, best: _Option) -> list[str]:
    room = _room(wish)
    recipe, needs = wish.recipe, best.needs
    n_passes = recipe.batch // (wish.n_processes * best.micro_batch)
    reasons = [
        f"Micro-batch {best.micro_batch} of {wish.block_length} tokens, times {n_passes} per "
        f"process and step: about {_gb(needs.total)} of {_gb(room)} usable (weights "
        f"{_gb(needs.weights)}, trained {_gb(needs.trained)}, activations "
        f"{_gb(needs.activations)}, loss {_gb(needs.loss)})."
    ]
    if wish.micro_batch:
        reasons.append(
            f"Micro-batches of at most {wish.micro_batch} as set, where the recipe says "
            f"{recipe.micro_batch}."
        )
    if wish.recompute != "auto":
        reasons.append(f"Recomputation {wish.recompute}, as set.")
    elif best.recompute:
        least = _needs(wish, 1, False, _dequantisings(wish)[-1])
        reasons.append(
            f"Activations are made again: without that one block alone needs {_gb(least.total)}."
        )
    else:
        reasons.append("No recomputation: the activations fit.")
    if recipe.quantisation is not None:
        reasons.append(_why_dequantise(wish, best))
    elif wish.dequantise == "on":
        reasons.append("dequantise = on has nothing to do: the base is not in 4 bits.")
    if wish.machine.device == "cpu" and wish.shape.n_parameters > _SLOW_PARAMETERS:
        reasons.append(_why_slow(wish, best))
    return reasons


def _why_slow(wish: Wish, best: _Option) -> str:
    """Tell a CPU's time: 2 operations a number forward, 2 back, 2 more for its own gradient."""
    recipe, machine = wish.recipe, wish.machine
    per_parameter = (6 if recipe.method == "full" else 4) + (2 if best.recompute else 0)
    a_day = 86_400 * machine.n_cores * _CORE_OPERATIONS
    n_tokens = a_day / (per_parameter * wish.shape.n_parameters)
    said = (
        f"A CPU is slow for {wish.shape.n_parameters / 1e9:.1f} billion weights: in the order of "
        f"{_rough(n_tokens)} tokens a day on {machine.n_cores} cores"
    )
    if recipe.max_tokens is None:
        return f"{said}."
    return f"{said}, {_rough(recipe.max_tokens / n_tokens)} days for all {recipe.max_tokens:,}."


def _why_dequantise(wish: Wish, best: _Option) -> str:
    if wish.recipe.sharding is not None:
        return "The base stays in 4 bits: its shards are sent around."
    if wish.dequantise != "auto":
        return f"Dequantise {wish.dequantise}, as set."
    if best.dequantise:
        return f"The base is dequantised once, into {_gb(best.needs.weights)}: same values, faster."
    other = _needs(wish, best.micro_batch, best.recompute, True)
    return f"The base stays in 4 bits: dequantised, these passes would need {_gb(other.total)}."


def _too_large(wish: Wish) -> BadSettingError:
    recompute = _allowed(wish.recompute, first=False)[-1]
    dequantise = _dequantisings(wish)[-1]
    needs = _needs(wish, 1, recompute, dequantise)
    as_set = [
        f"{name} = {value}"
        for name, value in (("recompute", wish.recompute), ("dequantise", wish.dequantise))
        if value != "auto"
    ]
    under = f" with {' and '.join(as_set)}" if as_set else ""
    return BadSettingError(
        f"Recipe {wish.recipe.name} does not fit {wish.machine.device_name}{under}: one block of "
        f"{wish.block_length} tokens needs about {_gb(needs.total)} (weights {_gb(needs.weights)}, "
        f"trained {_gb(needs.trained)}, activations {_gb(needs.activations)}, loss "
        f"{_gb(needs.loss)}).",
        expected=f"at most the {_gb(_room(wish))} that one process can plan with here.",
        do="Take a smaller base, a recipe with 4 bits or sharding, a smaller block_length, or a "
        "machine with more memory" + (", or set these to auto." if as_set else "."),
    )


def _rough(number: float) -> str:
    """Return a number's first digit and its order of magnitude."""
    rounded = float(f"{number:.1g}")
    return f"{rounded:,.0f}" if rounded >= 1 else f"{rounded:g}"


def _gb(n_bytes: float) -> str:
    """Return bytes for people, in decimal units."""
    gigabytes = n_bytes / 1e9
    if gigabytes >= 100:
        return f"{gigabytes:.0f} GB"
    return f"{gigabytes:.1f} GB" if gigabytes >= 1 else f"{n_bytes / 1e6:.0f} MB"
