"""Figures of the release page as inline SVG that follows the page's light or dark colours.

The learning curve has a file of its own, as it is drawn elsewhere too. The same numbers give the
same bytes. What does not belong here: computing them, and what all figures share (figure_style).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from astro_assets.evaluation.figures.style import PAGE, as_svg, blank, in_thousands, legend
from astro_assets.evaluation.pages.text import cleaned, perplexity

_COLOURS = {
    "base": PAGE.base, "tuned": PAGE.tuned, "champion": PAGE.champion, "baseline": PAGE.baseline
}  # fmt: skip


def perplexity_bars(values: Mapping[str, Mapping[str, float]]) -> str:
    """Return held-out perplexity as bars: one group per field, one bar per model.

    Args:
        values: field (astro, general) -> model (base, tuned, champion) -> perplexity.
    """
    figure, axes = blank(2.9)
    models = [name for name in _COLOURS if any(name in field for field in values.values())]
    width = 0.8 / len(models)
    for place, model in enumerate(models):
        at = [i + (place - (len(models) - 1) / 2) * width for i in range(len(values))]
        heights = [field.get(model, math.nan) for field in values.values()]
        bars = axes.bar(at, heights, width * 0.9, color=_COLOURS[model], label=model)
        axes.bar_label(bars, fmt=perplexity, padding=2, color=PAGE.ink, fontsize=9.5)
    axes.set_xticks(range(len(values)), list(values))
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("held-out perplexity")
    axes.margins(y=0.14)
    legend(axes)
    return as_svg(figure, "perplexity")


def similarity_bins(bins: Sequence[Mapping[str, Any]], baseline: str) -> str:
    """Return the paper's figure 3: similarity in base and tuned over the baseline's, in bins.

    Dots are bin means, bars one standard deviation (arXiv:2309.06126, section 4.2).

    Args:
        bins: low, high, n_pairs, and base and tuned with mean and std; empty bins are left out.
        baseline: the baseline encoder's name.
    """
    figure, axes = blank(3.1)
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
    legend(axes)
    return as_svg(figure, "bins")


def similarity_histogram(histograms: Mapping[str, Mapping[str, Any]], baseline: str) -> str:
    """Return how the similarities of all pairs are spread, as densities.

    Args:
        histograms: base, tuned, baseline -> edges (n + 1) and counts (n).
        baseline: the baseline encoder's name.
    """
    figure, axes = blank(2.7)
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
    legend(axes)
    return as_svg(figure, "histogram")


def papers_per_year(papers: Mapping[int, int]) -> str:
    """Return how many papers of the release were submitted in each year."""
    figure, axes = blank(2.3)
    axes.bar(list(papers), list(papers.values()), 0.8, color=PAGE.tuned)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.yaxis.set_major_formatter(FuncFormatter(in_thousands))
    axes.set_ylabel("papers")
    return as_svg(figure, "years")
