"""Figures of the release page as inline SVG that follows the page's light or dark colours.

matplotlib draws with placeholder colours and plain text; both are then handed over to the style
sheet of the page. The same numbers give the same bytes. What does not belong here: computing them.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from astro_assets.evaluation.page_text import cleaned, perplexity

INK, MUTED, GRID = "#010101", "#020202", "#030303"
BASE, TUNED, CHAMPION, BASELINE = "#040404", "#050505", "#060606", "#070707"

_STYLE_NAMES = {
    INK: "ink", MUTED: "muted", GRID: "line", BASE: "base", TUNED: "tuned",
    CHAMPION: "champion", BASELINE: "baseline",
}  # fmt: skip
"""Placeholder colour -> the custom property of the page it stands for."""

_COLOURS = {"base": BASE, "tuned": TUNED, "champion": CHAMPION, "baseline": BASELINE}
_MAX_POINTS = 500
_ID = re.compile(r' id="(?:figure|axes|patch|line2d|text|matplotlib\.axis|xtick|ytick|legend|'
                 r'[A-Za-z]*Collection)_[0-9_]+"')  # fmt: skip
_FONT = re.compile(r"font: (?:([0-9.]+px|bold [0-9.]+px)) [^;\"]*")


def learning_curve(points: Sequence[Mapping[str, Any]]) -> str:
    """Return training perplexity over tokens seen, raw and smoothed.

    Args:
        points: n_tokens, nll_nats_per_token, smoothed_nll_nats_per_token; at most 500, evenly
            spaced, are drawn.
    """
    shown = [points[i] for i in _evenly(len(points))]
    figure, axes = _figure()
    tokens = [point["n_tokens"] for point in shown]
    raw = [_perplexity(point["nll_nats_per_token"]) for point in shown]
    smooth = [_perplexity(point["smoothed_nll_nats_per_token"]) for point in shown]
    axes.plot(tokens, raw, color=MUTED, linewidth=0.8, alpha=0.55, label="training, raw")
    axes.plot(tokens, smooth, color=TUNED, linewidth=2.0, label="training, smoothed")
    axes.set_xlabel("tokens trained on")
    axes.set_ylabel("training perplexity")
    axes.xaxis.set_major_formatter(FuncFormatter(_thousands))
    _legend(axes)
    return _svg(figure, "learning")


def perplexity_bars(values: Mapping[str, Mapping[str, float]]) -> str:
    """Return held-out perplexity as bars: one group per field, one bar per model.

    Args:
        values: field (astro, general) -> model (base, tuned, champion) -> perplexity.
    """
    figure, axes = _figure(height_inches=2.9)
    models = [name for name in _COLOURS if any(name in field for field in values.values())]
    width = 0.8 / len(models)
    for place, model in enumerate(models):
        at = [i + (place - (len(models) - 1) / 2) * width for i in range(len(values))]
        heights = [field.get(model, math.nan) for field in values.values()]
        bars = axes.bar(at, heights, width * 0.9, color=_COLOURS[model], label=model)
        axes.bar_label(bars, fmt=perplexity, padding=2, color=INK, fontsize=9.5)
    axes.set_xticks(range(len(values)), list(values))
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("held-out perplexity")
    axes.margins(y=0.14)
    _legend(axes)
    return _svg(figure, "perplexity")


def similarity_bins(bins: Sequence[Mapping[str, Any]], baseline: str) -> str:
    """Return the paper's figure 3: similarity in base and tuned over the baseline's, in bins.

    Dots are bin means, bars one standard deviation (arXiv:2309.06126, section 4.2).

    Args:
        bins: low, high, n_pairs, and base and tuned with mean and std; empty bins are left out.
        baseline: the baseline encoder's name.
    """
    figure, axes = _figure()
    filled = [item for item in bins if item["n_pairs"]]
    for shift, model in ((-0.12, "base"), (0.12, "tuned")):
        at = [(i["low"] + i["high"]) / 2 + shift * (i["high"] - i["low"]) for i in filled]
        axes.errorbar(
            at,
            [item[model]["mean"] for item in filled],
            yerr=[item[model]["std"] for item in filled],
            fmt="o", markersize=4.5, linewidth=1.4, color=_COLOURS[model], label=model,
        )  # fmt: skip
    axes.set_xlabel(f"similarity by {cleaned(baseline, 40)}", parse_math=False)
    axes.set_ylabel("cosine similarity")
    _legend(axes)
    return _svg(figure, "bins")


def similarity_histogram(histograms: Mapping[str, Mapping[str, Any]], baseline: str) -> str:
    """Return how the similarities of all pairs are spread, as densities.

    Args:
        histograms: base, tuned, baseline -> edges (n + 1) and counts (n).
        baseline: the baseline encoder's name.
    """
    figure, axes = _figure(height_inches=2.7)
    seen = []
    for name, histogram in histograms.items():
        edges, counts = np.asarray(histogram["edges"]), np.asarray(histogram["counts"], float)
        density = counts / max(float(counts.sum()), 1.0) / np.diff(edges)
        label = cleaned(baseline, 40).replace("$", r"\$") if name == "baseline" else name
        axes.stairs(density, edges, color=_COLOURS[name], linewidth=1.8, label=label)
        seen += [float(edge) for edge in edges[np.r_[counts > 0, False] | np.r_[False, counts > 0]]]
    if seen:
        axes.set_xlim(min(seen), max(seen))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("cosine similarity of two abstracts")
    axes.set_ylabel("density")
    _legend(axes)
    return _svg(figure, "histogram")


def papers_per_year(papers: Mapping[int, int]) -> str:
    """Return how many papers of the release were submitted in each year."""
    figure, axes = _figure(height_inches=2.3)
    axes.bar(list(papers), list(papers.values()), 0.8, color=TUNED)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.yaxis.set_major_formatter(FuncFormatter(_thousands))
    axes.set_ylabel("papers")
    return _svg(figure, "years")


def _figure(height_inches: float = 3.1) -> tuple[Figure, Axes]:
    """Return an empty figure in the house's style, wide enough for a phone and a page."""
    figure = Figure(figsize=(5.6, height_inches), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=MUTED, labelsize=9.5, length=0)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(MUTED)
        label.set_fontsize(10.0)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    return figure, axes


def _legend(axes: Axes) -> None:
    axes.legend(
        frameon=False, fontsize=9.5, labelcolor=INK, loc="lower left", bbox_to_anchor=(-0.01, 1.0),
        ncols=4, borderaxespad=0.1, handlelength=1.2, columnspacing=1.4,
    )  # fmt: skip


def _svg(figure: Figure, name: str) -> str:
    """Return the figure as an SVG element styled by the page it will stand in."""
    buffer = io.StringIO()
    settings = {"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}
    with matplotlib.rc_context(settings):
        figure.savefig(
            buffer, format="svg", transparent=True,
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )  # fmt: skip
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    for colour, style in _STYLE_NAMES.items():
        text = text.replace(colour, f"var(--{style})")
    text = _FONT.sub(r"font: \1 var(--sans)", _ID.sub("", text))
    return text.replace("<svg ", '<svg role="img" ', 1).strip()


def _evenly(n_points: int) -> list[int]:
    """Return at most 500 indices, first and last among them."""
    if n_points <= _MAX_POINTS:
        return list(range(n_points))
    return [round(i * (n_points - 1) / (_MAX_POINTS - 1)) for i in range(_MAX_POINTS)]


def _perplexity(nll_nats_per_token: float) -> float:
    return math.exp(min(nll_nats_per_token, 50.0))


def _thousands(value: float, _position: int) -> str:
    """Return 1,500,000 as 1.5 M and 1,500 as 1.5 k."""
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
