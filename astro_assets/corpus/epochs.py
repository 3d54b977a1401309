"""The order of blocks in an epoch: drawn from a seed, the same on every machine for ever.

Only integer arithmetic modulo 2^64 is used. The generators of numpy and torch draw other numbers in
other versions, and an order that moved would make a resumed training see blocks twice.

What does not belong here: reading blocks (reader.py), and how many epochs a training takes.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_GOLDEN = 0x9E3779B97F4A7C15
_FACTORS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_ALL_BITS = (1 << 64) - 1


def epoch_order(n_blocks: int, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return a permutation of ``range(n_blocks)``: the order of one epoch, not to be written to.

    Block ``k`` gets the ``k``-th number of a SplitMix64 generator (Steele, Lea and Flood 2014,
    doi:10.1145/2714064.2660195) that seed and epoch start; blocks stand in the order of their
    numbers. The generator repeats no number, so the order is complete.

    Args:
        n_blocks: How many there are.
        seed: Any integer; only its last 64 bits count.
        epoch: From 0.
    """
    return _order(n_blocks, seed & _ALL_BITS, epoch & _ALL_BITS)


def number_at(place: int, n_blocks: int, *, seed: int) -> int:
    """Return which block stands at ``place``, counted from 0 through epoch after epoch."""
    epoch, offset = divmod(place, n_blocks)
    return int(epoch_order(n_blocks, seed=seed, epoch=epoch)[offset])


@lru_cache(maxsize=4)  # two epochs of two corpora; 8 bytes a block each
def _order(n_blocks: int, seed: int, epoch: int) -> NDArray[np.int64]:
    # Mixed twice: the starts of two epochs, or of two seeds, must not lie in one sequence.
    start = _mixed(_mixed(np.array([seed], dtype=np.uint64)) + np.uint64(epoch))
    numbers = np.arange(1, n_blocks + 1, dtype=np.uint64) * np.uint64(_GOLDEN) + start
    order = np.argsort(_mixed(numbers), kind="stable").astype(np.int64)
    order.flags.writeable = False  # it is handed out again
    return order


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return SplitMix64's output function of each number, modulo 2^64; it maps one to one."""
    first, second = (np.uint64(factor) for factor in _FACTORS)
    numbers = (numbers ^ (numbers >> np.uint64(30))) * first
    numbers = (numbers ^ (numbers >> np.uint64(27))) * second
    return numbers ^ (numbers >> np.uint64(31))
