import tracemalloc

import numpy as np
import pytest

from astro_assets.evaluation.embeddings import pairs
from astro_assets.evaluation.embeddings.pairs import bin_pairs, pair_rows, tally_pairs, unit_rows
from astro_assets.evaluation.embeddings.tallies import N_BINS, Tally, histogram_of


def vectors(n: int, d: int = 5, *, seed: int = 0, shift: float = 0.3) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (n, d)).astype(np.float32)


def all_pairs(unit: np.ndarray) -> np.ndarray:
    """The plain way: the whole matrix in double precision, its upper triangle."""
    double = unit.astype(np.float64)
    return (double @ double.T)[np.triu_indices(len(unit), k=1)]


def cosines_of(unit: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(0), *(row.copy() for (row,) in pair_rows([unit]))])


@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 300])
def test_every_pair_comes_once_and_is_numpys(n, monkeypatch):
    monkeypatch.setattr(pairs, "_BLOCK_BYTES", 4 * n * 64)  # blocks of 64 rows
    monkeypatch.setattr(pairs, "_AT_ONCE", 1_000)
    unit = unit_rows(vectors(n, 40))
    np.testing.assert_allclose(np.sort(cosines_of(unit)), np.sort(all_pairs(unit)), atol=1e-6)


def test_wide_vectors_far_from_the_origin_are_good_to_a_millionth():
    unit = unit_rows(vectors(120, 4_096, shift=5))
    np.testing.assert_allclose(np.sort(cosines_of(unit)), np.sort(all_pairs(unit)), atol=1e-6)


def test_spaces_keep_step():
    one, two = unit_rows(vectors(300)), unit_rows(vectors(300, 9, seed=1))
    for first, second in pair_rows([one, two]):
        assert len(first) == len(second)
    assert all(np.array_equal(a, b) for a, b in pair_rows([one, one]))


def test_right_angle_same_and_opposite():
    unit = unit_rows(np.array([[1, 0], [0, 2], [-3, 0], [4, 0]], dtype=np.float32))
    assert sorted(cosines_of(unit).tolist()) == [-1, -1, 0, 0, 0, 1]


def test_extreme_lengths_have_a_direction_and_zero_has_none():
    unit = unit_rows(np.array([[3e30, 4e30], [3e-30, 4e-30], [0, 0]], dtype=np.float32))
    np.testing.assert_allclose(unit, [[0.6, 0.8], [0.6, 0.8], [0, 0]], rtol=1e-6)


def test_a_zero_vector_is_like_nothing():
    assert tally_pairs(unit_rows(np.eye(2, dtype=np.float32) * [[0], [1]])).spread().mean == 0


@pytest.mark.parametrize("shift", [0.3, 50], ids=["wide", "within a degree"])
def test_the_spread_is_numpys(shift):
    unit = unit_rows(vectors(400, 20, shift=shift))
    cosines, tally = all_pairs(unit), tally_pairs(unit)
    spread = tally.spread()
    assert spread.n_pairs == len(cosines)
    assert spread.mean == pytest.approx(cosines.mean(), abs=1e-7)
    assert spread.std == pytest.approx(cosines.std(), rel=1e-3, abs=1e-8)
    assert (tally.low, tally.high) == pytest.approx((cosines.min(), cosines.max()), abs=1e-6)
    for name, share in (("q05", 0.05), ("q25", 0.25), ("q50", 0.5), ("q95", 0.95)):
        assert spread.quantiles[name] == pytest.approx(np.quantile(cosines, share), abs=1.1e-4)


def test_the_counts_are_numpys():
    unit = unit_rows(vectors(400))
    expected, _ = np.histogram(all_pairs(unit), bins=N_BINS, range=(-1, 1))
    moved = np.abs(tally_pairs(unit).counts[0] - expected).sum()
    assert moved <= 0.002 * expected.sum(), "beyond pairs that lie on an edge"


def test_cosines_a_little_beyond_one_are_counted_at_one():
    tally = Tally(centre=0)
    tally.add(np.array([1 + 1e-6, -1 - 1e-6, 1, -1], dtype=np.float32))
    assert (tally.counts[0, 0], tally.counts[0, -1]) == (2, 2)
    assert (tally.low, tally.high) == (-1, 1)


def test_a_narrow_group_far_from_the_centre_has_its_own_spread():
    tally = Tally(centre=0.9, n_groups=2)
    values = np.array([0.1, 0.10002, 0.9], dtype=np.float32)
    tally.add(values, np.array([0, 0, 1]))
    spread = tally.spread(0)
    assert (spread.mean, spread.std) == pytest.approx((0.10001, 1e-5), rel=1e-3)
    assert tally.spread(1).std == pytest.approx(0, abs=1e-9)


def test_memory_is_bounded_however_many_pairs():
    unit = unit_rows(vectors(6_000, 4))
    tracemalloc.start()
    tally_pairs(unit)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6, "the matrix of all pairs would be 144 MB"


def test_histogram_edges_enclose_all_similarities():
    unit = unit_rows(vectors(200, shift=5))
    cosines, histogram = all_pairs(unit), histogram_of(tally_pairs(unit))
    edges, counts = np.array(histogram["edges"]), np.array(histogram["counts"])
    assert len(edges) == len(counts) + 1 <= 101
    assert np.all(np.diff(edges) > 0)
    assert counts.sum() == len(cosines)
    assert edges[0] <= cosines.min() + 1e-6
    assert cosines.max() - 1e-6 <= edges[-1] <= 1
    inside = ((cosines >= edges[3]) & (cosines < edges[4])).sum()
    assert abs(int(inside) - counts[3]) <= 2
    assert histogram_of(Tally(centre=0)) is None


def binned(crossings, **spaces):
    tallies = {name: tally_pairs(unit) for name, unit in spaces.items()}
    return bin_pairs(spaces, tallies, crossings)


def test_bins_have_equal_width_hold_all_pairs_and_are_exact():
    spaces = {"a": unit_rows(vectors(300)), "b": unit_rows(vectors(300, seed=1))}
    made = binned([("a", "b"), ("b", "a")], **spaces)
    plain = {name: all_pairs(unit) for name, unit in spaces.items()}
    for (by, of), bins in made.items():
        assert len(bins) == 10
        assert bins[0].low == pytest.approx(plain[by].min(), abs=1e-6)
        assert bins[-1].high == pytest.approx(plain[by].max(), abs=1e-6)
        np.testing.assert_allclose([b.high - b.low for b in bins], bins[0].high - bins[0].low)
        assert sum(b.spread.n_pairs for b in bins) == len(plain[by])
        for one in bins[1:9]:
            inside = plain[of][(plain[by] >= one.low) & (plain[by] < one.high)]
            assert abs(one.spread.n_pairs - len(inside)) <= 2
            assert one.spread.mean == pytest.approx(inside.mean(), abs=1e-3)
            assert one.spread.std == pytest.approx(inside.std(), abs=1e-3)
            median = np.quantile(inside, 0.5)
            assert one.spread.quantiles["q50"] == pytest.approx(median, abs=5e-3)


def test_three_papers_by_hand():
    a = unit_rows(np.array([[1, 0], [1, 1], [0, 1]], dtype=np.float32))
    b = unit_rows(np.array([[1, 0], [1, 0], [-1, 0]], dtype=np.float32))
    bins = binned([("a", "b")], a=a, b=b)["a", "b"]
    assert [one.spread.n_pairs for one in bins] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert (bins[0].low, bins[0].spread.mean) == pytest.approx((0, -1), abs=1e-7)
    assert bins[9].spread.mean == pytest.approx(0, abs=1e-7), "one pair at 1, one at -1"
    assert bins[9].spread.std == pytest.approx(1)


def test_a_model_equal_to_the_baseline_climbs_the_diagonal():
    unit = unit_rows(vectors(300))
    for one in binned([("a", "b")], a=unit, b=unit)["a", "b"]:
        assert one.low - 1e-6 <= one.spread.mean <= one.high + 1e-6


def test_a_space_that_tells_nothing_apart_has_all_pairs_in_one_bin():
    nothing = np.zeros((4, 1), dtype=np.float32)
    bins = binned([("a", "b")], a=nothing, b=unit_rows(vectors(4)))["a", "b"]
    assert [one.spread.n_pairs for one in bins] == [6] + [0] * 9
    assert bins[1].spread.figures()["q25"] is None
