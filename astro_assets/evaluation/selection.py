"""Which held-out papers an evaluation reads: the same ones in every release, whatever was added.

A sample is the beginning of the papers ordered by a cryptographic hash of their id, so it spreads
over all years, does not depend on the order papers come in, and a larger one contains a smaller.
General papers are taken from the fields that are never replayed (corpus.fields), whatever the
recipe. What does not belong here: which papers are held out (warehouse) and how their text is
cleaned (corpus).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from astro_assets.corpus.fields import field_facts, role_of
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import EmptyCorpusError
from astro_assets.evaluation.samples import Sample

FIELDS = ("astro", "general")
_SALT = "evaluation sample"
_SLICE = 256

OTHER_TOKENS = 80_000
"""Bound on every set but held-out astronomy, the headline's, and later papers: general papers, each
ring, near copies, prose, each set of packed blocks. They are many, and none is broken down."""
LATER_TOKENS = 24 * 20_000
"""Bound on papers submitted after a model's cut, split evenly over 24 months at most: 20,000 tokens
of a month, about 70 abstracts, or more while there are fewer months."""
_BESIDE = {
    "titles": "title",
    "months": "submission_month",
    "categories": "categories",
    "primary_categories": "primary_category",
}
"""Field of a sample -> column of a table of papers."""


@dataclass(frozen=True)
class HeldOut:
    """What is measured per document, and how it was chosen."""

    samples: dict[str, Sample]
    """Field (``astro``, ``general``) -> its papers."""
    near_copies_left_out: dict[str, int] | None
    """Field -> papers; None: near copies were kept."""
    general: dict[str, Any]
    """The lists of fields, and how many general test papers there are and are of measured ones."""


def take_held_out(
    texts: Mapping[str, pl.DataFrame],
    tokenizer: Tokenizer,
    *,
    max_tokens: int,
    near_copies: Mapping[str, Collection[str]] | None,
) -> HeldOut:
    """Return the papers that perplexity is measured on, in a report and during training alike.

    Args:
        texts: Per field (``astro``, ``general``) the test papers: columns id, title, text; for
            ``general`` categories too.
        tokenizer: Whose tokens the bound counts.
        max_tokens: Text tokens of astronomy at most (but at least one paper); of general papers
            ``OTHER_TOKENS`` of them at most.
        near_copies: Per field the ids of papers to leave out; None leaves none out.

    Raises:
        EmptyCorpusError: a field has no paper.
    """
    measured = measured_papers(texts["general"])
    candidates = {"astro": texts["astro"], "general": measured}
    left = {
        field: leave_out(papers, near_copies.get(field, ()) if near_copies is not None else None)
        for field, papers in candidates.items()
    }
    return HeldOut(
        samples={
            field: take_tokens(
                papers,
                tokenizer,
                max_tokens=max_tokens if field == "astro" else min(max_tokens, OTHER_TOKENS),
                what=f"{field} test papers",
            )
            for field, (papers, _) in left.items()
        },
        near_copies_left_out={field: n for field, (_, n) in left.items() if n is not None}
        if near_copies is not None
        else None,
        general=field_facts()
        | {"n_test_papers": len(texts["general"]), "n_measured_papers": len(measured)},
    )


def measured_papers(general: pl.DataFrame) -> pl.DataFrame:
    """Return the general papers that forgetting is measured on: no category in a replayed field."""
    return general.filter(
        pl.Series([role_of(listed or "") == "measured" for listed in general["categories"]],
                  dtype=pl.Boolean)
    )  # fmt: skip


def leave_out(papers: pl.DataFrame, ids: Collection[str] | None) -> tuple[pl.DataFrame, int | None]:
    """Return the papers without those of these ids, and how many went; None leaves all in.

    Near copies of what was trained on go this way: a model is not to be praised for what it read.
    """
    if ids is None:
        return papers, None
    left = papers.filter(~pl.col("id").is_in(list(ids)))
    return left, len(papers) - len(left)


def take_papers(papers: pl.DataFrame, n: int | None = None, *, what: str) -> Sample:
    """Return the first ``n`` papers (None: all) in sampling order.

    Args:
        papers: Columns id, title, text; submission_month, categories and primary_category are kept
            where they are there.
        n: How many at most.
        what: What the papers are, for the error: "astro test papers".

    Raises:
        EmptyCorpusError: there is no paper.
    """
    if papers.is_empty():
        raise EmptyCorpusError(
            f"There are no {what} to evaluate on.",
            expected="at least one held-out paper.",
            do="Give a larger snapshot or a later release.",
        )
    keys = [hashlib.sha256(f"{_SALT}\0{paper}".encode()).digest() for paper in papers["id"]]
    order = sorted(range(len(keys)), key=keys.__getitem__)[:n]
    chosen = papers[order]
    return Sample(
        ids=tuple(chosen["id"].to_list()),
        texts=tuple(chosen["text"].to_list()),
        **{name: _values(chosen, column) for name, column in _BESIDE.items()},
    )


def _values(papers: pl.DataFrame, column: str) -> tuple[str, ...]:
    """Return a column's values, "" for null; nothing where the table has no such column."""
    if column not in papers.columns:
        return ()
    return tuple(papers[column].fill_null("").to_list())


def take_tokens(
    papers: pl.DataFrame, tokenizer: Tokenizer, *, max_tokens: int, what: str
) -> Sample:
    """Return as many papers in sampling order as ``max_tokens`` text tokens hold; at least one.

    Raises:
        EmptyCorpusError: there is no paper.
    """
    return within(take_papers(papers, what=what), tokenizer, max_tokens=max_tokens)


def within(sample: Sample, tokenizer: Tokenizer, *, max_tokens: int) -> Sample:
    """Return as many of a sample's first papers as ``max_tokens`` text tokens hold; at least one.

    Reading ends with the first paper that does not fit: a shorter one behind it is not taken.
    """
    n_papers, n_tokens = 0, 0
    for begin in range(0, len(sample), _SLICE):
        for ids in tokenizer.encode_batch(sample.texts[begin : begin + _SLICE]):
            n_tokens += len(ids)
            if n_tokens > max_tokens:
                return sample.first(max(n_papers, 1))
            n_papers += 1
    return sample
