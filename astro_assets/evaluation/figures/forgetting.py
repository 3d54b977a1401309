"""Forgetting in rings around astronomy: the rise of perplexity, with promotion's bounds.

What does not belong here: what a ring consists of (``evaluation.forgetting.rings``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from astro_assets.evaluation.figures.dots import Dot, Row, Scale, draw_dots
from astro_assets.evaluation.figures.style import Drawing
from astro_assets.evaluation.pages.text import percent
from astro_assets.evaluation.pages.values import at, number_at

RINGS = {
    "near": "near fields",
    "rehearsed": "rehearsed fields",
    "far": "far fields",
    "self_text": "the base’s own text",
    "prose": "prose of the user",
}
"""Ring -> its name on the page, outwards."""


def rises(
    report: Mapping[str, Any], *, allowed_rise: float | None, allowed_drift: float | None
) -> Drawing | None:
    """Return the rise of perplexity from the base to tuned and champion, ring by ring.

    Args:
        report: the perplexity report.
        allowed_rise: share that promotion allows on far fields.
        allowed_drift: nats per token that promotion allows on the base's own text.
    """
    drift = None if allowed_drift is None else math.expm1(allowed_drift)
    bounds = {"far": allowed_rise, "self_text": drift}
    rows = []
    for name, words in RINGS.items():
        dots = _dots(at(report, "forgetting", "rings", name))
        if dots:
            rows.append(Row(words, dots, bounds.get(name)))
    if not rows:
        return None
    scale = Scale(
        "rise of perplexity above the base’s",
        written=percent,
        ticked=lambda value: percent(value, "+.0%") if value else "0",
        reference=0.0,
    )
    said = "; ".join(
        f"{row.name} " + ", ".join(f"{dot.label} {dot.value:+.1%}" for dot in row.dots)
        for row in rows
    )
    return Drawing(
        "forgetting",
        f"Rise of perplexity from the base, by ring: {said}.",
        lambda look: draw_dots(rows, scale, look),
    )


def _dots(ring: Any) -> tuple[Dot, ...]:
    """Return the rises in a ring of those models that were measured beside the base there."""
    dots = []
    for label in ("tuned", "champion"):
        difference = at(ring, f"{label}_minus_base")
        rise = number_at(difference, "rise")
        if rise is not None:
            low, high = (number_at(difference, end) for end in ("rise_low", "rise_high"))
            dots.append(Dot(label, rise, low, high))
    return tuple(dots)
