"""Does a space find what belongs to a text? Ranks of the right document among all, and their sums.

Ties count against a space: one that maps everything to one point finds nothing. What does not
belong here: where the nearness comes from (cosines, bm25), and votes of neighbours (knn).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from astro_assets.evaluation.embeddings.candidates import Candidates
from astro_assets.evaluation.embeddings.cosines import TIE, Blocks
from astro_assets.evaluation.embeddings.intervals import mean_difference, mean_interval
from astro_assets.evaluation.statistics import Interval

Ranks = NDArray[np.int64]
"""1 is the best."""


@dataclass(frozen=True)
class Retrieval:
    """Shares and means over all queries."""

    recall_at_1: float
    """Share whose right document comes first, alone."""
    recall_at_10: float
    """Share whose right document is among the first ten."""
    mrr: float
    """Mean reciprocal rank."""
    n: int
    """Ranks: one per query, or more where a query looks for several."""
    interval: tuple[float, float] | None
    """Of mrr, 95 %, bootstrap over what was looked for; None below eight queries."""


def own_ranks(blocks: Blocks, candidates: Candidates | None = None) -> dict[str, Ranks]:
    """Return per view (n,) ranks: how many documents are at least as near to query i as document i.

    Args:
        blocks: Of n queries and n documents, in the same order.
        candidates: Which documents a query is ranked among; None: all. A query with too few of them
            is left out, so there are fewer than n ranks.
    """
    parts: dict[str, list[Ranks]] = defaultdict(list)
    for block in blocks:
        n_rows = len(next(iter(block.views.values())))
        among = None if candidates is None else candidates.block(block.begin, n_rows)
        asked = slice(None) if candidates is None else candidates.asked[block.begin :][:n_rows]
        for view, nearness in block.views.items():
            rows = np.arange(n_rows)
            own = nearness[rows, block.begin + rows]
            near = nearness >= own[:, None] - TIE
            if among is not None:
                near &= among
            parts[view].append(near.sum(axis=1)[asked])
    return {view: np.concatenate(ranks) for view, ranks in parts.items()}


def named_ranks(
    blocks: Blocks, rows: Sequence[int], named: Sequence[Sequence[int]]
) -> dict[str, Ranks]:
    """Return per view the ranks of named documents among all but the query's own.

    A query may name several: the others it names do not count against one.

    Args:
        blocks: Of the queries, against all documents.
        rows: Per query the document it is itself.
        named: Per query the documents it names, never itself.
    """
    found: dict[str, list[int]] = defaultdict(list)
    for block in blocks:
        for view, nearness in block.views.items():
            for query, near in enumerate(nearness, start=block.begin):
                others = np.delete(near, [rows[query], *named[query]])
                found[view] += [
                    1 + int((others >= near[document] - TIE).sum()) for document in named[query]
                ]
    return {view: np.array(ranks, dtype=np.int64) for view, ranks in found.items()}


def retrieval_of(ranks: Ranks, *, n_queries: int | None = None) -> Retrieval:
    """Return what ranks, at least one, say of a space.

    Args:
        ranks: (n,)
        n_queries: Queries that they come from; None: one each.
    """
    reciprocal = 1 / ranks
    return Retrieval(
        recall_at_1=float((ranks <= 1).mean()),
        recall_at_10=float((ranks <= 10).mean()),
        mrr=float(reciprocal.mean()),
        n=len(ranks),
        interval=mean_interval(
            reciprocal, n_queries=len(ranks) if n_queries is None else n_queries
        ),
    )


def gain_of(ranks: Ranks, before: Ranks) -> Interval:
    """Return by how much the mean reciprocal rank of the same queries differs, paired by query.

    Args:
        ranks: Of one space, at least one query.
        before: Of another space, the same queries in the same order.
    """
    return mean_difference(1 / ranks, 1 / before)
