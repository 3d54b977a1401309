"""Rows of dots with their intervals: the figure most comparisons of models are.

A row is one thing measured, a dot one model's value on it; names stand on the left, values beside
the dots. What does not belong here: which values (``perplexity``, ``strata``, ``forgetting``,
``knowledge``).
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from astro_assets.evaluation.figures.style import Look, blank, legend, n_columns, short

_DOT_INCHES, _GAP_INCHES, _EDGE_INCHES, _LINE_INCHES = 0.19, 0.2, 0.62, 0.22
_CHARACTER_POINTS, _NAME_POINTS, _OFFSET_POINTS = 5.6, 6.0, 6.0
"""Widths of a written value's character and of a row name's; from an interval's end to a value."""
_MARGIN_POINTS = 30.0
"""What a legend leaves free of a width: it begins with the axes, not with the names beside them."""
_EMPTY, _ROOM = 0.05, 0.22
"""Of the range of values: beyond it without and with values written there."""
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


@dataclass(frozen=True)
class _Written:
    """A value that is written beside its dot."""

    text: str
    begins: float
    """Where on the axis it is written from."""
    is_left: bool
    """Whether it ends there, and lies on the left."""
    reaches: float
    """About where on the axis it ends."""


def draw_dots(rows: Sequence[Row], scale: Scale, look: Look) -> Figure:
    """Return the rows from the top; the legend names the models where there are several."""
    n_dots = [1 if scale.is_joined else max(len(row.dots), 1) for row in rows]
    tops = np.concatenate([[0.0], np.cumsum([n * _DOT_INCHES + _GAP_INCHES for n in n_dots])])
    handles, names = _handles(rows, look), _names(rows, look)
    points = _axes_points(names, look)
    above = replace(look, width_inches=(points + _MARGIN_POINTS) / 72)
    labels = [str(handle.get_label()) for handle in handles]
    n_lines = -(-len(labels) // n_columns(labels, above)) if labels else 0
    figure, axes = blank(float(tops[-1]) + _EDGE_INCHES + _LINE_INCHES * n_lines, look)
    axes.set_ylim(float(tops[-1]), 0.0)
    middles = [float(top + bottom) / 2 for top, bottom in pairwise(tops)]
    _draw_reference(axes, scale, look)
    for row, middle, n in zip(rows, middles, n_dots, strict=True):
        _draw_row(axes, row, scale, look, middle=middle, n_levels=n)
    left, right = _limits(rows, scale)
    if scale.shows_values:
        written = _written(rows, scale, (left, right), points=points)
        left = min([left, *(value.reaches for value in written if value.is_left)])
        _write_values(axes, rows, written, scale, look, middles=middles)
    axes.set_yticks(middles, names)
    axes.tick_params(axis="y", labelcolor=look.palette.ink)
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", color=look.palette.line, linewidth=0.8)
    axes.spines["bottom"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(3 if look.is_narrow else 6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: scale.ticked(value)))
    axes.set_xlabel(scale.name)
    axes.set_xlim(left, right)
    legend(axes, above, handles)
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
    axes: Axes,
    rows: Sequence[Row],
    written: Sequence[_Written],
    scale: Scale,
    look: Look,
    *,
    middles: Sequence[float],
) -> None:
    heights = [
        height
        for row, middle in zip(rows, middles, strict=True)
        for height in _heights(row, scale, middle)
    ]
    for value, height in zip(written, heights, strict=True):
        axes.annotate(
            value.text, (value.begins, height), textcoords="offset points",
            xytext=(-_OFFSET_POINTS if value.is_left else _OFFSET_POINTS, 0),
            ha="right" if value.is_left else "left", va="center", fontsize=9.0,
            color=look.palette.ink, annotation_clip=False,
        )  # fmt: skip


def _written(
    rows: Sequence[Row], scale: Scale, limits: tuple[float, float], *, points: float
) -> list[_Written]:
    """Return where each dot's value is written, row by row: where it crosses no upright line.

    Right of its interval, or left of it where the value lies below the reference; beyond the bound
    where the two would cross.

    Args:
        rows: What is drawn.
        scale: How values are written, and the reference.
        limits: Ends of the axis; where values are written on the left, they need more room there.
        points: Width of the axes.
    """
    dots = [(row.bound, dot, scale.written(dot.value)) for row in rows for dot in row.dots]
    widths = [_OFFSET_POINTS + _CHARACTER_POINTS * len(text) for _, _, text in dots]
    lefts = [scale.reference is not None and d.value < scale.reference for _, d, _ in dots]
    widest = max((w for w, is_left in zip(widths, lefts, strict=True) if is_left), default=0.0)
    # As if the widest on the left began at the axis' left end: then the axis is longest.
    unit = (limits[1] - limits[0]) / max(points - widest, points / 2)
    return [
        _beside(dot, bound, text, is_left=is_left, reach=width * unit)
        for (bound, dot, text), width, is_left in zip(dots, widths, lefts, strict=True)
    ]


def _beside(dot: Dot, bound: float | None, text: str, *, is_left: bool, reach: float) -> _Written:
    """Return a value beside its interval's end, or beside the bound that it would cross there."""
    ends = [dot.value, *(end for end in (dot.low, dot.high) if end is not None)]
    begins, side = (min(ends), -1) if is_left else (max(ends), 1)
    if bound is not None and 0 <= side * (bound - begins) < reach:
        begins = bound
    return _Written(text, begins, is_left, reaches=begins + side * reach)


def _limits(rows: Sequence[Row], scale: Scale) -> tuple[float, float]:
    """Return the ends of the axis, with room for values on the right."""
    low, high = _ends(rows, scale)
    room = (high - low) or abs(high) or 1.0
    return low - _EMPTY * room, high + (_ROOM if scale.shows_values else _EMPTY) * room


def _names(rows: Sequence[Row], look: Look) -> list[str]:
    """Return the rows' names in lines for which there is room."""
    width = _NARROW_NAME if look.is_narrow else _WIDE_NAME
    return [textwrap.fill(short(row.name, _MAX_NAME), width) for row in rows]


def _axes_points(names: Sequence[str], look: Look) -> float:
    """Return about how wide the axes are: what the names leave."""
    longest = max((len(line) for name in names for line in name.split("\n")), default=0)
    return look.width_inches * 72 - _NAME_POINTS * longest - 4 * _OFFSET_POINTS


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
                markeredgewidth=2.0, label="the most promotion allows",
            ),
        ]  # fmt: skip
    return handles if len(labels) > 1 else []
