import math

import numpy as np
import pytest

from astro_assets.evaluation.forgetting.figures import RingScores, forgetting_figures
from astro_assets.evaluation.perplexity.scores import DocumentScores


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
    # Two documents: a draw is one of them twice, or both.
    assert (gap["low"], gap["high"]) == (pytest.approx(1 / 10), pytest.approx(3 / 10))
    assert gap["rise_low"] == pytest.approx(math.exp(0.1) - 1)
    assert gap["rise_high"] == pytest.approx(math.exp(0.3) - 1)
    assert gap["n_documents"] == 2
    assert found["rise_far"] == gap["rise"]
    assert found["drift_nats_per_token"] == pytest.approx(4 / 40)  # tokens weigh, not texts
    assert found == forgetting_figures({"far": FAR, "self_text": OWN})


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


def test_other_tokens_are_not_compared_per_token() -> None:
    ring = RingScores("Far.", {**FAR.models, "tuned": scores([21, 33], [10, 9], [40, 40])})
    assert forgetting_figures({"far": ring})["rise_far"] is None
