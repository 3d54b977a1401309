"""Papers and tokens of a release by year of submission.

What does not belong here: how releases compare (``history``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from astro_assets.evaluation.figures.style import Drawing, Look, blank, in_thousands, stacked


def papers_per_year(papers: Mapping[int, int]) -> Drawing | None:
    """Return how many papers of the release were submitted in each year."""
    if not papers:
        return None
    return Drawing(
        "papers_per_year",
        f"Papers by year of submission, {min(papers)} to {max(papers)},"
        f" {sum(papers.values()):,} in all.",
        lambda look: _draw_papers(papers, look),
    )


def papers_and_tokens_per_year(by_year: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Return a PNG: bars of papers over years of submission, below them bars of text tokens.

    Args:
        by_year: year -> papers, tokens (``corpus.statistics``).
    """
    return Drawing(
        "corpus", "Papers and tokens by year.", lambda look: _draw_both(by_year, look)
    ).png()


def _draw_papers(papers: Mapping[int, int], look: Look) -> Figure:
    figure, axes = blank(2.2, look)
    axes.bar(list(papers), list(papers.values()), 0.8, color=look.palette.tuned)
    axes.xaxis.set_major_locator(MaxNLocator(5 if look.is_narrow else 9, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(in_thousands))
    axes.set_ylabel("papers")
    return figure


def _draw_both(by_year: Mapping[str, Mapping[str, Any]], look: Look) -> Figure:
    figure, rows = stacked(3.6, n_rows=2, look=look)
    years = [int(year) for year in by_year]
    colours = (look.palette.tuned, look.palette.champion)
    for axes, what, colour in zip(rows, ("papers", "tokens"), colours, strict=True):
        axes.bar(years, [row[what] for row in by_year.values()], 0.8, color=colour)
        axes.set_ylabel(what)
        axes.yaxis.set_major_formatter(FuncFormatter(in_thousands))
    rows[-1].xaxis.set_major_locator(MaxNLocator(9, integer=True))
    rows[-1].set_xlabel("year of submission")
    return figure
