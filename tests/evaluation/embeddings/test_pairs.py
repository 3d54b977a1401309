import numpy as np
import pytest

from astro_assets.evaluation.embeddings.pairs import (
    EDGES,
    by_baseline,
    pair_blocks,
    tally_pairs,
    unit_rows,
)


def vectors(n: int, d: int = 5, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.3, 1, (n, d)).astype(np.float32)


def all_pairs(unit: np.ndarray) -> np.ndarray:
    """The plain way: the whole matrix, its upper triangle."""
    return (unit @ unit.T)[np.triu_indices(len(unit), k=1)]


@pytest.mark.parametrize("n", [2, 255, 256, 257, 600])
def test_blocks_hold_every_pair_once(n):
    unit = unit_rows(vectors(n))
    found = np.concatenate([block for (block,) in pair_blocks([unit])])
    assert len(found) == n * (n - 1) // 2
    np.testing.assert_allclose(np.sort(found), np.sort(all_pairs(unit)), atol=1e-6)


def test_spaces_keep_step():
    one, two = unit_rows(vectors(300)), unit_rows(vectors(300, seed=1))
    for first, second in pair_blocks([one, two]):
        assert len(first) == len(second)
    same = [np.array_equal(a, b) for a, b in pair_blocks([one, one])]
    assert same == [True, True]


def test_right_angle_same_and_opposite():
    unit = unit_rows(np.array([[1, 0], [0, 2], [-3, 0], [4, 0]], dtype=np.float32))
    found = np.concatenate([block for (block,) in pair_blocks([unit])])
    assert sorted(found.tolist()) == [-1, -1, 0, 0, 0, 1]


def test_a_zero_vector_is_like_nothing():
    unit = unit_rows(np.array([[0, 0], [1, 1]], dtype=np.float32))
    assert tally_pairs(unit).spread().mean == 0


def test_the_spread_is_numpys():
    unit = unit_rows(vectors(400))
    pairs = all_pairs(unit).astype(np.float64)
    spread = tally_pairs(unit).spread()
    assert spread.n_pairs == len(pairs)
    assert spread.mean == pytest.approx(pairs.mean(), abs=1e-7)
    assert spread.std == pytest.approx(pairs.std(), abs=1e-6)
    for name, share in (("q05", 0.05), ("q25", 0.25), ("q50", 0.5), ("q95", 0.95)):
        assert spread.quantiles[name] == pytest.approx(np.quantile(pairs, share), abs=2e-4)


def test_the_histogram_is_numpys():
    unit = unit_rows(vectors(100))
    expected, _ = np.histogram(all_pairs(unit).astype(np.float64), bins=EDGES)
    moved = np.abs(tally_pairs(unit).counts - expected).sum()
    assert moved <= 4, "beyond pairs that lie on an edge"


def test_centring_takes_the_common_direction_off():
    shifted = vectors(300) + 50
    assert tally_pairs(unit_rows(shifted)).spread().mean > 0.99
    assert abs(tally_pairs(unit_rows(shifted, centred=True)).spread().mean) < 0.05


def test_bins_by_the_baseline_have_equal_width_and_hold_all_pairs():
    baseline, model = unit_rows(vectors(300)), unit_rows(vectors(300, seed=1))
    bins = by_baseline(baseline, {"m": model})
    reference, others = all_pairs(baseline), all_pairs(model)
    assert len(bins) == 10
    assert bins[0].low == pytest.approx(reference.min(), abs=1e-6)
    assert bins[-1].high == pytest.approx(reference.max(), abs=1e-6)
    np.testing.assert_allclose([b.high - b.low for b in bins], bins[0].high - bins[0].low)
    assert sum(b.models["m"].n_pairs for b in bins) == len(reference)
    fourth = others[(reference >= bins[3].low) & (reference < bins[3].high)]
    assert bins[3].models["m"].mean == pytest.approx(fourth.mean(), abs=1e-4)


def test_a_model_equal_to_the_baseline_climbs_the_diagonal():
    unit = unit_rows(vectors(300))
    for one in by_baseline(unit, {"m": unit}):
        assert one.low <= one.models["m"].mean <= one.high


def test_a_baseline_that_tells_nothing_apart_has_all_pairs_in_one_bin():
    nothing = np.zeros((4, 1), dtype=np.float32)
    bins = by_baseline(nothing, {"m": unit_rows(vectors(4))})
    assert [one.models["m"].n_pairs for one in bins] == [0] * 9 + [6]
    assert bins[0].models["m"].figures()["mean"] is None
