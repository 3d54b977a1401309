"""Which held-out papers an evaluation reads: the same ones in every release, whatever was added.

A sample is the beginning of the papers ordered by a cryptographic hash of their id, so it spreads
over all years, does not depend on the order papers come in, and a larger one contains a smaller.
What does not belong here: which papers are held out (warehouse) and how their text is cleaned
(corpus).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import polars as pl

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import EmptyCorpusError

_SALT = "evaluation sample"
_SLICE = 256


@dataclass(frozen=True)
class Sample:
    """Some papers' texts, in sampling order."""

    ids: tuple[str, ...]
    titles: tuple[str, ...]
    texts: tuple[str, ...]

    @property
    def n_bytes(self) -> list[int]:
        """UTF-8 bytes of each text."""
        return [len(text.encode()) for text in self.texts]

    def __len__(self) -> int:
        return len(self.ids)


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
        papers: Columns id, title, text.
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
    chosen = papers.select("id", pl.col("title").fill_null(""), "text")[order]
    return Sample(*(tuple(chosen[name].to_list()) for name in ("id", "title", "text")))


def take_tokens(
    papers: pl.DataFrame, tokenizer: Tokenizer, *, max_tokens: int, what: str
) -> Sample:
    """Return as many papers in sampling order as ``max_tokens`` text tokens hold; at least one.

    Raises:
        EmptyCorpusError: there is no paper.
    """
    papers_in_order = take_papers(papers, what=what)
    n_papers, n_tokens = 0, 0
    for begin in range(0, len(papers_in_order), _SLICE):
        for ids in tokenizer.encode_batch(papers_in_order.texts[begin : begin + _SLICE]):
            n_tokens += len(ids)
            if n_tokens > max_tokens:
                return _first(papers_in_order, max(n_papers, 1))
            n_papers += 1
    return papers_in_order


def token_budget_batches(lengths: Sequence[int], token_budget: int) -> list[list[int]]:
    """Group sequences of like length so that a padded batch holds at most ``token_budget`` tokens.

    A sequence longer than the budget is a batch of its own. The longest come first: if memory is
    short, that shows at once.

    >>> token_budget_batches([3, 9, 2, 8], 10)
    [[1], [3], [0, 2]]
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= token_budget:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def _first(sample: Sample, n: int) -> Sample:
    return Sample(sample.ids[:n], sample.titles[:n], sample.texts[:n])
