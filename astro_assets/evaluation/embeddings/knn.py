"""Do neighbours in a space share a subfield? Votes of the nearest, and mean average precision.

Leave one out: each paper is the query once, all others are ranked. Papers that are equally near
count against the space: those of another subfield come first. What does not belong here: where the
nearness comes from (cosines, bm25), and finding single papers (retrieval).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from astro_assets.evaluation.embeddings.cosines import TIE, Blocks
from astro_assets.evaluation.embeddings.intervals import (
    LEAST_QUERIES,
    mean_difference,
    mean_interval,
)
from astro_assets.evaluation.statistics import (
    Interval,
    paired_share_difference,
    wilson_interval,
)

Labels = NDArray[np.int64]

K = 10
"""Neighbours that vote."""
_GRID = np.float32(1 / TIE)
_FARTHEST = (1 << 30) - 1
_FAR = np.float32(1 << 29)

Keys = NDArray[np.int32]
"""(rows, n) how far papers lie: twice the distance on a grid of 1e-6, and 1 more for the label
that is looked for. Less is nearer, and of the equally near the others come first."""


@dataclass(frozen=True)
class Neighbours:
    """What the neighbours of each paper say of its label."""

    right: NDArray[np.bool_]
    """(n,) whether the k nearest vote for it; a split vote goes to the nearest."""
    precision: NDArray[np.float64]
    """(n,) average precision of finding all others of it."""


@dataclass(frozen=True)
class NeighbourQuality:
    """What neighbours say of labels, over all papers."""

    knn_accuracy: float
    """Share of papers whose k nearest vote for their label."""
    map: float
    """Mean over papers of the average precision of finding all others of their label."""
    n: int
    """Papers."""
    k: int
    """Neighbours that vote: 10, or all others where they are fewer."""
    majority: float
    """Share of the largest label: what guessing it always gives."""
    interval: tuple[float, float] | None
    """Of knn_accuracy, 95 %, Wilson's; None below eight papers."""
    map_interval: tuple[float, float] | None
    """Of map, 95 %, bootstrap over papers; None below eight."""


@dataclass(frozen=True)
class NeighbourGain:
    """By how much one space is better than another at the same papers' labels, 95 %."""

    knn_accuracy: Interval
    """Newcombe's score interval for paired shares."""
    map: Interval
    """Bootstrap over papers."""


def neighbours_of(blocks: Blocks, labels: Labels) -> dict[str, Neighbours]:
    """Return per view what the nearest papers tell of each paper's label.

    Memory: a truth value and a number per paper and view, and what a block needs.

    Args:
        blocks: Of n papers against the same n, at least two.
        labels: (n,) numbers of labels, each of them at least twice.
    """
    k = _n_voters(len(labels))
    right: dict[str, list[NDArray[np.bool_]]] = defaultdict(list)
    precision: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
    for block in blocks:
        own = labels[block.begin : block.begin + len(next(iter(block.views.values())))]
        for view, nearness in block.views.items():
            keys = _keys(nearness, block.begin, own[:, None] == labels)
            order = np.sort(keys, axis=1)
            near = _nearest(keys, order[:, k - 1], k)
            right[view].append(_vote(labels[near]) == own)
            # The paper itself is the farthest.
            precision[view].append(_average_precision(order[:, :-1] & 1 == 1))
    return {
        view: Neighbours(np.concatenate(right[view]), np.concatenate(precision[view]))
        for view in right
    }


def neighbour_quality(found: Neighbours, labels: Labels) -> NeighbourQuality:
    """Return how well the nearest papers tell a paper's label.

    Args:
        found: Of n papers.
        labels: (n,) their labels.
    """
    n, n_right = len(labels), int(found.right.sum())
    return NeighbourQuality(
        knn_accuracy=n_right / n,
        map=float(found.precision.mean()),
        n=n,
        k=_n_voters(n),
        majority=float(np.bincount(labels).max() / n),
        interval=wilson_interval(n_right, n) if n >= LEAST_QUERIES else None,
        map_interval=mean_interval(found.precision, n_queries=n),
    )


def neighbour_gain(found: Neighbours, before: Neighbours) -> NeighbourGain:
    """Return by how much one space is better than another, paired by paper.

    Args:
        found: Of one space.
        before: Of another space, the same papers in the same order.
    """
    return NeighbourGain(
        knn_accuracy=paired_share_difference(found.right, before.right),
        map=mean_difference(found.precision, before.precision),
    )


def _n_voters(n: int) -> int:
    return min(K, n - 1)


def _keys(nearness: NDArray[np.float32], begin: int, same: NDArray[np.bool_]) -> Keys:
    """Return distances of all papers from some, each of those from itself the farthest."""
    others = nearness.copy()
    rows = np.arange(len(others))
    others[rows, begin + rows] = -np.inf
    far = np.rint((others.max(axis=1, keepdims=True) - others) * _GRID)
    keys: Keys = np.minimum(far, _FAR).astype(np.int32)
    keys[rows, begin + rows] = _FARTHEST
    keys <<= 1
    keys |= same
    return keys


def _nearest(keys: Keys, within: Keys, k: int) -> NDArray[np.int64]:
    """Return (rows, k) numbers of papers from near to far; of equal keys the first papers.

    Args:
        keys: (rows, n)
        within: (rows,) the k-th smallest key of each row.
        k: How many.
    """
    rows, papers = np.nonzero(keys <= within[:, None])
    order = np.lexsort((papers, keys[rows, papers], rows))
    starts = np.searchsorted(rows, np.arange(len(keys)))
    near: NDArray[np.int64] = papers[order][starts[:, None] + np.arange(k)]
    return near


def _vote(near: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return per row the most frequent of k labels; of equally frequent ones the nearest.

    >>> _vote(np.array([[1, 2, 2], [3, 1, 2]])).tolist()
    [2, 3]
    """
    votes = (near[:, :, None] == near[:, None, :]).sum(axis=2)
    chosen: NDArray[np.int64] = near[np.arange(len(near)), votes.argmax(axis=1)]
    return chosen


def _average_precision(same: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return per row the mean, over the right ones, of the share of right ones down to there.

    >>> _average_precision(np.array([[True, False, True]])).tolist()
    [0.8333333333333333]
    """
    rows, places = np.nonzero(same)
    n_right = same.sum(axis=1)
    starts = np.cumsum(n_right) - n_right
    shares = (np.arange(1, len(rows) + 1) - starts[rows]) / (places + 1)
    mean: NDArray[np.float64] = np.add.reduceat(shares, starts) / n_right
    return mean
