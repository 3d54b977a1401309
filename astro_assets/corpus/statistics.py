"""The corpus in figures, as the paper gives them: papers, tokens, tokens per abstract.

Tokens are text tokens: [BOS] and [EOS], two more per paper, are not counted. Everything is made of
what lies beside the tokens (offsets, categories), so no text is read again for it.

What does not belong here: the paper's own figures (published.py), and how figures are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astro_assets.corpus.categories import SUBFIELDS, carries, comes_first


@dataclass(frozen=True)
class Documents:
    """What one token stream knows of its papers."""

    month: str
    """Submission month, ``YYYY-MM``."""
    side: str
    n_tokens: NDArray[np.int64]
    """Text tokens per paper, shape (papers,)."""
    categories: NDArray[np.uint16]
    """Per paper, packed; shape (papers,)."""


def corpus_statistics(streams: Sequence[Documents]) -> dict[str, Any]:
    """Return the figures of all streams together, as plain JSON values.

    Returns:
        ``all``, ``train``, ``test``: one summary each; ``by_year``: year of submission -> summary;
        ``by_subfield``: name -> summary of the papers that carry it at any place (so a paper may
        be in several), where ``papers_first`` are those whose first category it is. Years and
        subfields without a paper are left out.
    """
    n_tokens = np.concatenate([np.empty(0, np.int64), *(s.n_tokens for s in streams)])
    packed = np.concatenate([np.empty(0, np.uint16), *(s.categories for s in streams)])
    sizes = [len(stream.n_tokens) for stream in streams]
    year = np.repeat([int(stream.month[:4]) for stream in streams], sizes)
    is_test = np.repeat([stream.side == "test" for stream in streams], sizes).astype(np.bool_)
    is_first = comes_first(packed)

    def summary(chosen: NDArray[np.bool_], first: NDArray[np.bool_]) -> dict[str, Any]:
        return _summary(n_tokens[chosen], int(np.count_nonzero(chosen & first)))

    found = {
        "all": summary(np.ones_like(is_test), is_first),
        "train": summary(~is_test, is_first),
        "test": summary(is_test, is_first),
        "by_year": {str(y): summary(year == y, is_first) for y in np.unique(year)},
        "by_subfield": {
            name: summary(carries(packed, number), comes_first(packed, number))
            for number, name in enumerate(SUBFIELDS)
        },
    }
    found["by_subfield"] = {n: s for n, s in found["by_subfield"].items() if s["papers"]}
    return found


def _summary(n_tokens: NDArray[np.int64], papers_first: int) -> dict[str, Any]:
    papers, tokens = len(n_tokens), int(n_tokens.sum())
    return {
        "papers": papers,
        "papers_first": papers_first,
        "tokens": tokens,
        "mean_tokens": tokens / papers if papers else None,
        "median_tokens": float(np.median(n_tokens)) if papers else None,
    }
