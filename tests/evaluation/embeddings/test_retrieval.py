import numpy as np
import pytest

from astro_assets.evaluation.embeddings.cosines import CENTRED, RAW, cosine_blocks, mean_of
from astro_assets.evaluation.embeddings.retrieval import named_ranks, own_ranks, retrieval_of


def plain_cosines(queries, documents, mean):
    a, b = queries.astype(np.float64) - mean, documents.astype(np.float64) - mean
    lengths = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
    return a @ b.T / lengths


def test_both_views_equal_numpys_cosines():
    """Vectors as a causal model has them: one direction shared, little beside it."""
    random, d = np.random.default_rng(0), 96
    shared = 30 * random.normal(size=d)
    queries = (shared + random.normal(size=(300, d))).astype(np.float32)
    documents = (shared + random.normal(size=(700, d))).astype(np.float32)
    mean = mean_of((shared + random.normal(size=(50, d))).astype(np.float32))
    blocks = list(cosine_blocks(queries, documents, mean))
    for view, off in ((RAW, np.zeros(d)), (CENTRED, mean)):
        found = np.concatenate([block.views[view] for block in blocks])
        assert np.abs(found - plain_cosines(queries, documents, off)).max() < 1e-6
    (alone,) = cosine_blocks(queries[:5], documents)
    assert alone.views.keys() == {RAW}
    assert np.abs(alone.views[RAW] - plain_cosines(queries[:5], documents, 0)).max() < 1e-6


def test_rows_without_length_are_near_to_nothing():
    rows = np.array([[0, 0], [3, 4]], dtype=np.float32)
    (block,) = cosine_blocks(rows, rows, np.array([1.0, 1.0]))
    for nearness in block.views.values():
        assert nearness[0].tolist() == [0, 0]
        assert nearness[1] == pytest.approx([0, 1])


def test_own_ranks_by_hand():
    abstracts = np.eye(3, dtype=np.float32)
    titles = np.array([[1, 0, 0], [0.9, 0.5, 0], [0.9, 0.8, 0.1]], dtype=np.float32)
    ranks = own_ranks(cosine_blocks(titles, abstracts))[RAW]
    assert ranks.tolist() == [1, 2, 3]
    found = retrieval_of(ranks)
    assert (found.recall_at_1, found.recall_at_10) == (pytest.approx(1 / 3), 1)
    assert found.mrr == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert found.n == 3
    assert found.interval is None


def test_below_eight_queries_there_is_no_interval():
    ranks = np.arange(1, 9)
    low, high = retrieval_of(ranks).interval
    assert low < retrieval_of(ranks).mrr < high
    assert retrieval_of(ranks[:7]).interval is None
    few = retrieval_of(ranks, n_queries=7)
    assert few.interval is None and few.mrr == retrieval_of(ranks).mrr, "pairs of seven queries"


def test_known_neighbours_are_all_found_whatever_the_block():
    abstracts = np.random.default_rng(0).normal(size=(600, 64)).astype(np.float32)
    found = retrieval_of(own_ranks(cosine_blocks(2 * abstracts, abstracts))[RAW])
    assert (found.recall_at_1, found.recall_at_10, found.mrr) == (1, 1, 1)
    assert found.interval == (1, 1)
    backwards = own_ranks(cosine_blocks(abstracts[::-1], abstracts))[RAW]
    assert retrieval_of(backwards).recall_at_1 == 0


def test_one_point_finds_nothing_in_either_view():
    same = np.full((300, 7), 0.3, dtype=np.float32)
    views = own_ranks(cosine_blocks(same, same, mean_of(same)))
    assert {view: set(ranks.tolist()) for view, ranks in views.items()} == {
        RAW: {300},
        CENTRED: {300},
    }


def test_a_shared_direction_hides_what_centring_finds():
    """Cosines of all rows with all are 1 to 1e-7, which is a tie; without the mean they differ."""
    random = np.random.default_rng(1)
    common = np.zeros(32)
    common[0] = 30_000
    own = random.normal(size=(100, 32))
    rows = (common + own).astype(np.float32)
    views = own_ranks(cosine_blocks(rows, rows, common))
    assert set(views[CENTRED].tolist()) == {1}
    assert set(views[RAW].tolist()) == {100}


def test_named_ranks_by_hand():
    """Query 0 names 2 and 3; 1 lies nearer than both, and the two do not count against each."""
    documents = np.array([[1, 0], [1, 0.1], [1, 0.2], [1, 0.3], [0, 1]], dtype=np.float32)
    ranks = named_ranks(
        cosine_blocks(documents[[0, 4]], documents), rows=[0, 4], named=[[2, 3], [3]]
    )
    assert ranks[RAW].tolist() == [2, 2, 1]
