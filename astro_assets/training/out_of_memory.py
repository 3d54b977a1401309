"""Running out of memory told as such, with what to change.

What a training is estimated to need before it begins belongs to ``runtime``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from astro_assets.errors import TrainingError

_WORDS = re.compile(r"not enough memory|can't allocate memory|DefaultCPUAllocator|out of memory")


@contextmanager
def lack_of_memory_named(*, micro_batch: int, recompute: bool) -> Iterator[None]:
    """Raise what comes of too little memory as a TrainingError, and anything else as it is.

    Args:
        micro_batch: Blocks per forward pass, to be told.
        recompute: Whether activations are recomputed already.

    Raises:
        TrainingError: the device's memory, or this machine's, was not enough.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        is_it = isinstance(error, (torch.OutOfMemoryError, MemoryError))
        if not is_it and not _WORDS.search(str(error)):
            raise
        said = (str(error).splitlines() or [""])[0][:200]
        raise TrainingError(
            f"Memory ran out with micro-batches of {micro_batch} blocks: {said}",
            expected="a device with room for weights, gradients and one micro-batch.",
            do=_ways_out(micro_batch, recompute),
        ) from error


def _ways_out(micro_batch: int, recompute: bool) -> str:
    """Return what to change: first what leaves the training the same, which then goes on."""
    ways = []
    if micro_batch > 1:
        ways.append(f"ASTRO_MICRO_BATCH={micro_batch // 2} (the batch stays, by accumulation)")
    if not recompute:
        ways.append("ASTRO_RECOMPUTE=on")
    elsewhere = "a larger device, or a recipe with 4 bits, sharding or a smaller block_length"
    if not ways:
        return f"Take {elsewhere}."
    return (
        f"Set {' or '.join(ways)}: the training goes on from its last checkpoint, if there is one. "
        f"Else take {elsewhere}."
    )
