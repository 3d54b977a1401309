"""Retrieval quality: what each model's vectors are good for, beside a baseline and plain words.

The paper shows that its model spreads abstracts out (arXiv:2309.06126, figure 3) and asserts that
this is better. Three tasks with a right answer say whether it is, for all spaces alike:

- ``title``: a title looks for its own abstract among all.
- ``title_masked``: the same, found by meaning. Every abstract lacks the words of its own title, and
  a title is ranked among those only that share no word with it, and its own. Words alone are chance
  by design there: ``bm25`` is left out, and a space that is no more than words has only ties.
- ``subfield``: each abstract's neighbours tell its first category.
- ``comments``: an abstract looks for one that its authors name in their comments.

Cosines are raw, as in the paper; ``centred`` has the same figures with the mean of train abstracts
taken off every space, titles and abstracts alike. Both are needed: raw cosines of a causal model
are mostly the one direction all its hidden states share, so raw figures say what its vectors are
worth as they come, centred ones what they hold. What does not belong here: making vectors (spaces),
pairs of abstracts (pairs), searching (search).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from astro_assets.evaluation.embeddings.bm25 import WordRanking
from astro_assets.evaluation.embeddings.candidates import Candidates, chance_mrr
from astro_assets.evaluation.embeddings.cosines import (
    CENTRED,
    RAW,
    Blocks,
    cosine_blocks,
    mean_of,
)
from astro_assets.evaluation.embeddings.folder import EmbeddingsFolder
from astro_assets.evaluation.embeddings.intervals import LEAST_QUERIES
from astro_assets.evaluation.embeddings.knn import (
    Labels,
    Neighbours,
    neighbour_gain,
    neighbour_quality,
    neighbours_of,
)
from astro_assets.evaluation.embeddings.mentions import named_pairs
from astro_assets.evaluation.embeddings.retrieval import (
    Ranks,
    gain_of,
    named_ranks,
    own_ranks,
    retrieval_of,
)
from astro_assets.evaluation.statistics import Interval
from astro_assets.progress import NO_PROGRESS, Progress

BM25 = "bm25"
"""The name that the ranking by words has among the spaces."""
TASKS = ("title", "title_masked", "subfield", "comments")
OPPONENTS = ("base", "champion")
"""Models that the tuned one is compared with, where they are there."""


@dataclass(frozen=True)
class _Measured:
    """One space in one task and view."""

    figures: dict[str, Any]
    """As reports have them."""
    ranks: Ranks | None = None
    """Of what was looked for; None where neighbours vote."""
    votes: Neighbours | None = None
    """What neighbours say of each paper; None elsewhere."""


Found = dict[str, dict[str, _Measured]]
"""View -> task -> what one space finds."""


def retrieval_quality(
    folder: EmbeddingsFolder, *, progress: Progress = NO_PROGRESS
) -> dict[str, Any]:
    """Return what each space of a folder finds, as plain values.

    ``title``, ``title_masked``, ``subfield`` and ``comments`` hold figures by space (the labels,
    ``vectors``, ``baseline``, ``bm25``); a space without the vectors that a task needs is not in
    it. ``comments`` is None where no paper names another. In ``title_masked`` titles with fewer
    than ten candidates are left out; ``n_candidates`` is the mean number of abstracts ranked, and
    ``chance_mrr`` what a random order gives. ``tuned_minus_base`` and ``tuned_minus_champion`` are
    differences by task with their 95 % intervals, paired by query: of mean reciprocal ranks, and in
    ``subfield`` of knn_accuracy and map; None without the two. Below eight queries of a task its
    intervals are None and its differences are left out.
    ``centred`` holds all of it again, of all spaces that have train vectors.

    Args:
        folder: The vectors, and the papers they are of.
        progress: Told per space.

    Raises:
        DamagedArtifactError: an array or the table of papers is not what the folder says.
    """
    asked = _Asked.of(folder.papers, folder.n_figure)
    found: dict[str, Found] = {}
    names = (*folder.spaces, BM25)
    with progress.task("rank abstracts", total=len(names), unit="spaces") as task:
        for name in names:
            blocks = _word_blocks if name == BM25 else _vector_blocks
            found[name] = _found(blocks(folder, name, asked), asked)
            task.advance(1)
    return _by_task(found, RAW, asked) | {"centred": _by_task(found, CENTRED, asked)}


@dataclass(frozen=True)
class _Asked:
    """The questions, the same for every space."""

    labelled: NDArray[np.int64]
    """Rows of the figure's papers with a subfield that another has too."""
    labels: Labels
    """Their subfields, numbered."""
    naming: list[int]
    """Rows of papers whose comments name others."""
    named: list[list[int]]
    """Per naming paper the rows of those."""
    candidates: Candidates
    """Which masked abstracts each title is ranked among."""

    @classmethod
    def of(cls, papers: pl.DataFrame, n_figure: int) -> _Asked:
        """Read the questions off the papers; rows are numbers of papers."""
        subfields = papers["subfield"].to_list()[:n_figure]
        counts = papers["subfield"].head(n_figure).value_counts()
        shared = sorted(name for name, n in counts.iter_rows() if name and n > 1)
        number = {name: i for i, name in enumerate(shared)}
        labelled = [row for row, name in enumerate(subfields) if name in number]
        row_of = {paper: row for row, paper in enumerate(papers["id"])}
        naming: dict[int, list[int]] = {}
        for paper, named in named_pairs(papers):
            naming.setdefault(row_of[paper], []).append(row_of[named])
        return cls(
            labelled=np.array(labelled, dtype=np.int64),
            labels=np.array([number[subfields[row]] for row in labelled], dtype=np.int64),
            naming=list(naming),
            named=list(naming.values()),
            candidates=_candidates(papers.head(n_figure)),
        )


def _candidates(figure: pl.DataFrame) -> Candidates:
    titles, masked = (figure[name].fill_null("").to_list() for name in ("title", "masked"))
    return Candidates(titles, masked)


def _vector_blocks(folder: EmbeddingsFolder, space: str, asked: _Asked) -> dict[str, Blocks]:
    """Return per task the cosines of a space, for the tasks it has vectors for."""
    abstracts = folder.vectors(space, "abstracts")
    titles, masked = folder.vectors(space, "titles"), folder.vectors(space, "masked")
    mean, blocks = mean_of(folder.vectors(space, "train")), dict[str, Blocks]()
    if abstracts is None:
        return blocks
    if titles is not None:
        blocks["title"] = cosine_blocks(titles, abstracts[: folder.n_figure], mean)
    if titles is not None and masked is not None and asked.candidates.asked.any():
        blocks["title_masked"] = cosine_blocks(titles, masked, mean)
    if len(asked.labelled):
        among = abstracts[asked.labelled]
        blocks["subfield"] = cosine_blocks(among, among, mean)
    if asked.naming:
        blocks["comments"] = cosine_blocks(abstracts[asked.naming], abstracts, mean)
    return blocks


def _word_blocks(folder: EmbeddingsFolder, _name: str, asked: _Asked) -> dict[str, Blocks]:
    """Return per task the scores by words; none where no word is shared by design."""
    figure = folder.papers.head(folder.n_figure)
    texts, titles = folder.papers["text"].to_list(), figure["title"].to_list()
    blocks: dict[str, Blocks] = {"title": WordRanking(figure["text"].to_list()).blocks(titles)}
    if len(asked.labelled):
        among = [texts[row] for row in asked.labelled]
        blocks["subfield"] = WordRanking(among).blocks(among)
    if asked.naming:
        blocks["comments"] = WordRanking(texts).blocks([texts[row] for row in asked.naming])
    return blocks


def _found(blocks: Mapping[str, Blocks], asked: _Asked) -> Found:
    """Return what the nearness in one space amounts to, per view and task."""
    found: Found = {RAW: {}, CENTRED: {}}
    for task, some in blocks.items():
        for view, measured in _measured(task, some, asked).items():
            found[view][task] = measured
    return found


def _measured(task: str, blocks: Blocks, asked: _Asked) -> dict[str, _Measured]:
    if task == "subfield":
        votes = neighbours_of(blocks, asked.labels)
        return {
            view: _Measured(_plain(asdict(neighbour_quality(these, asked.labels))), votes=these)
            for view, these in votes.items()
        }
    if task == "comments":
        views = named_ranks(blocks, asked.naming, asked.named)
    else:
        views = own_ranks(blocks, asked.candidates if task == "title_masked" else None)
    return {view: _Measured(_of_ranks(task, ranks, asked), ranks) for view, ranks in views.items()}


def _of_ranks(task: str, ranks: Ranks, asked: _Asked) -> dict[str, Any]:
    if task == "comments":
        n_queries = len(asked.naming)
        figures = _plain(asdict(retrieval_of(ranks, n_queries=n_queries)))
        kept = {name: figures[name] for name in ("recall_at_10", "mrr", "interval")}
        return kept | {"n_pairs": figures["n"], "n_queries": n_queries}
    figures = _plain(asdict(retrieval_of(ranks)))
    if task == "title_masked":
        counts = asked.candidates.counts[asked.candidates.asked]
        figures |= {"n_candidates": float(counts.mean()), "chance_mrr": chance_mrr(counts)}
    return figures


def _plain(figures: dict[str, Any]) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in figures.items()
    }


def _by_task(found: Mapping[str, Found], view: str, asked: _Asked) -> dict[str, Any]:
    """Return task -> space -> figures, as reports have them."""
    by_task: dict[str, Any] = {
        task: {space: of[view][task].figures for space, of in found.items() if task in of[view]}
        for task in TASKS
    }
    for other in OPPONENTS:
        by_task[f"tuned_minus_{other}"] = _gains(found, view, other)
    return by_task if asked.naming else by_task | {"comments": None}


def _gains(found: Mapping[str, Found], view: str, other: str) -> dict[str, Any] | None:
    """Return task -> by how much tuned finds better than another model; None without the two."""
    both = [found.get(label, {}).get(view, {}) for label in ("tuned", other)]
    gains = {}
    for task in TASKS:
        measured = [of[task] for of in both if task in of]
        if len(measured) == 2 and (gain := _gain(*measured)) is not None:
            gains[task] = gain
    return gains or None


def _gain(ours: _Measured, before: _Measured) -> dict[str, Any] | None:
    """Return the difference of two spaces in one task; None where too few were asked."""
    n = int(ours.figures.get("n") or ours.figures["n_pairs"])
    if ours.figures.get("n_queries", n) < LEAST_QUERIES:
        return None
    if ours.votes is not None and before.votes is not None:
        gain = neighbour_gain(ours.votes, before.votes)
        return {"knn_accuracy": _ends(gain.knn_accuracy), "map": _ends(gain.map), "n": n}
    if ours.ranks is not None and before.ranks is not None:
        mrr = gain_of(ours.ranks, before.ranks)
        return {"mrr": mrr.estimate, "low": mrr.low, "high": mrr.high, "n": n}
    return None


def _ends(found: Interval) -> dict[str, float]:
    return {"value": found.estimate, "low": found.low, "high": found.high}
