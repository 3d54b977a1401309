"""How figures look: widths, colours, axes and legend, as inline SVG for the page or as a PNG.

On the page matplotlib's placeholder colours and plain text are handed over to the style sheet, so
that a figure follows light and dark; and each is drawn twice, for a phone and for a desk, of which
the style sheet shows one: shrunk letters cannot be read. A PNG (Dagster's UI, MLflow) has colours
of its own. The same numbers give the same bytes. What does not belong here: what is drawn.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields

import matplotlib
import numpy as np
from markupsafe import escape
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from astro_assets.evaluation.pages.text import cleaned


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
    bad: str

    def of(self, label: str) -> str:
        """Return the colour of a model or encoder; a lone ``model`` has the tuned one's."""
        known = {
            "base": self.base, "tuned": self.tuned, "model": self.tuned,
            "champion": self.champion, "baseline": self.baseline,
        }  # fmt: skip
        return known.get(label, self.muted)


PAGE = Palette(
    "#010101", "#020202", "#030303", "#040404", "#050505", "#060606", "#070707", "#080808"
)
"""Placeholders that ``as_svg`` replaces by the page's custom properties."""
PICTURE = Palette(
    "#1d2129", "#5f6672", "#e3e0d8", "#7d8390", "#2554c7", "#936408", "#23806f", "#b3341f"
)
"""The page's light colours; blue and ochre differ for every kind of colour vision."""
STYLE_NAMES = {
    placeholder: field.name
    for placeholder, field in zip(astuple(PAGE), fields(Palette), strict=True)
}
"""Placeholder colour -> the custom property it stands for."""


@dataclass(frozen=True)
class Look:
    """Colours and width of one drawing."""

    palette: Palette
    width_inches: float

    @property
    def is_narrow(self) -> bool:
        """Whether it is for a phone."""
        return self.width_inches < 5


DESK, PHONE = Look(PAGE, 7.4), Look(PAGE, 4.3)
"""The page's two widths; at these one point of a letter is about one pixel on the screen."""
PRINTED = Look(PICTURE, 7.4)
"""For where no style sheet reaches."""


@dataclass(frozen=True)
class Drawing:
    """A figure that can be drawn in any look."""

    name: str
    """A file name without its ending."""
    said: str
    """What it shows, in a sentence or two, for those who do not see it; numbers included."""
    draw: Callable[[Look], Figure]

    def svg(self) -> str:
        """Return both widths as SVG elements of the page."""
        return "\n".join(
            as_svg(self._drawn(look), f"{self.name}-{kind}", said=self.said, kind=kind)
            for look, kind in ((DESK, "desk"), (PHONE, "phone"))
        )

    def png(self) -> bytes:
        """Return a PNG on white."""
        return as_png(self._drawn(PRINTED))

    def _drawn(self, look: Look) -> Figure:
        # A dollar in a name is no formula.
        with matplotlib.rc_context({"text.parse_math": False}):
            return self.draw(look)


_DOTS_PER_INCH = 110
_N_COLOURS = 64
_MAX_SAID = 600
_ID = re.compile(r' id="(?:figure|axes|patch|line2d|text|matplotlib\.axis|xtick|ytick|legend|'
                 r'[A-Za-z]*Collection)_[0-9_]+"')  # fmt: skip
_FONT = re.compile(r"font: (?:([0-9.]+px|bold [0-9.]+px)) [^;\"]*")


def blank(height_inches: float, look: Look) -> tuple[Figure, Axes]:
    """Return an empty figure and its axes."""
    figure, (axes,) = stacked(height_inches, n_rows=1, look=look)
    return figure, axes


def stacked(
    height_inches: float, *, n_rows: int, look: Look, heights: tuple[float, ...] | None = None
) -> tuple[Figure, list[Axes]]:
    """Return an empty figure and its axes from the top, which share the horizontal one."""
    figure = Figure(figsize=(look.width_inches, height_inches), layout="constrained")
    rows: list[Axes] = list(
        figure.subplots(n_rows, 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    )
    for axes in rows:
        _styled(axes, look.palette)
    return figure, rows


def short(text: object, n_characters: int = 28) -> str:
    """Return a text that a figure has room for: one line, cut.

    >>> short("a name that is much too long for a legend", 12)
    'a name that…'
    """
    line = cleaned(text, 4 * n_characters)
    return line if len(line) <= n_characters else f"{line[: n_characters - 1].rstrip()}…"


def legend(axes: Axes, look: Look, handles: Sequence[Artist] | None = None) -> None:
    """Put the legend above the axes, in as few lines as there is room for."""
    shown = axes.get_legend_handles_labels()[0] if handles is None else list(handles)
    if not shown:
        return
    labels = [str(handle.get_label()) for handle in shown]
    axes.legend(
        shown, labels, frameon=False, fontsize=9.5, labelcolor=look.palette.ink,
        loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=n_columns(labels, look),
        borderaxespad=0.2, handlelength=1.2, columnspacing=1.3, handletextpad=0.55,
    )  # fmt: skip


def n_columns(labels: Sequence[str], look: Look) -> int:
    """Return how many entries fit beside one another, in columns as wide as their widest."""
    points = look.width_inches * 72 - 30
    for n_found in range(len(labels), 1, -1):
        columns = np.array_split([len(label) for label in labels], n_found)
        if sum(30 + 5.9 * int(column.max()) for column in columns) <= points:
            return n_found
    return 1


def as_svg(figure: Figure, name: str, *, said: str = "", kind: str = "") -> str:
    """Return the figure as an SVG element styled by the page it will stand in.

    Args:
        figure: what was drawn.
        name: makes the ids within it differ from those of other figures.
        said: what it shows, read aloud in its stead.
        kind: its class: desk or phone.
    """
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
    told = f' aria-label="{escape(cleaned(said, _MAX_SAID))}"' if said else ""
    shown = f' class="{escape(kind)}"' if kind else ""
    return text.replace("<svg ", f'<svg role="img"{told}{shown} ', 1).strip()


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
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
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
        label.set_fontsize(9.5)
    axes.yaxis.set_major_locator(MaxNLocator(5))
