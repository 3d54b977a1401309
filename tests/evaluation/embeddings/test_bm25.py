import math

import numpy as np
import pytest

from astro_assets.evaluation.embeddings.bm25 import K1, B, WordRanking
from astro_assets.evaluation.embeddings.cosines import RAW
from astro_assets.evaluation.embeddings.masking import content_words
from astro_assets.evaluation.embeddings.retrieval import own_ranks

TEXTS = [
    "The galaxies of the cluster are red; red galaxies rotate.",
    "A pulsar rotates.",
    "Of red giants in the halo, and of pulsars: a survey of the survey.",
    "",
]


def plain_bm25(query, texts):
    """Robertson and Zaragoza's formula with Lucene's weights of words."""
    words = [content_words(text) for text in texts]
    mean_length = sum(map(len, words)) / len(words)
    scores = []
    for document in words:
        total = 0.0
        for word in content_words(query):
            n_with = sum(word in other for other in words)
            idf = math.log(1 + (len(words) - n_with + 0.5) / (n_with + 0.5))
            times = document.count(word)
            total += idf * times / (times + K1 * (1 - B + B * len(document) / mean_length))
        scores.append(total)
    return scores


@pytest.mark.parametrize("query", ["Red galaxy", "pulsars, PULSARS", "survey of red giants", "dog"])
def test_the_formula_says_the_same(query):
    found = WordRanking(TEXTS).scores(query)
    assert found.dtype == np.float32
    assert found == pytest.approx(plain_bm25(query, TEXTS), rel=1e-5)
    assert found.any() == (query != "dog")


def test_queries_without_words_score_nothing():
    ranking = WordRanking(TEXTS)
    assert [ranking.scores(query).tolist() for query in ("", "the of a")] == [[0] * 4] * 2


def test_documents_without_words():
    assert WordRanking(["", "the", "of a"]).scores("galaxy").tolist() == [0, 0, 0]


def test_each_text_finds_itself_whatever_the_block():
    texts = [f"word{n} galaxy survey" for n in range(300)]
    ranks = own_ranks(WordRanking(texts).blocks([f"word{n}" for n in range(300)]))[RAW]
    assert set(ranks.tolist()) == {1}
    assert set(own_ranks(WordRanking(texts).blocks(["galaxy"] * 300))[RAW].tolist()) == {300}
