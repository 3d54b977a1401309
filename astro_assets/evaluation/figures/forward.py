"""A model on papers newer than itself, by months since its cut; its contemporaries for reference.

What does not belong here: what staleness means (the report, ``perplexity.forward``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from astro_assets.evaluation.figures.style import Drawing, Look, legend, short, stacked
from astro_assets.evaluation.pages.values import at, in_order, number_at

Month = Mapping[str, Any]


def by_months(report: Mapping[str, Any]) -> Drawing | None:
    """Return bits per byte by months since the cut, and below it the gain over the base."""
    forward = report.get("forward")
    months = [m for m in at(forward, "months") or [] if number_at(m, "months_since") is not None]
    if not months:
        return None
    label, last = short(at(forward, "label")), months[-1]
    said = ", ".join(f"{name} {value:.3f}" for name, value in _values(last))
    return Drawing(
        "forward_in_time",
        f"Bits per byte on papers newer than the {label}, up to"
        f" {last['months_since']} months after its cut: there {said}.",
        lambda look: _draw(forward, months, look),
    )


def _values(month: Any) -> list[tuple[str, float]]:
    bits = at(month, "bits_per_byte") or {}
    found = [(name, number_at(bits, name)) for name in in_order(bits)]
    return [(name, value) for name, value in found if value is not None]


def _draw(forward: Any, months: Sequence[Month], look: Look) -> Figure:
    gains = [m for m in months if number_at(m, "gain", "bits_per_byte") is not None]
    n_rows = 2 if gains else 1
    figure, rows = stacked(
        4.1 if gains else 2.7, n_rows=n_rows, look=look, heights=(1.45, 1)[:n_rows]
    )
    contemporaries = dict(_values(at(forward, "contemporaries")))
    for name in in_order({name for m in months for name, _ in _values(m)}):
        points = [(m["months_since"], v) for m in months for n, v in _values(m) if n == name]
        colour = look.palette.of(name)
        rows[0].plot(
            *zip(*points, strict=True), color=colour, linewidth=2.0, marker="o", markersize=4.0,
            label=short(name),
        )  # fmt: skip
        if name in contemporaries:
            rows[0].axhline(
                contemporaries[name], color=colour, linewidth=1.2, linestyle=(0, (4, 3))
            )
    if contemporaries:
        rows[0].plot(
            [], [], color=look.palette.muted, linewidth=1.2, linestyle=(0, (4, 3)),
            label="on papers of its own time",
        )  # fmt: skip
    rows[0].set_ylabel("bits per byte")
    legend(rows[0], look)
    if gains:
        _draw_gains(rows[1], at(forward, "contemporaries"), gains, look)
    rows[-1].xaxis.set_major_locator(MaxNLocator(8, integer=True))
    rows[-1].set_xlim(0.4, max(m["months_since"] for m in months) + 0.6)
    rows[-1].set_xlabel("months since the cut")
    return figure


def _draw_gains(axes: Axes, contemporaries: Any, gains: Sequence[Month], look: Look) -> None:
    colour = look.palette.champion
    low, high = (number_at(contemporaries, "gain", end) for end in ("low", "high"))
    if low is not None and high is not None:
        axes.axhspan(low, high, color=look.palette.muted, alpha=0.16, linewidth=0)
    for month in gains:
        ends = [number_at(month, "gain", end) for end in ("low", "high")]
        if None not in ends:
            axes.plot([month["months_since"]] * 2, ends, color=colour, linewidth=1.6)
    axes.plot(
        [m["months_since"] for m in gains], [m["gain"]["bits_per_byte"] for m in gains], "o",
        color=colour, markersize=5.0,
    )  # fmt: skip
    axes.set_ylabel("gain over base")
