"""Does a space find the abstract that belongs to a title? Ranks of the right one among all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ROWS = 256


@dataclass(frozen=True)
class Retrieval:
    """Shares and means over all titles."""

    recall_at_1: float
    recall_at_10: float
    mrr: float
    """Mean reciprocal rank."""


def rank_own(titles: NDArray[np.float32], abstracts: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return (n,) ranks, 1 the best: how many abstracts are at least as near to title i as its own.

    Ties count against the space: one that maps everything to one point finds nothing.

    Args:
        titles: (n, d) unit vectors.
        abstracts: (n, d) unit vectors, row i belonging to title i.
    """
    ranks = np.empty(len(titles), dtype=np.int64)
    for begin in range(0, len(titles), _ROWS):
        nearness = titles[begin : begin + _ROWS] @ abstracts.T
        rows = np.arange(len(nearness))
        own = nearness[rows, begin + rows]
        ranks[begin : begin + len(rows)] = (nearness >= own[:, None]).sum(axis=1)
    return ranks


def retrieval_of(titles: NDArray[np.float32], abstracts: NDArray[np.float32]) -> Retrieval:
    """Return recall at 1 and 10 and mean reciprocal rank of titles looking for their abstracts."""
    ranks = rank_own(titles, abstracts)
    return Retrieval(
        recall_at_1=float((ranks <= 1).mean()),
        recall_at_10=float((ranks <= 10).mean()),
        mrr=float((1 / ranks).mean()),
    )
