"""Ranks of the right entry among all entries of a table. Nothing here knows a model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_DECIMALS = 6
"""Scores equal to here are ties: rounding must not decide a rank."""


def ranks(scores: NDArray[np.float64], right: Sequence[int]) -> NDArray[np.float64]:
    """Return (n,) ranks of the right entries, 1 is best; entries of equal score share their mean.

    A model that finds all entries equal is never first, and in the middle on average.

    Args:
        scores: (n, n_entries), higher is better.
        right: (n,) index of each row's right entry.

    >>> ranks(np.array([[1.0, 3.0, 2.0], [5.0, 5.0, 0.0]]), [2, 0]).tolist()
    [2.0, 1.5]
    """
    rounded = np.round(scores, _DECIMALS)
    own = rounded[np.arange(len(rounded)), np.asarray(right)][:, None]
    above, equal = (rounded > own).sum(axis=1), (rounded == own).sum(axis=1)
    found: NDArray[np.float64] = 1 + above + (equal - 1) / 2
    return found


def mean_reciprocal(rank: NDArray[np.float64]) -> float:
    """Return the mean of 1 / rank.

    >>> mean_reciprocal(np.array([1.0, 2.0]))
    0.75
    """
    return float((1 / rank).mean())
