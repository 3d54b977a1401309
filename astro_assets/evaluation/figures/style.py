"""How figures look: axes, legend and colours, as inline SVG for the page or as a PNG.

On the page matplotlib's placeholder colours and plain text are handed over to the style sheet, so
that a figure follows light and dark; a PNG (Dagster's UI, MLflow) has colours of its own. The same
numbers give the same bytes. What does not belong here: what is drawn.
"""

from __future__ import annotations

import io
import re
from dataclasses import astuple, dataclass, fields

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image


@dataclass(frozen=True)
class Palette:
    """Colours by what they are for; the names are the custom properties of the page's style."""

    ink: str
    muted: str
    line: str
    base: str
    tuned: str
    champion: str
    baseline: str


PAGE = Palette("#010101", "#020202", "#030303", "#040404", "#050505", "#060606", "#070707")
"""Placeholders that ``as_svg`` replaces by the page's custom properties."""
PICTURE = Palette("#1d2129", "#6b7280", "#e3e0d8", "#8a8f9c", "#2554c7", "#b07b10", "#2a8c7a")
"""The page's light colours; blue and ochre differ for every kind of colour vision."""
STYLE_NAMES = {
    placeholder: field.name
    for placeholder, field in zip(astuple(PAGE), fields(Palette), strict=True)
}
"""Placeholder colour -> the custom property it stands for."""

_DOTS_PER_INCH = 110
_N_COLOURS = 64
_ID = re.compile(r' id="(?:figure|axes|patch|line2d|text|matplotlib\.axis|xtick|ytick|legend|'
                 r'[A-Za-z]*Collection)_[0-9_]+"')  # fmt: skip
_FONT = re.compile(r"font: (?:([0-9.]+px|bold [0-9.]+px)) [^;\"]*")


def blank(height_inches: float) -> tuple[Figure, Axes]:
    """Return an empty figure of the page, wide enough for a phone too, and its axes."""
    figure, (axes,) = stacked(height_inches, n_rows=1, palette=PAGE)
    return figure, axes


def stacked(height_inches: float, *, n_rows: int, palette: Palette) -> tuple[Figure, list[Axes]]:
    """Return an empty figure and its axes from the top, which share the horizontal one."""
    figure = Figure(figsize=(5.6, height_inches), layout="constrained")
    rows: list[Axes] = list(figure.subplots(n_rows, 1, sharex=True, squeeze=False)[:, 0])
    for axes in rows:
        _styled(axes, palette)
    return figure, rows


def legend(axes: Axes, *, palette: Palette = PAGE) -> None:
    """Put the legend above the axes, in one line."""
    axes.legend(
        frameon=False, fontsize=9.5, labelcolor=palette.ink, loc="lower left",
        bbox_to_anchor=(-0.01, 1.0), ncols=4, borderaxespad=0.1, handlelength=1.2,
        columnspacing=1.4,
    )  # fmt: skip


def as_svg(figure: Figure, name: str) -> str:
    """Return the figure as an SVG element styled by the page it will stand in."""
    FigureCanvasSVG(figure)
    buffer = io.StringIO()
    settings = {"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}
    with matplotlib.rc_context(settings):
        figure.savefig(
            buffer, format="svg", transparent=True,
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )  # fmt: skip
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    for colour, style in STYLE_NAMES.items():
        text = text.replace(colour, f"var(--{style})")
    text = _FONT.sub(r"font: \1 var(--sans)", _ID.sub("", text))
    return text.replace("<svg ", '<svg role="img" ', 1).strip()


def as_png(figure: Figure) -> bytes:
    """Return the figure as a PNG on white, in few colours: every materialisation keeps one."""
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(_DOTS_PER_INCH)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    buffer = io.BytesIO()
    few = picture.quantize(_N_COLOURS, dither=Image.Dither.NONE)
    few.save(buffer, "png", optimize=True)
    return buffer.getvalue()


def in_thousands(value: float, _position: int) -> str:
    """Return 1,500,000 as 1.5 M and 1,500 as 1.5 k, for the ticks of an axis."""
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def _styled(axes: Axes, palette: Palette) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(palette.line)
    axes.grid(axis="y", color=palette.line, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=palette.muted, labelsize=9.5, length=0)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(palette.muted)
        label.set_fontsize(10.0)
    axes.yaxis.set_major_locator(MaxNLocator(5))
