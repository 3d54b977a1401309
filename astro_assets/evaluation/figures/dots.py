"""Rows of dots with their intervals: the figure most comparisons of models are.

A row is one thing measured, a dot one model's value on it; names stand on the left, values beside
the dots. What does not belong here: which values (``perplexity``, ``strata``, ``forgetting``,
``knowledge``).
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from astro_assets.evaluation.figures.style import Look, blank, legend, n_columns, short

_DOT_INCHES, _GAP_INCHES, _EDGE_INCHES, _LINE_INCHES = 0.19, 0.2, 0.62, 0.22
_WIDE_REACH, _NARROW_REACH = 0.12, 0.24
"""Of the range of values: how far a value reaches that is written beside its dot."""
_WIDE_NAME, _NARROW_NAME, _MAX_NAME = 28, 15, 45


@dataclass(frozen=True)
class Dot:
    """One value and, where known, its interval."""

    label: str
    """Whose: it gives the colour."""
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Row:
    """One thing measured."""

    name: str
    dots: tuple[Dot, ...]
    bound: float | None = None
    """What the value must not pass; drawn as an upright bar."""


@dataclass(frozen=True)
class Scale:
    """What the horizontal axis is."""

    name: str
    written: Callable[[float], str]
    """Writes a value beside its dot."""
    ticked: Callable[[float], str]
    """Writes a value at the axis."""
    reference: float | None = None
    """A value all rows are compared with: no change, or chance."""
    is_joined: bool = False
    """Whether a row's dots are joined by a line: then they stand at one height."""
    shows_values: bool = True


def draw_dots(rows: Sequence[Row], scale: Scale, look: Look) -> Figure:
    """Return the rows from the top; the legend names the models where there are several."""
    n_dots = [1 if scale.is_joined else max(len(row.dots), 1) for row in rows]
    tops = np.concatenate([[0.0], np.cumsum([n * _DOT_INCHES + _GAP_INCHES for n in n_dots])])
    handles = _handles(rows, look)
    labels = [str(handle.get_label()) for handle in handles]
    n_lines = -(-len(labels) // n_columns(labels, look)) if labels else 0
    figure, axes = blank(float(tops[-1]) + _EDGE_INCHES + _LINE_INCHES * n_lines, look)
    axes.set_ylim(float(tops[-1]), 0.0)
    middles = [float(top + bottom) / 2 for top, bottom in pairwise(tops)]
    low, high = _ends(rows, scale)
    reach = (_NARROW_REACH if look.is_narrow else _WIDE_REACH) * (high - low)
    _draw_reference(axes, scale, look)
    for row, middle, n in zip(rows, middles, n_dots, strict=True):
        _draw_row(axes, row, scale, look, middle=middle, n_levels=n)
        _write_values(axes, row, scale, look, middle=middle, reach=reach)
    width = _NARROW_NAME if look.is_narrow else _WIDE_NAME
    names = [textwrap.fill(short(row.name, _MAX_NAME), width) for row in rows]
    axes.set_yticks(middles, names)
    axes.tick_params(axis="y", labelcolor=look.palette.ink)
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", color=look.palette.line, linewidth=0.8)
    axes.spines["bottom"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(3 if look.is_narrow else 6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: scale.ticked(value)))
    axes.set_xlabel(scale.name)
    room = (high - low) or abs(high) or 1.0
    axes.set_xlim(low - 0.05 * room, high + (0.22 if scale.shows_values else 0.05) * room)
    legend(axes, look, handles)
    return figure


def _draw_reference(axes: Axes, scale: Scale, look: Look) -> None:
    if scale.reference is not None:
        axes.axvline(scale.reference, color=look.palette.muted, linewidth=1.0, zorder=1)


def _draw_row(
    axes: Axes, row: Row, scale: Scale, look: Look, *, middle: float, n_levels: int
) -> None:
    if scale.is_joined and len(row.dots) > 1:
        values = [dot.value for dot in row.dots]
        axes.plot(
            [min(values), max(values)], [middle] * 2, color=look.palette.muted, linewidth=1.2,
            alpha=0.6, zorder=2,
        )  # fmt: skip
    for dot, height in zip(row.dots, _heights(row, scale, middle), strict=True):
        colour = look.palette.of(dot.label)
        if dot.low is not None and dot.high is not None:
            axes.plot([dot.low, dot.high], [height] * 2, color=colour, linewidth=1.8, zorder=3)
        axes.plot([dot.value], [height], "o", color=colour, markersize=6.0, zorder=4)
    if row.bound is not None:
        half = n_levels * _DOT_INCHES / 2 + 0.06
        axes.plot(
            [row.bound] * 2, [middle - half, middle + half], color=look.palette.bad, linewidth=2.0
        )


def _write_values(
    axes: Axes, row: Row, scale: Scale, look: Look, *, middle: float, reach: float
) -> None:
    """Write each value beside its dot; beyond the bound where the two would cross."""
    if not scale.shows_values:
        return
    for dot, height in zip(row.dots, _heights(row, scale, middle), strict=True):
        end = dot.value if dot.high is None else max(dot.value, dot.high)
        if row.bound is not None and end <= row.bound < end + reach:
            end = row.bound
        axes.annotate(
            scale.written(dot.value), (end, height), xytext=(6, 0), textcoords="offset points",
            va="center", fontsize=9.0, color=look.palette.ink, annotation_clip=False,
        )  # fmt: skip


def _heights(row: Row, scale: Scale, middle: float) -> list[float]:
    """Return where a row's dots stand: one below the other, or all at one height."""
    if scale.is_joined:
        return [middle] * len(row.dots)
    first = middle - (len(row.dots) - 1) / 2 * _DOT_INCHES
    return [first + place * _DOT_INCHES for place in range(len(row.dots))]


def _ends(rows: Sequence[Row], scale: Scale) -> tuple[float, float]:
    """Return the least and greatest of all that is drawn."""
    given = [dot.value for row in rows for dot in row.dots]
    given += [
        end for row in rows for dot in row.dots for end in (dot.low, dot.high) if end is not None
    ]
    given += [row.bound for row in rows if row.bound is not None]
    given += [] if scale.reference is None else [scale.reference]
    return min(given, default=0.0), max(given, default=1.0)


def _handles(rows: Sequence[Row], look: Look) -> list[Line2D]:
    """Return what says which colour is whose, where more than one is there or a bound."""
    labels = list(dict.fromkeys(dot.label for row in rows for dot in row.dots))
    handles = [
        Line2D(
            [], [], color=look.palette.of(label), marker="o", markersize=6, linestyle="none",
            label=short(label),
        )
        for label in labels
    ]  # fmt: skip
    if any(row.bound is not None for row in rows):
        return [
            *handles,
            Line2D(
                [], [], color=look.palette.bad, linestyle="none", marker="|", markersize=11,
                markeredgewidth=2.0, label="the most that promotion allows",
            ),
        ]  # fmt: skip
    return handles if len(labels) > 1 else []
