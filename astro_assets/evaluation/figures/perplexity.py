"""Held-out bits per byte of every model, and how far tuning lowered perplexity by which way.

What does not belong here: years and subfields (``strata``) and the papers after the cut
(``forward``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from astro_assets.evaluation.figures.dots import Dot, Row, Scale, draw_dots
from astro_assets.evaluation.figures.style import Drawing
from astro_assets.evaluation.pages.text import number, percent
from astro_assets.evaluation.pages.values import interval_at, measured, number_at

FIELDS = {"astro": "astronomy", "general": "everything else"}
"""Field of a report -> its name on the page."""
REDUCTIONS = {
    "astro_train_packed": "ours, training blocks",
    "astro_packed": "ours, held-out blocks",
    "astro_per_document": "ours, held out, one by one",
}
"""Key in a report -> what was measured, from the paper's way to ours."""
PAPER_REDUCTION = 0.325
"""1 - 6.55 / 9.7, training perplexity (arXiv:2309.06126, figure 1)."""


def bits_per_byte(report: Mapping[str, Any]) -> Drawing | None:
    """Return held-out bits per UTF-8 byte with intervals, a row per field, a dot per model."""
    rows = [Row(name, _dots(report, field)) for field, name in FIELDS.items()]
    rows = [row for row in rows if row.dots]
    if not rows:
        return None
    scale = Scale(
        "bits per byte (less is better)",
        written=lambda value: number(value, ".4f"),
        ticked=lambda value: f"{value:.4g}",
    )
    said = "; ".join(
        f"{row.name}: " + ", ".join(f"{dot.label} {dot.value:.4f}" for dot in row.dots)
        for row in rows
    )
    return Drawing(
        "bits_per_byte",
        f"Bits per byte of held-out abstracts. {said}.",
        lambda look: draw_dots(rows, scale, look),
    )


def reductions(report: Mapping[str, Any]) -> Drawing | None:
    """Return by how much tuning lowered perplexity, beside the paper's training figure."""
    rows = []
    for key, name in REDUCTIONS.items():
        value = number_at(report, "reductions", key, "reduction")
        if value is not None:
            low, high = (number_at(report, "reductions", key, end) for end in ("low", "high"))
            rows.append(Row(name, (Dot("tuned", value, low, high),)))
    if not rows:
        return None
    paper = number_at(report, "reductions", "paper_train_packed") or PAPER_REDUCTION
    rows.insert(0, Row("the paper, training blocks", (Dot("champion", paper),)))
    scale = Scale(
        "fall of perplexity from base to tuned",
        written=lambda value: percent(value, ".1%"),
        ticked=lambda value: percent(value, ".0%"),
        reference=0.0,
    )
    said = "; ".join(f"{row.name} {row.dots[0].value:.1%}" for row in rows)
    return Drawing(
        "reductions",
        f"By how much tuning lowered perplexity: {said}.",
        lambda look: _unnamed(draw_dots(rows, scale, look)),
    )


def _dots(report: Mapping[str, Any], field: str) -> tuple[Dot, ...]:
    dots = []
    for label in measured(report.get("models")):
        place = ("models", label, field, "per_document")
        value = number_at(report, *place, "bits_per_byte")
        if value is not None:
            ends = interval_at(report, *place, "interval", "bits_per_byte") or (None, None)
            dots.append(Dot(label, value, *ends))
    return tuple(dots)


def _unnamed(figure: Any) -> Any:
    """Return a figure without its legend: its rows are not models but ways of measuring."""
    for axes in figure.axes:
        if axes.get_legend() is not None:
            axes.get_legend().remove()
    return figure
