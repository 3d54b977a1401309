"""A fixed sample of pairs: rank correlations with the baseline, and the pairs worth reading.

What does not belong here: figures over all pairs (pairs).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from astro_assets.evaluation.embeddings.folder import BASELINE, Vectors

MOST_SAMPLED = 100_000
N_EXAMPLES = 3
"""Telling pairs at each end."""
_SEED = 20230912
_ROWS = 2_000

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class SampledPairs:
    """Some pairs, the same for all spaces, and how alike each space finds them."""

    first: Rows
    """(m,) rows of papers."""
    second: Rows
    """(m,) rows behind the first."""
    similarity: dict[str, NDArray[np.float32]]
    """Space -> (m,) cosines."""
    ranks: dict[str, NDArray[np.float64]]
    """Space -> (m,) ranks of them from 1, ties sharing their mean rank."""

    @classmethod
    def of(cls, spaces: Mapping[str, Vectors]) -> SampledPairs:
        """Take all pairs where they are few, else 100,000 of them by a fixed seed.

        Args:
            spaces: Name -> unit vectors (n, d) of the same texts.
        """
        import polars as pl

        first, second = draw_pairs(len(next(iter(spaces.values()))))
        similarity = {name: cosines(unit, first, second) for name, unit in spaces.items()}
        ranks = {
            name: pl.Series(values).rank("average").to_numpy()
            for name, values in similarity.items()
        }
        return cls(first, second, similarity, ranks)

    def spearman(self, label: str) -> float | None:
        """Return the rank correlation of a space with the baseline; None where one is flat."""
        a, b = self.ranks[label], self.ranks[BASELINE]
        if np.ptp(a) == 0 or np.ptp(b) == 0:
            return None
        return float(np.corrcoef(a, b)[0, 1])

    def telling(self, space: str, other: str) -> list[tuple[int, float]]:
        """Return the pairs whose rank differs most between two spaces, both ways.

        Ranks, not cosines: a space whose cosines all lie close together moves as far as any other.

        Args:
            space: In which a pair is nearer (first three) or farther (last three).
            other: Than in this one.

        Returns:
            Number of the pair in the sample, and its rank difference as a share of all ranks: 1
            from the farthest to the nearest.
        """
        difference = (self.ranks[space] - self.ranks[other]) / max(len(self.first) - 1, 1)
        order = np.argsort(-difference, kind="stable")
        shown = [*order[:N_EXAMPLES], *order[::-1][:N_EXAMPLES][::-1]]
        return [(index, float(difference[index])) for index in dict.fromkeys(map(int, shown))]


def draw_pairs(n: int) -> tuple[Rows, Rows]:
    """Return rows i < j of all pairs of n where they are few, else of 100,000 different ones."""
    n_pairs = n * (n - 1) // 2
    if n_pairs <= MOST_SAMPLED:
        first, second = np.triu_indices(n, k=1)
        return first, second
    draw = np.random.default_rng(_SEED)
    codes = np.sort(draw.choice(n_pairs, size=MOST_SAMPLED, replace=False))
    # Pairs are numbered row by row; row i begins behind the i rows before it.
    begins = np.arange(n) * (2 * n - np.arange(n) - 1) // 2
    first = np.searchsorted(begins, codes, side="right") - 1
    return first, codes - begins[first] + first + 1


def cosines(unit: Vectors, first: Sequence[int] | Rows, second: Sequence[int] | Rows) -> Vectors:
    """Return (m,) cosines of given pairs of unit vectors; their rows are copied some at a time."""
    made = np.empty(len(first), dtype=np.float32)
    for begin in range(0, len(made), _ROWS):
        part = slice(begin, begin + _ROWS)
        np.einsum("ij,ij->i", unit[first[part]], unit[second[part]], out=made[part])
    return made
