from itertools import combinations

import numpy as np
import pytest

from astro_assets.evaluation.embeddings import sampled_pairs
from astro_assets.evaluation.embeddings.sampled_pairs import SampledPairs, cosines, draw_pairs


def test_few_pairs_are_all_taken():
    first, second = draw_pairs(4)
    assert list(zip(first, second, strict=True)) == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]


def test_many_pairs_are_drawn_without_repeats_the_same_each_time():
    first, second = draw_pairs(1_000)
    assert len(first) == 100_000
    assert len({*zip(first.tolist(), second.tolist(), strict=True)}) == 100_000
    assert np.all(first < second) and first.min() >= 0 and second.max() == 999
    again = draw_pairs(1_000)
    assert np.array_equal(first, again[0]) and np.array_equal(second, again[1])


@pytest.mark.parametrize("n", [7, 8, 30])
def test_all_but_one_pair_drawn_are_as_many_different_ones(n, monkeypatch):
    most = n * (n - 1) // 2 - 1
    monkeypatch.setattr(sampled_pairs, "MOST_SAMPLED", most)
    drawn = set(zip(*(rows.tolist() for rows in draw_pairs(n)), strict=True))
    assert len(drawn) == most
    assert drawn < set(combinations(range(n), 2))


def test_cosines_of_given_pairs():
    unit = np.array([[1, 0], [0.6, 0.8], [0, 1]], dtype=np.float32)
    assert cosines(unit, [0, 0, 1], [1, 2, 2]) == pytest.approx([0.6, 0, 0.8])


def test_spearman_is_scipys_and_none_where_a_space_is_flat():
    from scipy.stats import spearmanr

    draw = np.random.default_rng(0)
    spaces = {name: draw.normal(size=(30, 4)).astype(np.float32) for name in ("m", "baseline")}
    sampled = SampledPairs.of({**spaces, "flat": np.zeros((30, 1), dtype=np.float32)})
    expected = spearmanr(sampled.similarity["m"], sampled.similarity["baseline"]).statistic
    assert sampled.spearman("m") == pytest.approx(expected)
    assert sampled.spearman("flat") is None


def test_telling_pairs_are_those_whose_rank_moved_most(monkeypatch):
    monkeypatch.setattr(sampled_pairs, "N_EXAMPLES", 1)
    rows = np.arange(4)
    ranks = {"a": np.array([4.0, 1, 2, 3]), "b": np.array([1.0, 3, 2, 4])}
    sampled = SampledPairs(rows, rows, {}, ranks)
    assert sampled.telling("a", "b") == [(0, 1), (1, pytest.approx(-2 / 3))]
    assert sampled.telling("a", "a") == [(0, 0), (3, 0)]


def test_two_papers_are_one_pair_and_told_once():
    unit = np.eye(2, dtype=np.float32)
    assert SampledPairs.of({"a": unit, "b": unit}).telling("a", "b") == [(0, 0)]
