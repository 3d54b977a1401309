"""Ranking by words alone, BM25: what every space of vectors has to beat.

Robertson and Zaragoza 2009, in the form of Lucene: k1 = 1.5, b = 0.75, by the library bm25s
(arXiv:2407.03618). Words are folded and stop words left out (masking), so that the words masked
are the very words ranked by. What does not belong here: spaces of vectors (cosines).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from astro_assets.evaluation.embeddings.cosines import RAW, Block
from astro_assets.evaluation.embeddings.masking import content_words

K1, B = 1.5, 0.75
_ROWS = 256


class WordRanking:
    """Documents indexed by their words."""

    def __init__(self, documents: Sequence[str]) -> None:
        """Index the documents; texts without a word are allowed, also where all are so."""
        import bm25s

        words = [content_words(text) for text in documents]
        self._n_documents = len(words)
        self._index = bm25s.BM25(k1=K1, b=B, method="lucene") if any(words) else None
        if self._index is not None:
            self._index.index(words, show_progress=False)

    def scores(self, query: str) -> NDArray[np.float32]:
        """Return (n_documents,) scores, greater is nearer; 0 where no word is shared."""
        known = self._index.vocab_dict if self._index is not None else {}
        words = [word for word in content_words(query) if word in known]
        if self._index is None or not words:
            return np.zeros(self._n_documents, dtype=np.float32)
        scores: NDArray[np.float32] = self._index.get_scores(words)
        return scores

    def blocks(self, queries: Sequence[str]) -> Iterator[Block]:
        """Yield the scores of all queries, under the view ``raw``: words know no mean."""
        for begin in range(0, len(queries), _ROWS):
            scores = [self.scores(query) for query in queries[begin : begin + _ROWS]]
            yield Block(begin, {RAW: np.stack(scores)})
