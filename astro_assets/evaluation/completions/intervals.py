"""How sure the measures of completions are: a bootstrap over abstracts, not over texts.

Samples of one abstract are alike, so abstracts are drawn, each with all that was made of it. What
does not belong here: what is counted (measures) and how it is drawn (statistics).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from astro_assets.evaluation.completions.measures import Text, tallied
from astro_assets.evaluation.statistics import LEAST_ITEMS, drawn_sums, interval_of

LEAST_ABSTRACTS = LEAST_ITEMS
"""With fewer, an interval would say more of the few than of the writer."""
COMPARED = ("repeated_4grams", "new_numbers", "rouge_l")
_SEED = 0

Texts = Sequence[Sequence[Text]]
"""Per abstract what one writer made of it, possibly nothing; every writer's in the same order."""
Tallies = Mapping[str, NDArray[np.float64]]
"""Measure -> (n_abstracts, 2): its sum and what it is divided by."""


def tallies_of(texts: Texts) -> Tallies:
    """Return each abstract's part of every measure."""
    found = [tallied(one) for one in texts]
    return {name: np.asarray([one[name] for one in found], dtype=float) for name in tallied(())}


def intervals(tallies: Tallies) -> dict[str, list[float] | None] | None:
    """Return measure -> [low, high], 95 %; None where fewer than eight abstracts count for it.

    Returns:
        None as a whole where fewer than eight abstracts have a text.
    """
    texts = _written(tallies["mean_words"])
    if len(texts) < LEAST_ABSTRACTS:
        return None
    return {name: _interval(own) for name, own in tallies.items()}


def differences(minuend: Tallies, subtrahend: Tallies) -> dict[str, dict[str, float] | None] | None:
    """Return measure -> value, low and high (95 %) of one writer minus another, paired by abstract.

    A measure is None where fewer than eight abstracts count for either writer: for ROUGE-L against
    the truth always, which has none.

    Returns:
        None as a whole where fewer than eight abstracts have a text of both.
    """
    has_both = (minuend["mean_words"][:, 1] > 0) & (subtrahend["mean_words"][:, 1] > 0)
    if has_both.sum() < LEAST_ABSTRACTS:
        return None
    return {
        name: _difference(minuend[name][has_both], subtrahend[name][has_both]) for name in COMPARED
    }


def _interval(own: NDArray[np.float64]) -> list[float] | None:
    counted = _written(own)
    if len(counted) < LEAST_ABSTRACTS:
        return None
    found = interval_of(_drawn_ratio(counted))
    return [found.low, found.high]


def _difference(
    minuend: NDArray[np.float64], subtrahend: NDArray[np.float64]
) -> dict[str, float] | None:
    if min(len(_written(minuend)), len(_written(subtrahend))) < LEAST_ABSTRACTS:
        return None
    # Equal numbers of abstracts and an equal seed: both ratios are of the same draws.
    found = interval_of(_drawn_ratio(minuend) - _drawn_ratio(subtrahend))
    return {"value": found.estimate, "low": found.low, "high": found.high}


def _drawn_ratio(own: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (1 + n_resamples,) the measure, then that of each draw of abstracts."""
    total, n = drawn_sums([own[:, 0], own[:, 1]], seed=_SEED)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: NDArray[np.float64] = total / n
    return ratio


def _written(own: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the abstracts that count for a measure."""
    return own[own[:, 1] > 0]
