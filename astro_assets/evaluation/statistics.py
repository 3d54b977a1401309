"""Intervals and tests on plain arrays, shared by the reports.

What does not belong here: anything that knows a model or a report.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z_95 = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""
N_RESAMPLES = 2_000
"""Bootstrap draws: the ends of a 95 % interval vary by 1.5 % of its width with the seed."""
LEAST_ITEMS = 8
"""Fewer give no interval that a decision may rest on: of five or less even differences of one sign
only could be chance (sign test, 2 / 2^5 = 6 %), and a bootstrap of so few is too narrow. Small test
worlds still have as many."""
_INDICES_AT_A_TIME = 1 << 16

Numbers = NDArray[np.floating] | NDArray[np.integer]


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval."""

    estimate: float
    low: float
    high: float


def drawn_sums(
    columns: Sequence[Numbers], *, seed: int, n_resamples: int = N_RESAMPLES
) -> NDArray[np.float64]:
    """Return the sums of columns of items: over all of them, then over each bootstrap draw.

    A draw takes as many items as there are, with replacement (Efron and Tibshirani 1993, chapter
    13). It depends on their number and the seed only, so whatever is summed, for whichever model,
    is summed over the same draws: ratios and differences of these sums are paired.

    Args:
        columns: k arrays of shape (n,): say nll in nats, tokens, UTF-8 bytes of each document.
        seed: Equal seeds give equal draws.
        n_resamples: Bootstrap draws.

    Returns:
        (k, 1 + n_resamples); column 0 holds the sums of the items as they are.
    """
    values = [np.ascontiguousarray(column, dtype=np.float64) for column in columns]
    n_items = len(values[0])
    sums = np.empty((len(values), 1 + n_resamples))
    generator = np.random.default_rng(seed)
    # So many draws at a time that their indices stay in the processor's cache.
    step = max(1, _INDICES_AT_A_TIME // max(n_items, 1))
    sums[:, 0] = [column.sum() for column in values]
    for begin in range(0, n_resamples, step):
        n_draws = min(step, n_resamples - begin)
        drawn = generator.integers(0, n_items, (n_draws, n_items))
        drawn += np.arange(n_draws)[:, None] * n_items
        counts = np.bincount(drawn.ravel(), minlength=n_draws * n_items)
        times = counts.reshape(n_draws, n_items).astype(np.float64)
        for row, column in enumerate(values):  # one by one: equal columns get equal sums
            sums[row, 1 + begin : 1 + begin + n_draws] = times @ column
    return sums


def interval_of(values: NDArray[np.float64]) -> Interval:
    """Return the first value with the percentile interval of the others, 2.5 % and 97.5 %.

    Args:
        values: (1 + n_resamples,) a figure made of ``drawn_sums``. A draw it is not defined on (no
            token in it) is left out.
    """
    drawn = values[1:]
    low, high = np.quantile(drawn[np.isfinite(drawn)], [0.025, 0.975])
    return Interval(float(values[0]), float(low), float(high))


def paired_ratio_difference(
    minuend: Numbers,
    subtrahend: Numbers,
    weights: Numbers,
    *,
    seed: int,
    n_resamples: int = N_RESAMPLES,
) -> Interval:
    """Return sum(minuend - subtrahend) / sum(weights) with a bootstrap interval over the items.

    The ratio estimator of a paired difference: items (documents) are drawn with replacement, and
    both sums are taken over the same draw. Percentile interval, 2.5 % and 97.5 %.

    Args:
        minuend: Per item, say the tuned model's nll in nats.
        subtrahend: Per item, the other model's.
        weights: Per item, say UTF-8 bytes; their sum must be positive.
        seed: Equal seeds give equal intervals.
        n_resamples: Bootstrap draws.
    """
    difference = np.asarray(minuend, dtype=np.float64) - np.asarray(subtrahend, dtype=np.float64)
    gap, weight = drawn_sums([difference, weights], seed=seed, n_resamples=n_resamples)
    with np.errstate(divide="ignore", invalid="ignore"):
        return interval_of(gap / weight)


def wilson_interval(n_right: int, n: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share (Wilson 1927).

    >>> [round(end, 4) for end in wilson_interval(81, 263)]
    [0.2553, 0.3662]
    >>> wilson_interval(0, 60)[0]
    0.0
    """
    share, z2 = n_right / n, Z_95**2
    middle = share + z2 / (2 * n)
    half = Z_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    low, high = (middle - half) / (1 + z2 / n), (middle + half) / (1 + z2 / n)
    # Exact where nothing or all is right: rounding would leave the share outside its interval.
    return (low if n_right else 0.0), (high if n_right < n else 1.0)


def paired_share_difference(right_a: NDArray[np.bool_], right_b: NDArray[np.bool_]) -> Interval:
    """Return share(a) - share(b) of paired yes/no items with a 95 % score interval.

    Newcombe 1998 (Statistics in Medicine 17, 2635), method 10: the Wilson limits of both shares,
    combined with their correlation. Unlike a bootstrap it has a width where a and b agree on all.

    Args:
        right_a: (n,) whether a was right.
        right_b: (n,) whether b was right on the same items.
    """
    n, n_a, n_b = len(right_a), int(right_a.sum()), int(right_b.sum())
    share_a, share_b = n_a / n, n_b / n
    low_a, high_a = wilson_interval(n_a, n)
    low_b, high_b = wilson_interval(n_b, n)
    phi = _score_correlation(right_a, right_b)
    down, up = share_a - low_a, high_b - share_b
    below = math.sqrt(max(down**2 - 2 * phi * down * up + up**2, 0.0))
    down, up = share_b - low_b, high_a - share_a
    above = math.sqrt(max(down**2 - 2 * phi * down * up + up**2, 0.0))
    estimate = share_a - share_b
    return Interval(estimate, estimate - below, estimate + above)


def _score_correlation(right_a: NDArray[np.bool_], right_b: NDArray[np.bool_]) -> float:
    """Return phi of the 2 x 2 table, with Newcombe's continuity correction; 0 by a margin of 0."""
    n, n_a, n_b = len(right_a), int(right_a.sum()), int(right_b.sum())
    n_both = int((right_a & right_b).sum())
    margins = n_a * (n - n_a) * n_b * (n - n_b)
    if margins == 0:
        return 0.0
    excess = float(n_both * (n - n_a - n_b + n_both) - (n_a - n_both) * (n_b - n_both))
    if excess > 0:
        excess = max(excess - n / 2, 0.0)
    return excess / math.sqrt(margins)


def chance_of_at_least(n_right: int, n: int, chance: float) -> float:
    """Return P(X >= n_right) for X binomial(n, chance): the one-sided p-value against guessing.

    >>> chance_of_at_least(2, 2, 0.25)
    0.0625
    """
    return math.fsum(
        math.comb(n, k) * chance**k * (1 - chance) ** (n - k) for k in range(n_right, n + 1)
    )
