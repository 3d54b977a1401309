"""Counts and sums of similarities seen so far: means, spreads, quantiles and histograms of them.

What does not belong here: which similarities there are (pairs).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

N_BINS = 20_000
"""Fine bins over [-1, 1]: quantiles are read off them, exact to 0.0001. They are that fine because
all vectors of a causal model may lie within a degree or two of each other."""
QUANTILES = (5, 25, 50, 75, 95)
"""In per cent."""
_HALF, _LAST = np.float32(N_BINS / 2), np.float32(N_BINS - 1)
_AT_ONCE = 1 << 15
_PENDING = 1 << 18
"""Similarities that are counted at a time: bins are many, and each count goes through all."""

Similarities = NDArray[np.float32]
Groups = NDArray[np.integer]


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
        quantiles = self.quantiles or dict.fromkeys(f"q{share:02d}" for share in QUANTILES)
        return {"mean": self.mean, "std": self.std, **quantiles}


class Tally:
    """Counts and sums of the similarities seen so far, in one group or several."""

    def __init__(self, centre: float, n_groups: int = 1) -> None:
        """Start with nothing seen.

        Args:
            centre: Taken off before sums are made, else squares cancel: best near the mean.
            n_groups: How many groups.
        """
        self.n_groups = n_groups
        self.low, self.high = np.inf, -np.inf
        """The least and the greatest similarity seen."""
        self.centre = centre
        self._counts = np.zeros(n_groups * N_BINS, dtype=np.int64)
        self._totals = np.zeros(n_groups)
        self._squares = np.zeros(n_groups)
        # Memory that is asked for once: the system's pages cost more than the sums.
        self._scaled = np.empty(_AT_ONCE, dtype=np.float32)
        self._pending = np.empty(_PENDING, dtype=np.int64)
        self._n_pending = 0

    @property
    def counts(self) -> NDArray[np.int64]:
        """(n_groups, N_BINS) similarities in each fine bin."""
        self._count_pending()
        return self._counts.reshape(self.n_groups, N_BINS)

    def add(self, similarities: Similarities, groups: Groups | None = None) -> None:
        """Count some similarities.

        Args:
            similarities: (m,), in [-1, 1] but for rounding.
            groups: (m,) each one's group, from 0; None: all in the first.
        """
        for begin in range(0, len(similarities), _AT_ONCE):
            part = slice(begin, begin + _AT_ONCE)
            self._add_part(similarities[part], groups[part] if groups is not None else None)

    def _add_part(self, similarities: Similarities, groups: Groups | None) -> None:
        m = len(similarities)
        self.low = min(self.low, max(float(similarities.min()), -1.0))
        self.high = max(self.high, min(float(similarities.max()), 1.0))
        if self._n_pending + m > _PENDING:
            self._count_pending()
        scaled, fine = self._scaled[:m], self._pending[self._n_pending : self._n_pending + m]
        np.multiply(similarities, _HALF, out=scaled)
        scaled += _HALF
        # Rounding may lead a little beyond one: into the last bin, as the bound itself.
        np.minimum(scaled, _LAST, out=scaled)
        np.copyto(fine, scaled, casting="unsafe")
        if groups is not None:
            fine += groups * N_BINS
        self._n_pending += m
        # Sums in double precision: a group may lie far from the centre and be narrow.
        double = similarities.astype(np.float64)
        double -= self.centre
        self._totals += self._sums(double, groups)
        np.square(double, out=double)
        self._squares += self._sums(double, groups)

    def _sums(self, values: NDArray[np.float64], groups: Groups | None) -> Any:
        if groups is None:
            return float(values.sum())
        return np.bincount(groups, weights=values, minlength=self.n_groups)

    def _count_pending(self) -> None:
        if self._n_pending:
            seen = self._pending[: self._n_pending]
            self._counts += np.bincount(seen, minlength=len(self._counts))
            self._n_pending = 0

    def spread(self, group: int = 0) -> Spread:
        """Return what was seen of a group; mean and std are exact, quantiles to half a fine bin."""
        counts = self.counts[group]
        n_pairs = int(counts.sum())
        if n_pairs == 0:
            return Spread(0, None, None, None)
        off = float(self._totals[group]) / n_pairs
        variance = max(float(self._squares[group]) / n_pairs - off**2, 0.0)
        below = np.cumsum(counts)
        bins = {share: int(np.searchsorted(below, share / 100 * n_pairs)) for share in QUANTILES}
        quantiles = {f"q{share:02d}": (2 * b + 1) / N_BINS - 1 for share, b in bins.items()}
        return Spread(n_pairs, self.centre + off, variance**0.5, quantiles)


def histogram_of(
    tally: Tally, *, most_bins: int = 100
) -> dict[str, list[float] | list[int]] | None:
    """Return edges (n + 1) and counts (n) over what a tally's pairs occupy; None without pairs.

    Every space has bins of its own width, the last one's may be less: figures must show densities.
    """
    counts = tally.counts.sum(axis=0)
    occupied = np.flatnonzero(counts)
    if not len(occupied):
        return None
    first, behind = int(occupied[0]), int(occupied[-1]) + 1
    step = -(-(behind - first) // most_bins)
    starts = np.arange(first, behind, step)
    ends = np.minimum(np.append(starts, starts[-1] + step), N_BINS)
    return {
        "edges": (2 * ends / N_BINS - 1).tolist(),
        "counts": np.add.reduceat(counts[:behind], starts).tolist(),
    }
