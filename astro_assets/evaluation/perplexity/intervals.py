"""Figures of several models on one set of items, with intervals by a paired bootstrap.

The items are documents, or packed blocks. They are drawn with replacement, and every model's sums
are taken over the same draws, so differences and ratios between models are paired. Every figure is
an expression in these sums, for the items as they are and for each draw alike.

What does not belong here: the drawing itself (``statistics``) and which figures a report has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astro_assets.evaluation.perplexity.scores import BlockScores, DocumentScores
from astro_assets.evaluation.statistics import LEAST_ITEMS, Interval, drawn_sums, interval_of

SEED = 20_230_912
MIN_DOCUMENTS = LEAST_ITEMS
"""Fewer have figures, and no interval."""
_MOST_NATS = 700.0
Ends = tuple[float, float] | tuple[None, None]
Sums = NDArray[np.float64]
"""(1 + n_resamples,): over all items, then over each draw."""


@dataclass(frozen=True)
class Drawn:
    """Sums over the items of a set and over bootstrap draws of them."""

    nll_nats: dict[str, Sums]
    """Per model."""
    n_tokens: dict[str, Sums]
    """Per model, of its own tokens."""
    n_bytes: Sums
    """UTF-8 bytes; of blocks none."""
    n_items: int

    @classmethod
    def documents(cls, scores: Mapping[str, DocumentScores]) -> Drawn:
        """Draw documents; all models' scores are of the same ones, at least one of each."""
        first = next(iter(scores.values()))
        return cls._of(
            {label: own.nll_nats for label, own in scores.items()},
            {label: own.n_tokens for label, own in scores.items()},
            first.n_bytes,
        )

    @classmethod
    def blocks(cls, scores: Mapping[str, BlockScores]) -> Drawn:
        """Draw blocks."""
        n_tokens = {
            label: np.full(len(own.nll_nats), own.block_length - 1) for label, own in scores.items()
        }
        nll_nats = {label: own.nll_nats for label, own in scores.items()}
        return cls._of(nll_nats, n_tokens, np.zeros_like(next(iter(n_tokens.values()))))

    @classmethod
    def _of(
        cls,
        nll_nats: Mapping[str, NDArray[np.float64]],
        n_tokens: Mapping[str, NDArray[np.int64]],
        n_bytes: NDArray[np.int64],
    ) -> Drawn:
        sums = drawn_sums([*nll_nats.values(), *n_tokens.values(), n_bytes], seed=SEED)
        n = len(nll_nats)
        return cls(
            nll_nats=dict(zip(nll_nats, sums[:n], strict=True)),
            n_tokens=dict(zip(n_tokens, sums[n : 2 * n], strict=True)),
            n_bytes=sums[-1],
            n_items=len(n_bytes),
        )

    def perplexity(self, label: str) -> Interval:
        """Return exp(nats per token)."""
        return interval_of(self._perplexities(label))

    def bits_per_byte(self, label: str) -> Interval:
        """Return bits per UTF-8 byte."""
        return interval_of(_ratio(self.nll_nats[label], self.n_bytes) / math.log(2))

    def nats_per_byte_between(self, label: str, other: str) -> Interval:
        """Return nats per UTF-8 byte of ``label`` minus those of ``other``."""
        return interval_of(_ratio(self.nll_nats[label] - self.nll_nats[other], self.n_bytes))

    def perplexity_ratio(self, label: str, other: str) -> Interval:
        """Return ``label``'s perplexity divided by that of ``other``."""
        return interval_of(_ratio(self._perplexities(label), self._perplexities(other)))

    def _perplexities(self, label: str) -> Sums:
        return np.exp(np.minimum(_ratio(self.nll_nats[label], self.n_tokens[label]), _MOST_NATS))


def ends(interval: Interval) -> list[float]:
    """Return ``[low, high]`` as reports write them."""
    return [interval.low, interval.high]


def ends_of_documents(interval: Interval, n_documents: int) -> Ends:
    """Return ``(low, high)``; two None of fewer than ``MIN_DOCUMENTS``.

    >>> ends_of_documents(Interval(0.2, 0.1, 0.3), 8), ends_of_documents(Interval(2.0, 2.0, 2.0), 1)
    ((0.1, 0.3), (None, None))
    """
    return (interval.low, interval.high) if n_documents >= MIN_DOCUMENTS else (None, None)


def difference_figures(drawn: Drawn, label: str, other: str) -> dict[str, float | int | None]:
    """Return ``label`` minus ``other`` in nats per byte; below ``MIN_DOCUMENTS`` without ends.

    Without ends no promotion takes it for measured.
    """
    gap = drawn.nats_per_byte_between(label, other)
    low, high = ends_of_documents(gap, drawn.n_items)
    return {
        "nats_per_byte": gap.estimate,
        "low": low,
        "high": high,
        "n_documents": drawn.n_items,
    }


def reduction_figures(drawn: Drawn) -> dict[str, Any]:
    """Return by how much tuning lowered perplexity: R of the report, tuned against base."""
    ratio = drawn.perplexity_ratio("tuned", "base")
    return {
        "reduction": 1 - ratio.estimate,
        "low": 1 - ratio.high,
        "high": 1 - ratio.low,
        "base": drawn.perplexity("base").estimate,
        "tuned": drawn.perplexity("tuned").estimate,
        "n": drawn.n_items,
    }


def _ratio(above: Sums, below: Sums) -> Sums:
    """Return a ratio of sums; NaN or infinite for a draw without a token or byte."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(above / below, dtype=np.float64)
