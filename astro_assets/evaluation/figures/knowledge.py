"""Right answers by method of asking, beside chance.

What does not belong here: the verdict (the report).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from astro_assets.evaluation.figures.dots import Dot, Row, Scale, draw_dots
from astro_assets.evaluation.figures.style import Drawing, short
from astro_assets.evaluation.pages.text import percent
from astro_assets.evaluation.pages.values import at, measured, number_at

METHODS = {
    "full_answer": "whole answer",
    "letter_with_blank": "letter, blank before",
    "letter_without_blank": "letter, no blank",
    "generated": "generated answer",
}
"""Method of a report -> its name on the page."""


def accuracies(report: Mapping[str, Any], name: str = "knowledge") -> Drawing | None:
    """Return the share of right answers of every model by every method, and the chance line.

    Args:
        report: a knowledge report, or its ``other_questions``.
        name: the figure's file name.
    """
    methods = report.get("methods") or {"": report}
    rows = [Row(method_name(key), _dots(found)) for key, found in methods.items() if _dots(found)]
    if not rows:
        return None
    chance = number_at(report, "chance")
    scale = Scale(
        "share of right answers"
        + ("" if chance is None else f"; the line is chance, {chance:.0%}"),
        written=lambda value: percent(value, ".1%"),
        ticked=lambda value: percent(value, ".0%"),
        reference=chance,
    )
    said = "; ".join(
        f"{row.name} " + ", ".join(f"{dot.label} {dot.value:.1%}" for dot in row.dots)
        for row in rows
    )
    return Drawing(
        name, f"Share of right answers: {said}.", lambda look: draw_dots(rows, scale, look)
    )


def method_name(key: str) -> str:
    """Return what a method is called on the page.

    >>> method_name("full_answer"), method_name("other_way")
    ('whole answer', 'other way')
    """
    return METHODS.get(key, short(key).replace("_", " "))


def _dots(found: Any) -> tuple[Dot, ...]:
    models, dots = at(found, "models") or {}, []
    for label in measured(models):
        value = number_at(models, label, "accuracy")
        if value is not None:
            low, high = (number_at(models, label, end) for end in ("low", "high"))
            dots.append(Dot(label, value, low, high))
    return tuple(dots)
