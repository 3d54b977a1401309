"""Cosine similarity of all pairs of vectors, counted row by row in bounded memory.

Ten thousand abstracts are fifty million pairs: they are never held at once, only counted, a block
of rows at a time, each row behind its diagonal only. What does not belong here: where the vectors
come from, and what is made of the counts (report).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from astro_assets.evaluation.embeddings.tallies import Similarities, Spread, Tally

Vectors = NDArray[np.float32]

_BLOCK_BYTES = 40 << 20
"""Similarities held at a time, all spaces together."""
_ROWS = 1_024
_AT_ONCE = 1 << 15
"""Similarities that rows are gathered to before they are counted: they stay in the cache."""

Crossing = tuple[str, str]
"""Two spaces: by whose similarity pairs are binned, and whose similarity is told for each bin."""


@dataclass(frozen=True)
class Bin:
    """All pairs whose similarity in one space lies in [low, high), and what another makes of them.

    The last of several bins holds its upper end too.
    """

    low: float
    high: float
    spread: Spread
    """Of the other space's similarities."""


def unit_rows(vectors: Vectors) -> Vectors:
    """Return the rows at length 1 as a new array; zero rows stay zero.

    >>> unit_rows(np.array([[3, 4], [0, 0]], dtype=np.float32)).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    rows = np.array(vectors, dtype=np.float32)
    for begin in range(0, len(rows), _ROWS):
        part = rows[begin : begin + _ROWS]
        # Squares overflow or vanish for extreme lengths: the greatest component goes first.
        greatest = np.abs(part).max(axis=1, keepdims=True, initial=0)
        part /= np.where(greatest > 0, greatest, 1)
        lengths = np.sqrt(np.einsum("ij,ij->i", part, part))[:, None]
        part /= np.where(lengths > 0, lengths, 1)
    return rows


def pair_rows(spaces: Sequence[Vectors]) -> Iterator[list[Similarities]]:
    """Yield the cosines of all pairs i < j: the same pairs, in the same order, per space.

    Args:
        spaces: Unit vectors (n, d_k) of the same n texts.

    Yields:
        Per space (m,) float32, some rows' pairs; good until the next is asked for.
    """
    n = len(spaces[0])
    n_rows = max(1, min(n, _BLOCK_BYTES // (4 * n * len(spaces))))
    blocks = [np.empty(n_rows * n, dtype=np.float32) for _ in spaces]
    gathered = [np.empty(_AT_ONCE + n, dtype=np.float32) for _ in spaces]
    m = 0
    for begin in range(0, n, n_rows):
        parts = [
            _block(unit, begin, n_rows, into=block)
            for unit, block in zip(spaces, blocks, strict=True)
        ]
        for row in range(len(parts[0][0])):
            for (square, beyond), kept in zip(parts, gathered, strict=True):
                middle = m + len(square) - row - 1
                kept[m:middle] = square[row, row + 1 :]
                kept[middle : middle + beyond.shape[1]] = beyond[row]
            m = middle + beyond.shape[1]
            if m >= _AT_ONCE:
                yield [kept[:m] for kept in gathered]
                m = 0
    if m:
        yield [kept[:m] for kept in gathered]


def _block(
    unit: Vectors, begin: int, n_rows: int, *, into: Similarities
) -> tuple[Vectors, Vectors]:
    """Return the products of some rows with each other, and with all rows behind them.

    The first is a product with its own transpose: NumPy computes half of it and mirrors that.
    """
    end = min(begin + n_rows, len(unit))
    n, n_beyond = end - begin, len(unit) - end
    square, beyond = into[: n * n].reshape(n, n), into[n * n : n * (n + n_beyond)]
    np.matmul(unit[begin:end], unit[begin:end].T, out=square)
    beyond = beyond.reshape(n, n_beyond)
    if n_beyond:
        np.matmul(unit[begin:end], unit[end:].T, out=beyond)
    return square, beyond


def tally_pairs(unit: Vectors) -> Tally:
    """Return the tally of all pairs of one space, (n, d) unit vectors."""
    tally = Tally(centre=_mean_cosine(unit))
    for (similarities,) in pair_rows([unit]):
        tally.add(similarities)
    return tally


def bin_pairs(
    spaces: Mapping[str, Vectors],
    tallies: Mapping[str, Tally],
    crossings: Sequence[Crossing],
    *,
    n_bins: int = 10,
) -> dict[Crossing, list[Bin]]:
    """Group all pairs into bins of equal width by one space's similarity (the paper's figure 3).

    The bins reach from the least to the greatest similarity that the space gives.

    Args:
        spaces: Name -> unit vectors (n, d) of the same n texts, n >= 2.
        tallies: Name -> what ``tally_pairs`` gave, for the ends of the bins.
        crossings: Which space bins which; all are counted in one pass.
        n_bins: How many bins.
    """
    names = list(dict.fromkeys(name for crossing in crossings for name in crossing))
    made = {(by, of): Tally(tallies[of].centre, n_bins) for by, of in crossings}
    for row in pair_rows([spaces[name] for name in names]):
        similarities = dict(zip(names, row, strict=True))
        for by in dict.fromkeys(by for by, _ in crossings):
            groups = _bin_numbers(similarities[by], tallies[by], n_bins)
            for crossing in (one for one in crossings if one[0] == by):
                made[crossing].add(similarities[crossing[1]], groups)
    return {crossing: _bins(tally, tallies[crossing[0]]) for crossing, tally in made.items()}


def _bins(grouped: Tally, by: Tally) -> list[Bin]:
    edges = np.linspace(by.low, by.high, grouped.n_groups + 1).tolist()
    return [
        Bin(low, high, grouped.spread(number)) for number, (low, high) in enumerate(pairwise(edges))
    ]


def _bin_numbers(similarities: Similarities, by: Tally, n_bins: int) -> NDArray[np.int64]:
    """Return (m,) numbers of the bins; all 0 where the space tells no pairs apart."""
    width = (by.high - by.low) / n_bins
    if width == 0:
        return np.zeros(len(similarities), dtype=np.int64)
    numbers = ((similarities - np.float32(by.low)) * np.float32(1 / width)).astype(np.int64)
    return np.clip(numbers, 0, n_bins - 1, out=numbers)


def _mean_cosine(unit: Vectors) -> float:
    """Return the mean over all pairs, too low where rows are zero: enough for a centre."""
    n = len(unit)
    if n < 2:
        return 0.0
    # The square of the sum of all vectors holds every pair twice, and every vector with itself.
    total = unit.sum(axis=0, dtype=np.float64)
    return (float(total @ total) - n) / (n * (n - 1))
