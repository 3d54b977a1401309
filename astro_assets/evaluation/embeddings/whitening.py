"""Taking off what all vectors of a space share: their mean, and unequal spreads along directions.

The hidden states of a causal model share one direction that carries most of every cosine
(arXiv:1909.00512); what is left after it tells papers apart. Fitted on train papers, so that no
test paper has a say in how it is measured. What does not belong here: the similarities (pairs).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from astro_assets.evaluation.embeddings.folder import Vectors

MAX_COMPONENTS = 256
PAPERS_PER_COMPONENT = 8
_NEGLIGIBLE = 1e-10
"""Share of the greatest variance below which a direction is rounding."""
_ROWS = 1_024


@dataclass(frozen=True)
class Whitening:
    """Mean and principal directions of a space."""

    mean: Vectors
    """(d,)"""
    directions: Vectors
    """(d, k), principal directions divided by the standard deviations along them."""

    @property
    def n_components(self) -> int:
        """k, how many directions are kept."""
        return int(self.directions.shape[1])

    def centre(self, vectors: Vectors) -> Vectors:
        """Return (n, d): the vectors without the mean."""
        return vectors - self.mean

    def whiten(self, vectors: Vectors) -> Vectors:
        """Return (n, k): the vectors along the directions, at unit variance on the train papers."""
        made = np.empty((len(vectors), self.n_components), dtype=np.float32)
        for begin in range(0, len(vectors), _ROWS):
            part = slice(begin, begin + _ROWS)
            np.matmul(self.centre(vectors[part]), self.directions, out=made[part])
        return made


def fit_whitening(train: Vectors) -> Whitening | None:
    """Fit mean and principal directions; None for fewer than two papers.

    Only the k = min(d, n // 8, 256) directions of greatest variance are kept. Whitening divides by
    standard deviations, so a direction counts as much as any other however little it varies: the
    ones that few papers determine badly would be noise at full weight. Eight papers per direction
    keep the least variance kept within about a half of its true value.

    Args:
        train: (n, d) vectors.
    """
    n, width = train.shape
    if n < 2:
        return None
    mean = train.mean(axis=0, dtype=np.float64)
    rows = train - mean
    k = min(width, n // PAPERS_PER_COMPONENT, MAX_COMPONENTS)
    # The lesser of the two matrices of products has all the variances.
    variances, directions = _of_products(rows) if n <= width else _of_covariance(rows)
    order = np.argsort(-variances, kind="stable")[:k]
    order = order[variances[order] > _NEGLIGIBLE * max(float(variances.max()), 0.0)]
    scaled = directions[:, order] / np.sqrt(variances[order])
    return Whitening(mean.astype(np.float32), scaled.astype(np.float32))


def _of_covariance(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return variances (d,) and unit directions (d, d)."""
    variances, directions = np.linalg.eigh(rows.T @ rows / (len(rows) - 1))
    return variances, directions


def _of_products(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the same from the products of the rows with each other: (n,) and (d, n)."""
    variances, weights = np.linalg.eigh(rows @ rows.T / (len(rows) - 1))
    directions = rows.T @ weights
    lengths = np.linalg.norm(directions, axis=0)
    return variances, directions / np.where(lengths > 0, lengths, 1)
