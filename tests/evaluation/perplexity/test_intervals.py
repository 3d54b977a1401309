import math

import numpy as np
import pytest

from astro_assets.evaluation.perplexity.intervals import (
    MIN_DOCUMENTS,
    SEED,
    Drawn,
    difference_figures,
    ends,
    ends_of_documents,
    reduction_figures,
)
from astro_assets.evaluation.perplexity.scores import BlockScores, DocumentScores
from astro_assets.registry.promotion import Interval
from tests.evaluation.test_statistics import slow_paired_ratio_difference

N = 60


def scores_of(seed: int, mean_nats: float) -> DocumentScores:
    drawn = np.random.default_rng(seed)
    n_tokens = np.random.default_rng(0).integers(20, 90, N)
    nll_nats = n_tokens * drawn.normal(mean_nats, 0.3, N)
    return DocumentScores(nll_nats, n_tokens, 4 * n_tokens, np.ones(N, dtype=np.int64))


BASE, TUNED = scores_of(1, 3.0), scores_of(2, 2.5)
BOTH = Drawn.documents({"base": BASE, "tuned": TUNED})


def test_differences_are_those_of_a_plain_loop():
    found = BOTH.nats_per_byte_between("tuned", "base")
    expected = slow_paired_ratio_difference(
        TUNED.nll_nats, BASE.nll_nats, BASE.n_bytes, seed=SEED, n_resamples=2_000
    )
    assert (found.estimate, *ends(found)) == pytest.approx(expected, rel=1e-11)


def test_perplexity_and_its_ratio_are_those_of_a_plain_loop():
    generator, perplexities, ratios = np.random.default_rng(SEED), [], []
    for _ in range(2_000):
        drawn = generator.integers(0, N, N)
        base, tuned = (
            math.exp(own.nll_nats[drawn].sum() / own.n_tokens[drawn].sum()) for own in (BASE, TUNED)
        )
        perplexities.append(tuned)
        ratios.append(tuned / base)
    found = BOTH.perplexity("tuned")
    assert found.estimate == pytest.approx(TUNED.summary()["perplexity"], rel=1e-12)
    assert ends(found) == pytest.approx(np.quantile(perplexities, [0.025, 0.975]), rel=1e-10)
    low, high = np.quantile(ratios, [0.025, 0.975])
    reduction = reduction_figures(BOTH)
    assert (reduction["low"], reduction["high"]) == pytest.approx((1 - high, 1 - low), rel=1e-9)
    assert reduction["reduction"] == pytest.approx(
        1 - TUNED.summary()["perplexity"] / BASE.summary()["perplexity"], rel=1e-12
    )
    assert reduction["n"] == N


def test_bits_per_byte_do_not_know_the_tokens():
    twice = DocumentScores(BASE.nll_nats, 2 * BASE.n_tokens, BASE.n_bytes, BASE.n_windows)
    drawn = Drawn.documents({"one": BASE, "other": twice})
    assert drawn.bits_per_byte("one") == drawn.bits_per_byte("other")
    assert drawn.bits_per_byte("one").estimate == pytest.approx(BASE.summary()["bits_per_byte"])
    assert drawn.perplexity("one").estimate > drawn.perplexity("other").estimate


def test_pairing_is_narrower_than_two_models_by_themselves():
    close = DocumentScores(0.9 * BASE.nll_nats, BASE.n_tokens, BASE.n_bytes, BASE.n_windows)
    drawn = Drawn.documents({"base": BASE, "tuned": close})
    gap, alone = drawn.nats_per_byte_between("tuned", "base"), drawn.bits_per_byte("base")
    assert gap.high < 0
    assert gap.high - gap.low < 0.2 * (alone.high - alone.low) * math.log(2)


def test_blocks_are_drawn_as_blocks():
    nll_nats = np.array([300.0, 310.0, 290.0])
    drawn = Drawn.blocks({"base": BlockScores(nll_nats, 101)})
    found = drawn.perplexity("base")
    assert found.estimate == pytest.approx(math.exp(3.0), rel=1e-12)
    # 27 draws of three blocks: 1 in 27 is the lowest or the highest block thrice
    assert ends(found) == pytest.approx([math.exp(2.9), math.exp(3.1)], rel=1e-12)
    assert drawn.n_items == 3


def test_a_model_beyond_all_bounds_is_no_infinity():
    lost = DocumentScores(np.full(3, 1e6), np.ones(3), np.ones(3), np.ones(3))
    assert Drawn.documents({"base": lost}).perplexity("base").high == pytest.approx(math.exp(700))


@pytest.mark.parametrize("n", [1, 7, 8, 60])
def test_too_few_documents_give_no_interval_and_promote_nothing(n):
    drawn = Drawn.documents({"base": BASE.take(range(n)), "tuned": TUNED.take(range(n))})
    found = difference_figures(drawn, "tuned", "base")
    assert found["nats_per_byte"] < 0 and found["n_documents"] == n
    assert (found["low"] is None) == (found["high"] is None) == (n < MIN_DOCUMENTS)
    assert Interval.of(found, "nats_per_byte").is_whole == (n >= 8)
    low, high = ends_of_documents(drawn.perplexity("base"), n)
    assert (low is None) == (high is None) == (n < 8)
