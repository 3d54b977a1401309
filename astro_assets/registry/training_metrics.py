"""A training's curves as MLflow metrics: their names, and which points are kept.

What does not belong here: sending them (``training_run``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_POINTS = 1_000
"""Of one metric; a longer training keeps every so many steps. The artifacts hold every step."""

TRAINING, HELDOUT = "training/nll_nats_per_token", "heldout/astro_nll_nats_per_token"
"""A metric that every line of each curve has: the last step it holds is the last that arrived."""

_GROUPS = ("astro", "general")
_LARGEST_NATS = 700.0


@dataclass(frozen=True)
class Point:
    """All metrics of one step of one curve."""

    step: int
    series: str
    """``TRAINING`` or ``HELDOUT``."""
    values: Mapping[str, float]


def training_point(line: Mapping[str, Any]) -> Point:
    """Return one step of the learning curve.

    >>> training_point({"step": 2, "nll_nats_per_token": 0.0, "learning_rate": 0.1}).values
    {'training/nll_nats_per_token': 0.0, 'training/learning_rate': 0.1, 'training/perplexity': 1.0}
    """
    values = {f"training/{name}": float(value) for name, value in line.items() if name != "step"}
    for name in ("", "smoothed_"):
        if (nll := line.get(f"{name}nll_nats_per_token")) is not None:
            values[f"training/{name}perplexity"] = perplexity(nll)
    return Point(int(line["step"]), TRAINING, _finite(values))


def heldout_point(line: Mapping[str, Any]) -> Point:
    """Return one held-out measurement: astro, general, and each subfield's perplexity."""
    values = {"heldout/epoch": float(line["epoch"])}
    for group, nll in line["nll_nats_per_token"].items():
        if group in _GROUPS:
            values[f"heldout/{group}_nll_nats_per_token"] = float(nll)
            values[f"heldout/{group}_perplexity"] = perplexity(nll)
        else:
            values[f"heldout/subfield/{group}"] = perplexity(nll)
    return Point(int(line["step"]), HELDOUT, _finite(values))


def is_kept(step: int, *, n_steps: int) -> bool:
    """Tell whether a step of the learning curve is among the ones that are sent.

    >>> [step for step in range(1, 5_001) if is_kept(step, n_steps=5_000)][:3]
    [1, 5, 10]
    """
    every = max(1, math.ceil(n_steps / MAX_POINTS))
    return step % every == 0 or step in (1, n_steps)


def perplexity(nll_nats_per_token: float) -> float:
    """Return the exponent of a negative log-likelihood per token; one beyond all bounds is cut."""
    return math.exp(min(float(nll_nats_per_token), _LARGEST_NATS))


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    """Return what MLflow's stores all take."""
    return {name: value for name, value in values.items() if math.isfinite(value)}
