"""Which papers are embedded: the same in every release, whatever was added since.

Test papers stay for good, train papers until their number passes a power of two. Both samples grow
with the corpus until they have the size that is asked for.

What does not belong here: which papers are held out (warehouse).
"""

from __future__ import annotations

import hashlib

import polars as pl

from astro_assets.errors import EmptyCorpusError
from astro_assets.evaluation.embeddings.mentions import named_pairs
from astro_assets.evaluation.embeddings.paper_pairs import find_pairs
from astro_assets.evaluation.heldout import first_subfield

LEAST_TRAIN, MOST_TRAIN = 500, 2_000
"""Train papers that means and whitening are fitted on; between them a quarter of what is compared:
more would cost as much time as the figure itself, and tell little more."""
MAX_EXTRA = 1_000
"""Papers that are embedded because comments name them, or theirs name others."""
_SALT = "embedded papers"
_UNDIVIDED = "astro-ph"
"""The one category there was until 2009: it says nothing of a subfield."""


def select_embedded(texts: pl.DataFrame, *, share: float, n: int) -> pl.DataFrame:
    """Return the papers whose hash is below a threshold, by month of submission, the first n.

    A later paper stands behind all that were there, and the threshold never moves, so growth
    displaces none.

    Args:
        texts: Test papers: columns id and submission_month, and any others.
        share: The threshold, about the share of the papers that are taken; 1 takes all.
        n: How many at most.

    Raises:
        EmptyCorpusError: there is no paper below the threshold.
    """
    below = _hashed(texts).filter(pl.col("share") < share)
    if below.is_empty():
        raise EmptyCorpusError(
            f"There are no astro test papers to embed among {len(texts):,}.",
            expected="at least one held-out paper below the threshold.",
            do="Give a larger snapshot, a later release, or a larger ASTRO_EMBEDDING_SHARE.",
        )
    ordered = below.sort("submission_month", "hash", nulls_last=True)
    return ordered.head(n).drop("hash", "share")


def select_train(train: pl.DataFrame, *, n_compared: int) -> pl.DataFrame:
    """Return train papers of the least hashes among the oldest ones, a sample over their months.

    The oldest ones are as many as the greatest power of two that there are papers. So a later paper
    displaces none while the number asked for stays, until there are so many that the next power
    of two is reached; and a larger sample holds a smaller.

    Args:
        train: Train papers: columns id and submission_month, and any others.
        n_compared: Test papers in the figure.
    """
    n = min(max(n_compared // 4, LEAST_TRAIN), MOST_TRAIN)
    n_oldest = max(n, 1 << len(train).bit_length() >> 1)
    oldest = _hashed(train).sort("submission_month", "hash", nulls_last=True).head(n_oldest)
    return oldest.sort("hash").head(n).drop("hash", "share")


def select_extra(texts: pl.DataFrame, train: pl.DataFrame, selected: pl.DataFrame) -> pl.DataFrame:
    """Return papers that are not in the figure but are asked for by name, none of them twice.

    Test papers that name each other in their comments, at most 1,000, pairs that are older first
    and no half pairs; then those of the paper's own pairs, of either side of the split.

    Args:
        texts: Test papers.
        train: Train papers, same columns.
        selected: The figure's papers.
    """
    known = set(selected["id"])
    wanted = _named(texts, known)
    both = pl.concat([texts, train])
    rows = [
        row
        for pair in find_pairs(both["id"].to_list(), both["title"].fill_null("").to_list())
        for row in pair
    ]
    shown = [both["id"][row] for row in rows if row is not None]
    wanted += [paper for paper in shown if paper not in known and paper not in set(wanted)]
    place = {paper: row for row, paper in enumerate(both["id"])}
    return both[[place[paper] for paper in wanted]]


def with_subfield(papers: pl.DataFrame) -> pl.DataFrame:
    """Return the papers with a column subfield: the first one they carry, null where none.

    ``astro-ph`` alone, all there was until 2009, is no subfield.
    """
    firsts = [first_subfield(listed or "") or None for listed in papers["categories"]]
    divided = [None if first == _UNDIVIDED else first for first in firsts]
    return papers.with_columns(pl.Series("subfield", divided, dtype=pl.String))


def _named(texts: pl.DataFrame, known: set[str]) -> list[str]:
    """Return ids of papers that name each other, without those that are known."""
    order = {
        paper: (month or "", key)
        for paper, month, key in _hashed(texts).select("id", "submission_month", "hash").rows()
    }
    pairs = named_pairs(texts)
    # Young pairs stand behind, as everywhere here: growth displaces none.
    pairs.sort(key=lambda pair: max(order[pair[0]], order[pair[1]]))
    wanted: dict[str, None] = {}
    for pair in pairs:
        new = [paper for paper in pair if paper not in known and paper not in wanted]
        if len(wanted) + len(new) <= MAX_EXTRA:
            wanted.update(dict.fromkeys(new))
    return list(wanted)


def _hashed(papers: pl.DataFrame) -> pl.DataFrame:
    """Return the papers with a hash of their id (hex), and where it lies between 0 and 1."""
    keys = [hashlib.sha256(f"{_SALT}\0{paper}".encode()).hexdigest() for paper in papers["id"]]
    return papers.with_columns(
        pl.Series("hash", keys, dtype=pl.String),
        # Fifty-two bits: below one in double precision, however great they are.
        pl.Series("share", [int(key[:13], 16) / 2**52 for key in keys], dtype=pl.Float64),
    )
