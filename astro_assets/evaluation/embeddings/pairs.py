"""Cosine similarity of all pairs of vectors, counted block by block in bounded memory.

Ten thousand abstracts are fifty million pairs: they are never held at once, only counted. What does
not belong here: where the vectors come from, and what is made of the counts (embedding_report).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

N_BINS = 20_000
"""Fine bins over [-1, 1]: quantiles are read off them, exact to 0.0001. They are that fine because
all vectors of a causal model may lie within a degree or two of each other."""
EDGES: NDArray[np.float64] = np.linspace(-1, 1, N_BINS + 1)
_ROWS = 256
"""Rows per block: with 10,000 vectors 10 MB of similarities per space."""


@dataclass(frozen=True)
class Spread:
    """How the similarities of some pairs are spread; all None where there is no pair."""

    n_pairs: int
    mean: float | None
    std: float | None
    quantiles: dict[str, float] | None
    """q05, q25, q50, q75, q95."""

    def figures(self) -> dict[str, float | None]:
        """Return mean, std and the quantiles side by side."""
        names = ("q05", "q25", "q50", "q75", "q95")
        return {
            "mean": self.mean,
            "std": self.std,
            **{name: (self.quantiles or {}).get(name) for name in names},
        }


@dataclass
class Tally:
    """Counts and sums of the similarities seen so far."""

    counts: NDArray[np.int64]
    """(N_BINS,)"""
    total: float = 0.0
    total_squares: float = 0.0

    @classmethod
    def empty(cls) -> Tally:
        """Start with nothing seen."""
        return cls(np.zeros(N_BINS, dtype=np.int64))

    def add(self, similarities: NDArray[np.float32]) -> None:
        """Count some similarities, any shape (m,)."""
        self.counts += np.bincount(_fine_bin(similarities), minlength=N_BINS)
        self.total += float(similarities.sum(dtype=np.float64))
        self.total_squares += float(np.square(similarities, dtype=np.float64).sum())

    def spread(self) -> Spread:
        """Return what was seen; mean and std are exact, quantiles to half a fine bin."""
        n_pairs = int(self.counts.sum())
        if n_pairs == 0:
            return Spread(0, None, None, None)
        mean = self.total / n_pairs
        variance = max(self.total_squares / n_pairs - mean**2, 0.0)
        below = np.cumsum(self.counts)
        quantiles = {
            f"q{share:02d}": float(_middles()[np.searchsorted(below, share / 100 * n_pairs)])
            for share in (5, 25, 50, 75, 95)
        }
        return Spread(n_pairs, mean, variance**0.5, quantiles)


def unit_rows(vectors: Vectors, *, centred: bool = False) -> Vectors:
    """Return the rows at length 1 (zero rows stay zero), after taking off their mean if asked.

    >>> unit_rows(np.array([[3, 4], [0, 0]], dtype=np.float32)).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    rows = vectors - vectors.mean(axis=0) if centred else vectors
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Vectors = (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return unit


def pair_blocks(spaces: Sequence[Vectors]) -> Iterator[list[NDArray[np.float32]]]:
    """Yield the cosines of all pairs i < j, a block of rows at a time, the same pairs per space.

    Args:
        spaces: Unit vectors (n, d_k) of the same n texts.

    Yields:
        Per space (m,) float32 in [-1, 1].
    """
    n = len(spaces[0])
    for begin in range(0, n, _ROWS):
        end = min(begin + _ROWS, n)
        above = np.arange(begin, n)[None, :] > np.arange(begin, end)[:, None]
        yield [np.clip((unit[begin:end] @ unit[begin:].T)[above], -1, 1) for unit in spaces]


def tally_pairs(unit: Vectors) -> Tally:
    """Return the tally of all pairs of one space."""
    tally = Tally.empty()
    for (similarities,) in pair_blocks([unit]):
        tally.add(similarities)
    return tally


@dataclass(frozen=True)
class BaselineBin:
    """All pairs whose baseline similarity lies in [low, high), and what the models make of them."""

    low: float
    high: float
    models: dict[str, Spread]


def by_baseline(
    baseline: Vectors, models: Mapping[str, Vectors], *, n_bins: int = 10
) -> list[BaselineBin]:
    """Group all pairs into bins of equal width by the baseline's similarity (the paper's figure 3).

    The bins reach from the least to the greatest similarity the baseline gives (the last includes
    it), so the pairs are gone through twice.
    """
    low, high = _extent(baseline)
    edges = np.linspace(low, high, n_bins + 1)
    tallies = [{label: Tally.empty() for label in models} for _ in range(n_bins)]
    for reference, *others in pair_blocks([baseline, *models.values()]):
        number = np.clip(np.searchsorted(edges, reference, side="right") - 1, 0, n_bins - 1)
        for index in range(n_bins):
            inside = number == index
            if inside.any():
                for label, similarities in zip(models, others, strict=True):
                    tallies[index][label].add(similarities[inside])
    return [
        BaselineBin(
            float(edges[index]),
            float(edges[index + 1]),
            {label: tally.spread() for label, tally in tallies[index].items()},
        )
        for index in range(n_bins)
    ]


def _extent(unit: Vectors) -> tuple[float, float]:
    """Return the least and the greatest similarity of a pair; (0, 0) where there is no pair."""
    ends = [(s.min(), s.max()) for (s,) in pair_blocks([unit]) if len(s)]
    if not ends:
        return 0.0, 0.0
    return float(min(low for low, _ in ends)), float(max(high for _, high in ends))


def _fine_bin(similarities: NDArray[np.float32]) -> NDArray[np.int64]:
    number = ((similarities.astype(np.float64) + 1) * (N_BINS / 2)).astype(np.int64)
    return np.minimum(number, N_BINS - 1)


def _middles() -> NDArray[np.float64]:
    middles: NDArray[np.float64] = (EDGES[:-1] + EDGES[1:]) / 2
    return middles
