"""Corpus: what the release consists of, what was left out, and the paper's figures beside it.

What does not belong here: how the corpus is counted (``corpus.statistics``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from astro_assets.corpus.published import Comparison, Published
from astro_assets.evaluation.figures.corpus import papers_per_year
from astro_assets.evaluation.pages.blocks import (
    Block,
    Cell,
    Table,
    Words,
    notes,
    pictures,
    row,
    table,
)
from astro_assets.evaluation.pages.content import PageCorpus
from astro_assets.evaluation.pages.text import cleaned, number, percent

REASONS = {
    "withdrawn": "withdrawn by the authors",
    "empty_abstract": "no abstract",
    "duplicate_text": "the text of an earlier paper",
    "copy_of_test": "a text that stands on the test side",
    "not_primary": "astro-ph not first among the categories",
}
_PARTS = (("by_subfield", "Subfield"), ("by_year", "Year"))


def corpus_blocks(corpus: PageCorpus) -> list[Block]:
    """Return the section's blocks."""
    return [
        Words(
            f"{corpus.papers_any:,} papers carry an astro-ph category; {corpus.papers_primary:,} of"
            f" them have it first. {corpus.papers:,} became tokens:"
            f" {number(corpus.train_tokens, ',d')} to train on and"
            f" {number(corpus.test_tokens, ',d')} held out,"
            f" {number(corpus.median_tokens)} in the median abstract."
        ),
        *pictures(
            (
                papers_per_year(corpus.papers_by_year),
                "Papers of the release by the year they were submitted in.",
            )
        ),
        *_excluded(corpus.excluded),
        *(_statistics(corpus.statistics, corpus.published) if corpus.statistics else []),
    ]


def _excluded(excluded: Mapping[str, int]) -> list[Block]:
    """Return why papers were left out and how many, most frequent first; zeros are left out."""
    found = [(REASONS.get(name, name), count) for name, count in excluded.items() if count]
    rows = [
        row(cleaned(reason, 80), f"{count:,}")
        for reason, count in sorted(found, key=lambda item: (-item[1], item[0]))
    ]
    return [
        *table("Papers left out, by reason", ("Reason", "Papers"), rows),
        *notes(None if rows else "No paper was left out."),
    ]


def _statistics(statistics: Mapping[str, Any], published: Published) -> list[Block]:
    whole = statistics["all"]
    return [
        Words(
            f"An abstract has {number(whole['mean_tokens'], ',.1f')} tokens in the mean and"
            f" {number(whole['median_tokens'], ',.1f')} in the median. In these tables tokens are"
            " those of the text; [BOS] and [EOS], two more per paper, are not counted. A paper may"
            " stand in several subfields; “First” counts those where astro-ph, or the subfield,"
            " comes first."
        ),
        *[part for key, name in _PARTS for part in _counted(statistics, key, name)],
        *_published(published),
    ]


def _counted(statistics: Mapping[str, Any], key: str, name: str) -> list[Table]:
    rows = [
        row(
            cleaned(label, 40),
            number(found["papers"], ",d"),
            number(found["papers_first"], ",d"),
            number(found["tokens"], ",d"),
            number(found["mean_tokens"], ",.1f"),
            number(found["median_tokens"], ",.1f"),
        )
        for label, found in sorted(statistics[key].items())
    ]
    head = (name, "Papers", "First", "Tokens", "Mean", "Median")
    return table(f"Papers and tokens by {name.lower()}", head, rows, folded=f"{name}: the numbers")


def _published(published: Published) -> list[Block]:
    if not published.rows:
        return [
            *notes(f"Not set beside the paper’s corpus: {cleaned(published.why_not, 200)}."),
        ]
    rows = [
        row(
            Cell(cleaned(found.what, 80), cleaned(found.note, 200)),
            _compared(found.paper, found),
            _compared(found.ours, found),
        )
        for found in published.rows
    ]
    return [
        *table(
            "The paper’s corpus (arXiv:2309.06126) beside this one",
            ("Figure", "Paper", "Here"),
            rows,
        )
    ]


def _compared(value: float, found: Comparison) -> str:
    return percent(value, ".1%") if found.paper < 1 else number(value, ",.0f")
