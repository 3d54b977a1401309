"""The paper's own corpus figures beside ours, where the two are about the same papers.

The paper (arXiv:2309.06126, section 2.1) took all of astro-ph from April 1992 to July 2023. Only
the release 2023-07 of the whole of arXiv is that corpus; a sample or another month is not, and to
show both beside each other would mislead.

What does not belong here: making our figures (statistics.py), and how they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RELEASE = "2023-07"
_LAST_DAY = "2023-07-31"
N_VOCAB = 32_000
"""Ids of Llama-2's tokenizer, which the paper's tokens were counted with."""
FULL_SNAPSHOT_RECORDS = 2_000_000
"""A file with as many records is taken for all of arXiv: at the end of July 2023 it held 2.27 M
papers, and snapshots are weekly. A sample of Kaggle's file is far from it."""
_RULES = {
    "any": "any, astro-ph at any place",
    "primary": "primary, so the next row says the same",
}


@dataclass(frozen=True)
class Source:
    """What a release's papers were read from."""

    origin: str
    n_records: int
    """Of the snapshot."""
    vintage: str
    """ISO day the snapshot is from."""
    updates_through: str
    """``YYYY-MM``, the last month whose changes are known."""


@dataclass(frozen=True)
class Comparison:
    """One figure, the paper's and ours."""

    what: str
    paper: float
    ours: float
    note: str = ""
    """What a reader must know to compare them."""


@dataclass(frozen=True)
class Published:
    """The comparison, or in a word why there is none."""

    rows: tuple[Comparison, ...] = ()
    why_not: str = ""


def is_full_snapshot(origin: str, n_records: int) -> bool:
    """Tell whether a snapshot holds all astro-ph papers of its day.

    Kaggle's file and a harvest of all of astro-ph do by what they are; the generator's never does,
    however long; a local file if it has the records of a whole arXiv.

    >>> is_full_snapshot("kaggle", 0), is_full_snapshot("synthetic", 3_000_000)
    (True, False)
    """
    if origin in ("kaggle", "oai"):
        return True
    return origin != "synthetic" and n_records >= FULL_SNAPSHOT_RECORDS


def is_known_to_the_end(vintage: str, updates_through: str) -> bool:
    """Tell whether arXiv is known to the end of the paper's last month.

    By the snapshot itself, or by what was harvested since: an older version of a whole snapshot
    lacks the last papers.

    >>> is_known_to_the_end("2023-07-31", "2023-06"), is_known_to_the_end("2023-05-14", "2023-06")
    (True, False)
    """
    return vintage >= _LAST_DAY or updates_through >= RELEASE


def compare_with_paper(
    release: str,
    statistics: Mapping[str, Any],
    *,
    n_vocab: int,
    category_rule: str,
    source: Source | None,
) -> Published:
    """Return the paper's figures beside ours.

    Args:
        release: ``YYYY-MM``.
        statistics: What ``corpus_statistics`` returned.
        n_vocab: Ids of the tokenizer our tokens were counted with.
        category_rule: ``any`` or ``primary``: which papers the release holds.
        source: What the release was read from; None where it is not known.
    """
    if release != RELEASE:
        return Published(why_not=f"the paper's corpus is release {RELEASE}, this is {release}")
    if source is None:
        return Published(why_not="the snapshot it was made from is no longer known")
    if not is_full_snapshot(source.origin, source.n_records):
        return Published(
            why_not=f"the snapshot ({source.n_records:,} records) is not the whole of arXiv"
        )
    if not is_known_to_the_end(source.vintage, source.updates_through):
        return Published(
            why_not=f"the snapshot is from {source.vintage} and changes are known through "
            f"{source.updates_through} only"
        )
    return Published(_rows(statistics, n_vocab, category_rule))


def _rows(
    statistics: Mapping[str, Any], n_vocab: int, category_rule: str
) -> tuple[Comparison, ...]:
    whole, train, test = (statistics[name] for name in ("all", "train", "test"))
    counted = (
        "[BOS] and [EOS] not counted here; the paper does not say"
        if n_vocab == N_VOCAB
        else f"not comparable: counted with another tokenizer ({n_vocab:,} ids, not {N_VOCAB:,})"
    )
    return (
        Comparison(
            "papers", 326_238, whole["papers"], f"category rule here: {_RULES[category_rule]}; the"
            " paper does not say its own; ours are without withdrawn papers and copies",
        ),
        Comparison("papers, astro-ph first", 326_238, whole["papers_first"]),
        Comparison("tokens", 95e6, whole["tokens"], counted),
        Comparison("tokens to train on", 77e6, train["tokens"], counted),
        Comparison(
            "tokens per abstract, median", 291, whole["median_tokens"],
            f"called the median; it is also the mean of the paper's own totals; {counted}",
        ),
        Comparison("tokens per abstract, mean", 95e6 / 326_238, whole["mean_tokens"], counted),
        Comparison("share of papers held out", 0.20, test["papers"] / whole["papers"]),
    )  # fmt: skip
