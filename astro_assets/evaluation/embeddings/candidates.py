"""Which masked abstracts a title is ranked among: those that share no word with it, and its own.

A masked abstract has lost the words of its own title and kept those of all others. Ranked among all
of them, the right one would be the only one sure to hold none of the words looked for: words alone
would find everything but it. So the others must hold none of them either, and what is found is
found by meaning. What does not belong here: masking (masking) and ranks (retrieval).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from astro_assets.evaluation.embeddings.masking import content_words

FEWEST = 10
"""A title with fewer candidates asks nothing: ten places would hold them all."""
_ROWS = 512


class Candidates:
    """Titles, and the documents each of them is ranked among."""

    def __init__(self, titles: Sequence[str], documents: Sequence[str]) -> None:
        """Index the documents by the words that titles have.

        Args:
            titles: n titles.
            documents: n texts; number i is the one that title i looks for.
        """
        self._titles = [set(content_words(title)) for title in titles]
        asked = set().union(*self._titles)
        with_word: dict[str, list[int]] = defaultdict(list)
        for row, document in enumerate(documents):
            for word in asked.intersection(content_words(document)):
                with_word[word].append(row)
        self._with_word = {word: np.array(rows) for word, rows in with_word.items()}
        self.counts = np.zeros(len(titles), dtype=np.int64)
        """(n,) documents that each title is ranked among, its own included."""
        for begin in range(0, len(titles), _ROWS):
            some = self.block(begin, min(_ROWS, len(titles) - begin))
            self.counts[begin : begin + len(some)] = some.sum(axis=1)

    @property
    def asked(self) -> NDArray[np.bool_]:
        """Return (n,) which titles have enough candidates to be asked."""
        return self.counts >= FEWEST

    def block(self, begin: int, n_rows: int) -> NDArray[np.bool_]:
        """Return (n_rows, n) which documents the titles from ``begin`` on are ranked among."""
        among = np.ones((n_rows, len(self._titles)), dtype=np.bool_)
        for row, words in zip(among, self._titles[begin : begin + n_rows], strict=True):
            for word in words & self._with_word.keys():
                row[self._with_word[word]] = False
        rows = np.arange(n_rows)
        among[rows, begin + rows] = True
        return among


def chance_mrr(counts: NDArray[np.int64]) -> float:
    """Return the mean reciprocal rank of a random order: the mean of H(n) / n over the counts.

    >>> round(chance_mrr(np.array([1, 2])), 3)
    0.875
    """
    harmonic = np.cumsum(1 / np.arange(1, int(counts.max()) + 1))
    return float((harmonic[counts - 1] / counts).mean())
