import itertools
import math

import numpy as np
import pytest

from astro_assets.evaluation.statistics import (
    chance_of_at_least,
    drawn_sums,
    interval_of,
    paired_ratio_difference,
    paired_share_difference,
    wilson_interval,
)


def answers(n_both: int, n_only_a: int, n_only_b: int, n_neither: int):
    a = [True] * (n_both + n_only_a) + [False] * (n_only_b + n_neither)
    b = [True] * n_both + [False] * n_only_a + [True] * n_only_b + [False] * n_neither
    return np.array(a), np.array(b)


def test_a_constant_difference_has_no_width():
    tuned, base = np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0])
    found = paired_ratio_difference(tuned, base, np.ones(3), seed=0)
    assert (found.estimate, found.low, found.high) == (-1.0, -1.0, -1.0)


def test_the_ratio_weighs_long_documents_more():
    found = paired_ratio_difference(
        np.array([1.0, 0.0]), np.array([0.0, 0.0]), np.array([1, 9]), seed=0
    )
    assert found.estimate == 0.1


def test_the_bootstrap_has_the_width_of_the_normal_approximation():
    draw = np.random.default_rng(5)
    difference = draw.normal(0.5, 2.0, 400)
    found = paired_ratio_difference(difference, np.zeros(400), np.ones(400), seed=1)
    expected = 2 * 1.96 * difference.std() / math.sqrt(400)
    assert found.high - found.low == pytest.approx(expected, rel=0.08)


def test_equal_seeds_give_equal_intervals_and_unequal_ones_do_not():
    draw = np.random.default_rng(5).normal(size=50)
    first, again, other = (
        paired_ratio_difference(draw, np.zeros(50), np.ones(50), seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def slow_paired_ratio_difference(minuend, subtrahend, weights, *, seed, n_resamples):
    """The same estimate and interval, one draw at a time."""
    generator, ratios = np.random.default_rng(seed), []
    for _ in range(n_resamples):
        drawn = generator.integers(0, len(weights), len(weights))
        gap = sum(float(minuend[i]) - float(subtrahend[i]) for i in drawn)
        ratios.append(gap / sum(float(weights[i]) for i in drawn))
    gap = float((minuend - subtrahend).sum())
    return gap / float(weights.sum()), *np.quantile(ratios, [0.025, 0.975])


@pytest.mark.parametrize("n", [1, 2, 37, 700])
def test_the_bootstrap_is_that_of_a_plain_loop(n):
    draw = np.random.default_rng(n)
    tuned, base, n_bytes = draw.normal(9, 2, n), draw.normal(10, 2, n), draw.integers(1, 90, n)
    found = paired_ratio_difference(tuned, base, n_bytes, seed=3, n_resamples=150)
    expected = slow_paired_ratio_difference(tuned, base, n_bytes, seed=3, n_resamples=150)
    assert (found.estimate, found.low, found.high) == pytest.approx(expected, rel=1e-12)


def test_the_same_draws_are_taken_whatever_is_summed():
    draw = np.random.default_rng(0)
    first, second = draw.normal(size=90), draw.normal(size=90)
    together = drawn_sums([first, second, np.ones(90)], seed=5)
    assert together.shape == (3, 2_001)
    assert (together[2] == 90).all()
    np.testing.assert_array_equal(together[1], drawn_sums([second], seed=5)[0])
    assert together[0, 0] == pytest.approx(first.sum(), rel=1e-12)
    assert len(set(together[0].tolist())) > 1_900


def test_a_draw_without_weight_is_left_out():
    found = interval_of(np.array([5.0, 1.0, 2.0, 3.0, np.nan, np.inf]))
    assert found.estimate == 5.0
    assert (found.low, found.high) == pytest.approx((1.05, 2.95))
    half_empty = paired_ratio_difference(np.array([2, 0]), np.zeros(2), np.array([1, 0]), seed=0)
    assert (half_empty.estimate, half_empty.low, half_empty.high) == (2.0, 2.0, 2.0)


def test_wilson_at_the_ends():
    for n in (1, 10, 150, 367):
        assert wilson_interval(0, n)[0] == 0 < wilson_interval(0, n)[1]
        assert wilson_interval(n, n)[1] == 1 > wilson_interval(n, n)[0]


def test_swapping_the_two_turns_the_interval_round():
    a, b = answers(20, 8, 3, 9)
    forth, back = paired_share_difference(a, b), paired_share_difference(b, a)
    assert forth.estimate == pytest.approx(5 / 40)
    assert (forth.low, forth.high) == pytest.approx((-back.high, -back.low))


def test_full_agreement_still_leaves_doubt():
    a, b = answers(30, 0, 0, 30)
    found = paired_share_difference(a, b)
    assert found.estimate == 0
    assert found.low < 0 < found.high


def test_the_interval_holds_the_truth_in_about_95_of_100_cases():
    """Every outcome of 20 pairs, weighted by its probability: no drawing involved."""
    p_both, p_only_a, p_only_b = 0.4, 0.25, 0.1
    n, covered = 20, 0.0
    for both, only_a, only_b in itertools.product(range(n + 1), repeat=3):
        neither = n - both - only_a - only_b
        if neither < 0:
            continue
        found = paired_share_difference(*answers(both, only_a, only_b, neither))
        ways = math.factorial(n) / math.prod(
            math.factorial(k) for k in (both, only_a, only_b, neither)
        )
        p = ways * p_both**both * p_only_a**only_a * p_only_b**only_b * 0.25**neither
        covered += p * (found.low <= p_only_a - p_only_b <= found.high)
    assert 0.93 < covered < 0.98


@pytest.mark.parametrize(("n_right", "expected"), [(0, 1.0), (1, 0.4375), (2, 0.0625)])
def test_chance_of_guessing(n_right, expected):
    assert chance_of_at_least(n_right, 2, 0.25) == pytest.approx(expected)
