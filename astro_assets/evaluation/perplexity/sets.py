"""The sets of documents that a perplexity report measures, each under one bound on tokens.

Which documents they are depends on no model: ``sampled_by`` counts the tokens of the bound. A
document may stand in several sets; it is scored once all the same (``model_scores``).

What does not belong here: running models, and what is made of their scores (``report``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import polars as pl

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.evaluation.forgetting.rings import take_rings
from astro_assets.evaluation.perplexity.forward import Later, LaterPapers, take_later
from astro_assets.evaluation.samples import Sample
from astro_assets.evaluation.selection import (
    LATER_TOKENS,
    OTHER_TOKENS,
    take_held_out,
    take_papers,
    take_tokens,
    within,
)

BASE = "base"
NEAR_COPIES = "near_copies"
LATER = "later"
PROSE = "prose"


@dataclass(frozen=True)
class KeptIn:
    """What of the headline's astronomy and of the near copies is read of both, were copies kept.

    Papers and copies have one order of sampling. Both are read from its beginning, so up to some
    place nothing is missing: there a copy weighs what it weighs among all test papers.
    """

    n_papers: int
    """Of the headline's, the first: all of them, but where the bound ends the copies before."""
    n_copies: int
    """Of the near copies, the first: those that stand before the last of these papers, or all
    where there are no other papers behind it."""


@dataclass(frozen=True)
class Sets:
    """What is measured per document."""

    fields: dict[str, Sample]
    """``astro`` and ``general``: the headline's test papers."""
    near_copies: Sample | None
    """The near copies that the headline's astronomy leaves out; None: none were left out."""
    kept_in: KeptIn | None
    """Which of them the headline's sample would hold; None: none were left out."""
    rings: dict[str, Sample]
    """Ring of forgetting -> its documents; those without documents are absent."""
    later: Later | None
    """Papers submitted after a model's cut; None: there are none."""
    near_copies_left_out: dict[str, int] | None
    """Field -> papers; None: near copies were kept."""
    general: dict[str, Any]
    """Which general fields are measured, and how many papers they have."""

    def samples(self) -> dict[str, Sample]:
        """Return every set by name, the headline's first."""
        others: dict[str, Sample | None] = {
            NEAR_COPIES: self.near_copies,
            **self.rings,
            LATER: self.later.sample if self.later else None,
        }
        return {**self.fields, **{name: own for name, own in others.items() if own is not None}}

    def samples_for(self, label: str) -> dict[str, Sample]:
        """Return the sets that a model is measured on.

        Later papers are for the base and the model they are later for: another may have trained on
        them.
        """
        reads_later = self.later is not None and label in (BASE, self.later.label)
        return {name: own for name, own in self.samples().items() if name != LATER or reads_later}


def take_sets(
    texts: Mapping[str, pl.DataFrame],
    sampled_by: Tokenizer,
    *,
    max_tokens: int,
    near_copies: Mapping[str, Collection[str]] | None,
    later: LaterPapers | None,
    prose: Sample | None,
) -> Sets:
    """Return what is measured: fields, rings, later papers, the user's prose.

    Args:
        texts: Per field (``astro``, ``general``) the test papers, all columns of ``read_texts``.
        sampled_by: Whose tokens the bound counts.
        max_tokens: Text tokens of astronomy at most (but at least one document); of later papers
            ``LATER_TOKENS`` of them at most, of every other set ``OTHER_TOKENS``.
        near_copies: Per field the ids of papers to leave out; None leaves none out.
        later: Papers submitted after the cut of one of the models.
        prose: The user's texts outside astronomy; the bound takes the first ones.

    Raises:
        EmptyCorpusError: a field has no test paper.
    """
    held_out = take_held_out(texts, sampled_by, max_tokens=max_tokens, near_copies=near_copies)
    left_out, n_other = held_out.near_copies_left_out, min(max_tokens, OTHER_TOKENS)
    rings = take_rings(
        texts["general"],
        sampled_by,
        max_tokens=n_other,
        near_copies=None if near_copies is None else near_copies.get("general", ()),
    )
    n_later = min(max_tokens, LATER_TOKENS)
    found = take_later(later, sampled_by, max_tokens=n_later) if later else None
    if prose:
        rings[PROSE] = within(prose, sampled_by, max_tokens=n_other)
    copies = None
    if left_out and left_out["astro"]:
        copies = _copies(texts["astro"], near_copies, sampled_by, max_tokens=n_other)
    return Sets(
        fields=held_out.samples,
        near_copies=copies,
        kept_in=None
        if copies is None
        else _kept_in(texts["astro"], held_out.samples["astro"], copies),
        rings=rings,
        later=found if found and found.sample else None,
        near_copies_left_out=left_out,
        general=held_out.general,
    )


def _copies(
    astro: pl.DataFrame,
    near_copies: Mapping[str, Collection[str]] | None,
    sampled_by: Tokenizer,
    *,
    max_tokens: int,
) -> Sample:
    """Return what was left out of astronomy: how a model reads these is what a copy is worth."""
    copies = astro.filter(pl.col("id").is_in(list((near_copies or {}).get("astro", ()))))
    return take_tokens(copies, sampled_by, max_tokens=max_tokens, what="near copies")


def _kept_in(astro: pl.DataFrame, headline: Sample, copies: Sample) -> KeptIn:
    """Return how far both are read of the order that all astronomy test papers stand in."""
    papers, read = set(headline.ids), {*headline.ids, *copies.ids}
    order = take_papers(astro, what="astro test papers").ids
    begun = list(takewhile(read.__contains__, order))
    if len(begun) < len(order):
        # A copy behind the last paper would be one too many as often as not.
        while begun and begun[-1] not in papers:
            begun.pop()
    n_papers = sum(paper in papers for paper in begun)
    return KeptIn(n_papers, n_copies=len(begun) - n_papers)
