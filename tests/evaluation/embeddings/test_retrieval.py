import numpy as np
import pytest

from astro_assets.evaluation.embeddings.retrieval import rank_own, retrieval_of


def test_ranks_by_hand():
    abstracts = np.eye(3, dtype=np.float32)
    titles = np.array([[1, 0, 0], [0.9, 0.5, 0], [0.9, 0.8, 0.1]], dtype=np.float32)
    assert rank_own(titles, abstracts).tolist() == [1, 2, 3]
    found = retrieval_of(titles, abstracts)
    assert found.recall_at_1 == pytest.approx(1 / 3)
    assert found.recall_at_10 == 1
    assert found.mrr == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)


def test_a_space_that_tells_nothing_apart_finds_nothing():
    same = np.ones((20, 4), dtype=np.float32)
    assert rank_own(same, same).tolist() == [20] * 20
    assert retrieval_of(same, same).recall_at_10 == 0


def test_more_titles_than_a_block():
    abstracts = np.random.default_rng(0).normal(size=(600, 64)).astype(np.float32)
    assert set(rank_own(abstracts, abstracts).tolist()) == {1}
    assert retrieval_of(abstracts[::-1], abstracts).recall_at_1 == 0
