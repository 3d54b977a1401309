"""Verdicts on what training cost a model: non-inferiority by a margin, of paired answers.

Plain arrays in, plain values out; no model is known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astro_assets.evaluation.knowledge.methods import METHODS, Answers
from astro_assets.evaluation.statistics import (
    Interval,
    paired_share_difference,
    wilson_interval,
)

WITHOUT_BASE = "full_answer"
"""Method that leads where there is no base: no model's figures are chosen by themselves."""
SIGNIFICANCE = 0.05
"""Of the base being better than guessing; shared out between methods for the headline."""


def chance_of_guessing(n_right: int, chances: NDArray[np.float64]) -> float:
    """Return P(at least ``n_right`` right) of guessing questions with these chances.

    Exact for questions with unlike numbers of options (the Poisson binomial distribution).

    >>> chance_of_guessing(2, np.array([0.25, 0.5]))
    0.125
    """
    mass = np.zeros(len(chances) + 1)
    mass[0] = 1.0
    for n, chance in enumerate(chances, start=1):
        mass[1 : n + 1] = mass[1 : n + 1] * (1 - chance) + mass[:n] * chance
        mass[0] *= 1 - chance
    return float(mass[n_right:].sum())


def judged(
    right: Mapping[str, NDArray[np.bool_]],
    chances: NDArray[np.float64],
    *,
    margin: float,
    significance: float = SIGNIFICANCE,
) -> dict[str, Any]:
    """Return accuracies, paired differences with 95 % intervals, and the verdict on tuned and base.

    - ``not measurable``: the base itself is not better than guessing (one-sided): there is no
      knowledge here that could be lost.
    - ``worse``: the whole interval of tuned minus base lies below -margin.
    - ``not worse``: the whole interval lies above -margin.
    - ``undecided``: neither; too few questions.

    A champion beside them changes nothing of this; ``tuned_minus_champion`` is its own difference.

    Args:
        right: Label -> (n,) whether each question was answered rightly.
        chances: (n,) chance of guessing each question.
        margin: Loss of accuracy, as a share, that is called worse if it is shown.
        significance: Greatest p with which the base is taken to be better than guessing.
    """
    found: dict[str, Any] = {"models": {label: _share(one) for label, one in right.items()}}
    base, tuned = right.get("base"), right.get("tuned")
    p_guessing = None if base is None else chance_of_guessing(int(base.sum()), chances)
    found |= {"difference": None, "p_base_guessing": p_guessing, "verdict": None}
    found |= {"n_only_base_right": None, "n_only_tuned_right": None}
    found["tuned_minus_champion"] = _difference(tuned, right.get("champion"))
    if base is None or tuned is None or p_guessing is None:
        return found
    difference = paired_share_difference(tuned, base)
    found["difference"] = _figures(difference)
    found["n_only_base_right"] = int((base & ~tuned).sum())
    found["n_only_tuned_right"] = int((tuned & ~base).sum())
    found["verdict"] = (
        _verdict(difference, margin) if p_guessing < significance else "not measurable"
    )
    return found


def _difference(
    tuned: NDArray[np.bool_] | None, other: NDArray[np.bool_] | None
) -> dict[str, float] | None:
    if tuned is None or other is None:
        return None
    return _figures(paired_share_difference(tuned, other))


def _figures(difference: Interval) -> dict[str, float]:
    return {"accuracy": difference.estimate, "low": difference.low, "high": difference.high}


def _verdict(difference: Interval, margin: float) -> str:
    if difference.high < -margin:
        return "worse"
    return "not worse" if difference.low > -margin else "undecided"


def judge_methods(
    answered: Mapping[str, Mapping[str, Answers]], chances: NDArray[np.float64], *, margin: float
) -> dict[str, Any]:
    """Return the figures of every method, and the one that leads with its verdict.

    The headline method is the one by which the base answers best, whatever the tuned model does:
    choosing it by both would favour one of them. The base must then be better than guessing at the
    significance divided by the number of methods it was chosen from. Its own figure there is a
    maximum, and so a little high. Without a base nothing is chosen: ``full_answer`` leads. A
    champion has no say: where it cannot be asked that way, it is absent from the headline.

    Args:
        answered: Label -> method -> answers to the same questions.
        chances: (n,) chance of guessing each question.
        margin: Loss of accuracy that is called worse if it is shown.
    """
    methods: dict[str, Any] = {}
    for method, what in METHODS.items():
        of_method = {label: own[method] for label, own in answered.items() if method in own}
        if of_method:
            right = {label: one.right for label, one in of_method.items()}
            methods[method] = {**judged(right, chances, margin=margin), "what": what}
            for label, one in of_method.items():
                if one.n_unparsable is not None:
                    methods[method]["models"][label]["n_unparsable"] = one.n_unparsable
    headline, n_candidates = _headline(answered)
    leading = judged(
        {label: own[headline].right for label, own in answered.items() if headline in own},
        chances,
        margin=margin,
        significance=SIGNIFICANCE / n_candidates,
    )
    return {"methods": methods, "headline": headline, **leading}


def _headline(answered: Mapping[str, Mapping[str, Answers]]) -> tuple[str, int]:
    """Return the method that leads, and from how many it was chosen: those base and tuned can."""
    if "base" not in answered:
        return WITHOUT_BASE, 1
    reference: Mapping[str, Answers] = answered["base"]
    judged_on = [own for label, own in answered.items() if label != "champion"]
    candidates: Sequence[str] = [
        method for method in METHODS if all(method in own for own in judged_on)
    ]
    # max keeps the first of equals.
    leader = max(candidates, key=lambda method: int(reference[method].right.sum()))
    return leader, len(candidates)


def _share(right: NDArray[np.bool_]) -> dict[str, Any]:
    n_right, n = int(right.sum()), len(right)
    low, high = wilson_interval(n_right, n)
    return {"accuracy": n_right / n, "n_right": n_right, "low": low, "high": high}
