"""Bits per byte by year of submission, by subfield, and by whether astro-ph comes first.

What does not belong here: which strata are large enough (the report).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from astro_assets.evaluation.figures.dots import Dot, Row, Scale, draw_dots
from astro_assets.evaluation.figures.style import Drawing, Look, legend, short, stacked
from astro_assets.evaluation.pages.text import number
from astro_assets.evaluation.pages.values import at, in_order, number_at

Stratum = Mapping[str, Any]
_YEARS = re.compile(r"([0-9]{4})(?:–([0-9]{4}))?")
"""One year, or the first and the last of several."""


def by_year(report: Mapping[str, Any]) -> Drawing | None:
    """Return bits per byte over years, and below it tuned minus base with its band.

    Years that are taken together are a point in their middle.
    """
    years = [s for s in strata_of(report, "year") if _YEARS.fullmatch(str(s.get("name", "")))]
    if len(years) < 2:
        return None
    first, last = years[0], years[-1]
    said = ", ".join(f"{label} {value:.3f}" for label, value in _values(last))
    return Drawing(
        "bits_by_year",
        f"Bits per byte by year of submission, {first['name']} to {last['name']}."
        f" In {last['name']}: {said}.",
        lambda look: _draw_years(years, look),
    )


def by_subfield(report: Mapping[str, Any]) -> Drawing | None:
    """Return bits per byte of each subfield, and of papers that have astro-ph first or not."""
    subfields = sorted(
        strata_of(report, "subfield"), key=lambda s: max((v for _, v in _values(s)), default=0.0)
    )
    rows = [
        Row(short(s["name"]).removeprefix("astro-ph."), _dots(s))
        for s in (*subfields, *strata_of(report, "place"))
        if _values(s)
    ]
    if not rows:
        return None
    scale = Scale(
        "bits per byte of held-out abstracts",
        written=lambda value: number(value, ".3f"),
        ticked=lambda value: f"{value:.4g}",
        is_joined=True,
        shows_values=False,
    )
    said = "; ".join(
        f"{row.name} " + ", ".join(f"{dot.label} {dot.value:.3f}" for dot in row.dots)
        for row in rows
    )
    return Drawing(
        "bits_by_subfield",
        f"Bits per byte by subfield and place: {said}.",
        lambda look: draw_dots(rows, scale, look),
    )


def strata_of(report: Mapping[str, Any], kind: str) -> list[Stratum]:
    """Return the strata of one kind that the report holds, in its order."""
    found = at(report, "strata", kind) or []
    return [stratum for stratum in found if isinstance(stratum, Mapping)]


def _values(stratum: Stratum) -> list[tuple[str, float]]:
    models = stratum.get("models") or {}
    found = [(label, number_at(models, label)) for label in in_order(models)]
    return [(label, value) for label, value in found if value is not None]


def _dots(stratum: Stratum) -> tuple[Dot, ...]:
    return tuple(Dot(label, value) for label, value in _values(stratum))


def _middle(stratum: Stratum) -> float:
    """Return where on the axis a year stands, or several that are taken together."""
    found = _YEARS.fullmatch(str(stratum["name"]))
    first, last = found.groups() if found else ("0", None)
    return (int(first) + int(last or first)) / 2


def _draw_years(years: Sequence[Stratum], look: Look) -> Figure:
    compared = [s for s in years if number_at(s, "tuned_minus_base", "bits_per_byte") is not None]
    n_rows = 2 if compared else 1
    height = 4.1 if compared else 2.7
    figure, rows = stacked(height, n_rows=n_rows, look=look, heights=(1.45, 1)[:n_rows])
    palette = look.palette
    for label in in_order({name for s in years for name, _ in _values(s)}):
        points = [(_middle(s), value) for s in years for name, value in _values(s) if name == label]
        rows[0].plot(
            *zip(*points, strict=True), color=palette.of(label), linewidth=2.0, marker="o",
            markersize=3.2, label=short(label),
        )  # fmt: skip
    rows[0].set_ylabel("bits per byte")
    legend(rows[0], look)
    if compared:
        at_years = [_middle(s) for s in compared]
        value, low, high = (
            [number_at(s, "tuned_minus_base", key) for s in compared]
            for key in ("bits_per_byte", "low", "high")
        )
        rows[1].fill_between(at_years, low, high, color=palette.tuned, alpha=0.2, linewidth=0)
        rows[1].plot(at_years, value, color=palette.tuned, linewidth=2.0)
        rows[1].axhline(0.0, color=palette.muted, linewidth=1.0)
        rows[1].set_ylabel("tuned − base")
    rows[-1].xaxis.set_major_locator(MaxNLocator(5 if look.is_narrow else 9, integer=True))
    rows[-1].xaxis.set_major_formatter(FuncFormatter(lambda year, _place: f"{year:.0f}"))
    rows[-1].set_xlabel("year of submission")
    return figure
