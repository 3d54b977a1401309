"""Papers and tokens per year as a PNG, for where a style sheet does not reach (Dagster's UI).

What does not belong here: the figures of the release page (figures.py), which follow its colours.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

_BAR, _LINE, _INK = "#2554c7", "#b07b10", "#6b7280"
_DOTS_PER_INCH = 110


def papers_and_tokens_per_year(by_year: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Return a PNG: bars of papers over years of submission, beside them bars of text tokens.

    Args:
        by_year: year -> papers, tokens (``corpus.statistics``).
    """
    figure = Figure(figsize=(7.2, 2.6), layout="constrained")
    FigureCanvasAgg(figure)
    years = [int(year) for year in by_year]
    for place, (what, unit, colour) in enumerate(
        (("papers", 1e3, _BAR), ("tokens", 1e6, _LINE)), start=1
    ):
        axes = figure.add_subplot(1, 2, place)
        axes.bar(years, [row[what] / unit for row in by_year.values()], 0.8, color=colour)
        axes.set_title(f"{what} by year, {'thousands' if unit == 1e3 else 'millions'}", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=_INK, labelsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    return buffer.getvalue()
