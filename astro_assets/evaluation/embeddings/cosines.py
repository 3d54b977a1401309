"""How near queries lie to documents, a block of queries at a time: what all rankings are read off.

Two views of a space. ``raw`` is the cosine, as in the paper. ``centred`` is the cosine after the
mean of train abstracts has been taken off both sides: hidden states of a causal model share one
direction, and the raw cosine is mostly that (every pair lies within a few degrees). One product of
matrices gives both. What does not belong here: ranks (retrieval, knn) and pairs (pairs).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from astro_assets.evaluation.embeddings.folder import Vectors

RAW, CENTRED = "raw", "centred"
"""The views."""
TIE = 1e-6
"""Cosines are exact to this: nearer than this to each other is equally near."""
_ROWS = 512
_NO_LENGTH = 1e-6
"""A row as near to the mean as this, relative to its own length, has no direction of its own."""


@dataclass(frozen=True)
class Block:
    """How near some queries lie to all documents, greater is nearer."""

    begin: int
    """Number of the first of these queries."""
    views: dict[str, NDArray[np.float32]]
    """View -> (rows, n_documents)."""


Blocks = Iterable[Block]


def cosine_blocks(
    queries: Vectors, documents: Vectors, mean: NDArray[np.float64] | None = None
) -> Iterator[Block]:
    """Yield the cosines of all queries with all documents; zero rows have cosine zero with all.

    Memory: one copy of the documents, and blocks of 512 rows.

    Args:
        queries: (n, d), any length of rows.
        documents: (m, d).
        mean: (d,) what the view ``centred`` takes off both sides; None: the view ``raw`` alone.

    Yields:
        Blocks of the view ``raw`` and, with a mean, ``centred``, both exact to 1e-6.
    """
    to = _Side.of(documents, mean)
    for begin in range(0, len(queries), _ROWS):
        some = _Side.of(queries[begin : begin + _ROWS], mean)
        nearness = some.directions @ to.directions.T
        if mean is None:
            yield Block(begin, {RAW: nearness})
            continue
        # q.d = |qc||dc| cos + qc.m + dc.m + m.m with q = qc + m, d = dc + m: adding back what was
        # taken off loses nothing, while taking it off a product of raw rows would.
        raw = nearness * to.share
        raw *= some.share[:, None]
        raw += np.stack([some.along, some.inverse], axis=1) @ np.stack([to.inverse, to.own_along])
        yield Block(begin, {RAW: raw, CENTRED: nearness})


@dataclass(frozen=True)
class _Side:
    """Rows as directions from the mean, and what leads back to the raw rows."""

    directions: Vectors
    """(n, d) unit rows after the mean is off; zero where nothing is left."""
    share: NDArray[np.float32]
    """(n,) length without the mean / length with it."""
    inverse: NDArray[np.float32]
    """(n,) |m| / raw length; zero rows have zero here and below."""
    own_along: NDArray[np.float32]
    """(n,) row without the mean, along m, / raw length."""
    along: NDArray[np.float32]
    """(n,) raw row along m, / raw length."""

    @classmethod
    def of(cls, rows: Vectors, mean: NDArray[np.float64] | None) -> _Side:
        """Prepare rows, a block at a time."""
        n, off = len(rows), np.zeros(rows.shape[1]) if mean is None else mean
        size = float(np.linalg.norm(off))
        directions = np.empty(rows.shape, dtype=np.float32)
        numbers = np.zeros((4, n), dtype=np.float32)
        for begin in range(0, n, _ROWS):
            part = slice(begin, begin + _ROWS)
            raw = rows[part].astype(np.float64)
            length, rest = np.linalg.norm(raw, axis=1), raw - off
            left = np.linalg.norm(rest, axis=1)
            counts = length > 0
            by = np.divide(1, length, out=np.zeros_like(length), where=counts)
            scale = np.divide(
                1, left, out=np.zeros_like(left), where=counts & (left > _NO_LENGTH * length)
            )
            directions[part] = rest * scale[:, None]
            unit = off / size if size else off
            numbers[:, part] = left * by, size * by, (rest @ unit) * by, (raw @ unit) * by
        return cls(directions, *numbers)


def mean_of(train: Vectors | None) -> NDArray[np.float64] | None:
    """Return the (d,) mean of train abstracts; None where there is none."""
    if train is None or not len(train):
        return None
    mean: NDArray[np.float64] = train.mean(axis=0, dtype=np.float64)
    return mean
