"""The paper's figure 3 and what it hides: the same bins the other way round, and the spread.

Dots are means of bins, bars one standard deviation (arXiv:2309.06126, section 4.2), drawn as far as
cosines reach. A file of vectors has diamonds and dashes: it is no model. What does not belong here:
the pairs themselves (``evaluation.embeddings``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from astro_assets.evaluation.figures.style import Drawing, Look, blank, legend, short, stacked
from astro_assets.evaluation.pages.values import at, in_order, number_at

BASELINE, VECTORS = "baseline", "vectors"
"""Spaces that are no models, as reports call them."""
KINDS = {
    "raw": "as they are",
    "centred": "mean-centred",
    "whitened": "whitened",
}
"""What was done to the vectors -> its name on the page."""
_N_SHOWN = 80

Bin = Mapping[str, Any]


def models_of(report: Mapping[str, Any]) -> list[str]:
    """Return the labels of the report's causal models; reports from before have base and tuned."""
    return in_order(report.get("models") or ("base", "tuned"))


def compared_of(report: Mapping[str, Any]) -> list[str]:
    """Return the spaces that stand beside the baseline: the models, then a file of vectors."""
    return models_of(report) + ([VECTORS] if report.get(VECTORS) else [])


def name_of(report: Mapping[str, Any], space: str) -> str:
    """Return what a space is called in a figure: files and encoders have names of their own."""
    given = report.get(space) if space in (BASELINE, VECTORS) else None
    return short(given or space)


def bins(report: Mapping[str, Any]) -> Drawing | None:
    """Return figure 3: the models' similarity over the baseline's."""
    filled = [item for item in report.get("bins") or [] if item.get("n_pairs")]
    names = {space: name_of(report, space) for space in compared_of(report)}
    if not filled:
        return None
    name = short(report.get("baseline", "the baseline"))
    said = ", ".join(
        f"{named} {at(filled[-1], space, 'mean') or 0.0:.2f}" for space, named in names.items()
    )
    return Drawing(
        "similarity",
        f"Similarity in the models for pairs that {name} finds about equally similar;"
        f" in the highest filled bin {said}.",
        lambda look: _draw_bins(filled, names, f"similarity by {name}", look),
    )


def bins_by_model(report: Mapping[str, Any]) -> Drawing | None:
    """Return the same the other way round: the baseline's similarity over each model's."""
    by_model = report.get("bins_by_model") or {}
    found = {
        label: [item for item in by_model[label] if item.get("n_pairs")]
        for label in in_order(by_model)
    }
    found = {label: items for label, items in found.items() if items}
    if not found:
        return None
    name = short(report.get("baseline", "the baseline"))
    names = {space: name_of(report, space) for space in found}
    return Drawing(
        "similarity_by_model",
        f"Similarity by {name} for pairs that each model finds about equally similar:"
        f" {', '.join(names.values())}.",
        lambda look: _draw_bins_by_model(found, names, name, look),
    )


def spread(report: Mapping[str, Any]) -> Drawing | None:
    """Return how the similarities of all pairs are spread, a panel per kind of vector."""
    histograms = report.get("histograms") or {}
    if not set(histograms) & set(KINDS):  # reports from before have one kind
        histograms = {"raw": histograms}
    panels = {kind: histograms[kind] for kind in KINDS if histograms.get(kind)}
    if not panels:
        return None
    names = {space: name_of(report, space) for some in panels.values() for space in some}
    words = ", ".join(KINDS[kind] for kind in panels)
    return Drawing(
        "similarity_spread",
        f"How the cosine similarities of all pairs are spread, vectors {words}.",
        lambda look: _draw_spread(panels, names, look),
    )


def _draw_bins(filled: Sequence[Bin], names: Mapping[str, str], name: str, look: Look) -> Figure:
    figure, axes = blank(3.2, look)
    for place, (space, label) in enumerate(names.items()):
        shift = 0.24 * (place - (len(names) - 1) / 2)
        _draw_points(axes, filled, space, look, shift=shift, space=space, label=label)
    axes.set_xlabel(name)
    axes.set_ylabel("cosine similarity")
    legend(axes, look)
    return figure


def _draw_bins_by_model(
    found: Mapping[str, Sequence[Bin]], names: Mapping[str, str], name: str, look: Look
) -> Figure:
    figure, axes = blank(3.2, look)
    for space, items in found.items():
        _draw_points(axes, items, BASELINE, look, space=space, label=names[space])
    axes.set_xlabel("similarity in the model")
    axes.set_ylabel(f"similarity by {name}" if len(name) < 26 else "baseline’s similarity")
    legend(axes, look)
    return figure


def _draw_points(
    axes: Axes, items: Sequence[Bin], key: str, look: Look, *, space: str, label: str,
    shift: float = 0.0,
) -> None:  # fmt: skip
    """Draw a space's dots and bars: ``key`` is whose similarity they tell."""
    items = [item for item in items if number_at(item, key, "mean") is not None]
    size = 4.5 if look.is_narrow else 5.5
    axes.errorbar(
        [(i["low"] + i["high"]) / 2 + shift * (i["high"] - i["low"]) for i in items],
        [item[key]["mean"] for item in items],
        yerr=np.reshape([_bar(item[key]) for item in items], (-1, 2)).T,
        fmt="D" if space == VECTORS else "o", markersize=size - (space == VECTORS),
        linewidth=1.5, color=look.palette.of(space), label=label,
    )  # fmt: skip


def _bar(found: Mapping[str, Any]) -> tuple[float, float]:
    """Return how far a bar reaches below and above its dot: never beyond -1 and 1.

    >>> _bar({"mean": 0.75, "std": 0.5}), _bar({"mean": 0.0, "std": None})
    ((0.5, 0.25), (0.0, 0.0))
    """
    mean, std = found["mean"], number_at(found, "std") or 0.0
    return max(0.0, min(std, mean + 1)), max(0.0, min(std, 1 - mean))


def _draw_spread(panels: Mapping[str, Any], names: Mapping[str, str], look: Look) -> Figure:
    figure, rows = stacked(0.7 + 1.35 * len(panels), n_rows=len(panels), look=look)
    ends: list[float] = []
    for axes, (kind, spaces) in zip(rows, panels.items(), strict=True):
        for label in in_order(spaces):
            edges, density = _density(spaces[label])
            # To its own peak: a narrow curve would press the broad ones flat.
            density = density / max(density.max(), 1e-12)
            axes.stairs(
                density, edges, color=look.palette.of(label), linewidth=1.8, label=names[label],
                linestyle="--" if label == VECTORS else "-",
            )  # fmt: skip
            filled = np.flatnonzero(density)
            if len(filled):
                ends += [float(edges[filled[0]]), float(edges[filled[-1] + 1])]
        axes.set_ylim(bottom=0)
        axes.set_yticks([])
        axes.annotate(
            KINDS[kind], (0.0, 1.0), xycoords="axes fraction", xytext=(2, -2), va="top",
            textcoords="offset points", fontsize=9.5, color=look.palette.muted,
        )  # fmt: skip
    if ends:
        rows[-1].set_xlim(min(ends), max(ends))
    rows[-1].set_xlabel("cosine similarity of two abstracts")
    legend(rows[0], look)
    return figure


def _density(histogram: Any) -> tuple[Any, Any]:
    """Return edges and density of a histogram, in at most 80 bars."""
    edges, counts = np.asarray(histogram["edges"], float), np.asarray(histogram["counts"], float)
    every = max(1, len(counts) // _N_SHOWN)
    while len(counts) % every:
        every -= 1
    counts, edges = counts.reshape(-1, every).sum(axis=1), edges[::every]
    return edges, counts / max(float(counts.sum()), 1.0) / np.diff(edges)
