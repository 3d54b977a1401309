import math

import numpy as np
import pytest

from astro_assets.evaluation.forgetting.figures import RingScores, forgetting_figures
from astro_assets.evaluation.perplexity.scores import DocumentScores
from astro_assets.registry.promotion import Forgetting
from tests.evaluation.test_statistics import slow_paired_ratio_difference


def scores(nll_nats, n_tokens, n_bytes=None) -> DocumentScores:
    n_tokens = np.asarray(n_tokens, dtype=np.int64)
    n_bytes = 4 * n_tokens if n_bytes is None else np.asarray(n_bytes)
    return DocumentScores(
        np.asarray(nll_nats, dtype=np.float64), n_tokens, n_bytes, np.ones_like(n_tokens)
    )


FAR = RingScores("Far.", {"base": scores([20, 30], [10, 10]), "tuned": scores([21, 33], [10, 10])})
OWN = RingScores("Own.", {"base": scores([10, 10], [10, 30]), "tuned": scores([12, 12], [10, 30])})


def test_figures_are_those_one_finds_by_hand() -> None:
    found = forgetting_figures({"far": FAR, "self_text": OWN})
    far = found["rings"]["far"]
    assert (far["what"], far["n_documents"], far["n_tokens"], far["n_bytes"]) == ("Far.", 2, 20, 80)
    assert far["models"]["base"]["perplexity"] == pytest.approx(math.exp(50 / 20))
    assert far["models"]["tuned"]["bits_per_byte"] == pytest.approx(54 / 80 / math.log(2))
    gap = far["tuned_minus_base"]
    assert gap["nats_per_token"] == pytest.approx(4 / 20)
    assert gap["rise"] == pytest.approx(math.exp(54 / 20) / math.exp(50 / 20) - 1)
    assert gap["n_documents"] == 2
    assert found["rise_far"] == gap["rise"]
    assert found["drift_nats_per_token"] == pytest.approx(4 / 40)  # tokens weigh, not texts
    assert found == forgetting_figures({"far": FAR, "self_text": OWN})


ENDS = ("low", "high", "rise_low", "rise_high")


@pytest.mark.parametrize("n", [1, 7, 8, 40])
def test_few_documents_have_a_rise_but_no_interval(n: int) -> None:
    drawn, n_tokens = np.random.default_rng(1), np.full(n, 10)
    models = {
        label: scores(drawn.normal(mean, 2, n), n_tokens)
        for label, mean in (("base", 20), ("tuned", 22), ("champion", 25))
    }
    found = forgetting_figures({"far": RingScores("Far.", models)})
    for label in ("tuned", "champion"):
        gap = found["rings"]["far"][f"{label}_minus_base"]
        nll, base = models[label].nll_nats, models["base"].nll_nats
        assert gap["nats_per_token"] == pytest.approx((nll - base).sum() / (10 * n))
        assert gap["rise"] == pytest.approx(math.exp(gap["nats_per_token"]) - 1)
        assert [gap[end] is None for end in ENDS] == [n < 8] * 4
        if n >= 8:
            low, high = slow_paired_ratio_difference(
                nll, base, n_tokens, seed=20_230_912, n_resamples=2_000
            )[1:]
            assert (gap["low"], gap["high"]) == pytest.approx((low, high))
            assert (gap["rise_low"], gap["rise_high"]) == pytest.approx(
                (math.exp(low) - 1, math.exp(high) - 1)
            )
    read = Forgetting.of({"forgetting": found, "models": {}})
    assert read.rise == found["rise_far"] == found["rings"]["far"]["tuned_minus_base"]["rise"]


def test_what_was_not_measured_is_null() -> None:
    assert forgetting_figures({}) == {
        "rings": {},
        "rise_far": None,
        "drift_nats_per_token": None,
    }
    alone = RingScores("Far.", {"model": FAR.models["base"]})
    found = forgetting_figures({"far": alone, "near": RingScores("Near.", {}), "self_text": OWN})
    assert list(found["rings"]) == ["far", "self_text"]
    assert found["rings"]["far"]["tuned_minus_base"] is None and found["rise_far"] is None
    assert found["drift_nats_per_token"] is not None
    empty = RingScores("Far.", {"base": scores([0], [0]), "tuned": scores([0], [0])})
    assert forgetting_figures({"far": empty})["rings"] == {}


def test_a_champion_stands_beside_base_and_tuned() -> None:
    champion = scores([25, 25], [12, 9], n_bytes=[40, 40])
    ring = RingScores("Far.", {**FAR.models, "champion": champion})
    found = forgetting_figures({"far": ring})
    assert set(found["rings"]["far"]["models"]) == {"base", "tuned", "champion"}
    assert found["rise_far"] == forgetting_figures({"far": FAR})["rise_far"]
    assert found["rings"]["far"]["champion_minus_base"] is None, "it reads other tokens"


def test_a_champion_s_own_forgetting_stands_beside_the_tuned_one_s() -> None:
    far = RingScores("Far.", {**FAR.models, "champion": scores([24, 34], [10, 10])})
    found = forgetting_figures({"far": far, "self_text": OWN})
    gap = found["rings"]["far"]["champion_minus_base"]
    assert gap["nats_per_token"] == pytest.approx(8 / 20)
    assert gap["rise"] == pytest.approx(math.exp(8 / 20) - 1)
    assert found["rings"]["self_text"]["champion_minus_base"] is None, "it was not measured there"
    alone = forgetting_figures({"far": FAR, "self_text": OWN})
    assert found["rings"]["far"]["tuned_minus_base"] == alone["rings"]["far"]["tuned_minus_base"]
    assert found["rise_far"] == alone["rise_far"]
    assert found["drift_nats_per_token"] == alone["drift_nats_per_token"]
    foreign = forgetting_figures({"far": far}, foreign=["champion"])
    assert foreign["rings"]["far"]["champion_minus_base"] is None, "that base is not its own"
    assert foreign["rings"]["far"]["models"] == found["rings"]["far"]["models"]
    without = {"champion": far.models["champion"], "tuned": far.models["tuned"]}
    ring = forgetting_figures({"far": RingScores("Far.", without)})["rings"]["far"]
    assert ring["champion_minus_base"] is ring["tuned_minus_base"] is None


def test_other_tokens_are_not_compared_per_token() -> None:
    ring = RingScores("Far.", {**FAR.models, "tuned": scores([21, 33], [10, 9], [40, 40])})
    assert forgetting_figures({"far": ring})["rise_far"] is None
