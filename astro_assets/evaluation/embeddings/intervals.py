"""How sure means over queries are: a bootstrap over them, and how many it takes.

What does not belong here: what is asked (quality) and how draws are made (statistics).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from astro_assets.evaluation.statistics import LEAST_ITEMS, Interval, paired_ratio_difference

LEAST_QUERIES = LEAST_ITEMS
"""With fewer, an interval would say more of the few than of the space."""
_SEED = 20230912
_N_RESAMPLES = 1_000

Numbers = NDArray[np.float64]


def mean_difference(ones: Numbers, others: Numbers) -> Interval:
    """Return mean(ones - others) with its 95 % interval, paired by query.

    Args:
        ones: (n,) a figure per query, n at least 1.
        others: (n,) the same queries' in another space.
    """
    return paired_ratio_difference(
        ones, others, np.ones(len(ones)), seed=_SEED, n_resamples=_N_RESAMPLES
    )


def mean_interval(values: Numbers, *, n_queries: int) -> tuple[float, float] | None:
    """Return the 95 % interval of a mean; None below ``LEAST_QUERIES``.

    Args:
        values: (n,) figures.
        n_queries: Queries they come from: one may have several.
    """
    if n_queries < LEAST_QUERIES:
        return None
    found = mean_difference(values, np.zeros(len(values)))
    return found.low, found.high
