import math
from pathlib import Path

import numpy as np
import pytest
import torch

from astro_assets.errors import EmptyCorpusError, TrainingError
from astro_assets.models.loading import load_model
from astro_assets.progress import NO_PROGRESS, LineProgress
from astro_assets.training.loop import fit
from astro_assets.training.optimisation import Optimisation
from astro_assets.training.surroundings import Surroundings
from tests.training.builders import an_optimisation, some_ids

CPU = torch.device("cpu")


def train(folder: Path, blocks: np.ndarray, optimisation: Optimisation, **more):
    model = load_model(folder, device=CPU)
    more.setdefault("progress", NO_PROGRESS)
    return model, fit(model, blocks, optimisation, name="test", **more)


def test_schedule_is_the_one_written_down(tiny_base: Path) -> None:
    """10 steps, 2 of warm-up from 0 to 0.01, then a cosine that ends at 0.001 after step 10."""
    optimisation = an_optimisation()
    _, trained = train(tiny_base, some_ids(4), optimisation)
    rates = [point.learning_rate for point in trained.curve]
    assert rates[:3] == pytest.approx([0.0, 0.005, 0.01])
    assert rates[6] == pytest.approx((0.01 + 0.001) / 2)  # half way: step 7 of 3 … 11
    assert rates == pytest.approx([optimisation.learning_rate_at(s) for s in range(1, 11)])


def test_first_loss_is_the_models_own_nll_per_token(tiny_base: Path) -> None:
    blocks = some_ids(4)
    model = load_model(tiny_base, device=CPU)
    with torch.no_grad():
        logits = model(input_ids=torch.from_numpy(blocks)).logits.double().log_softmax(-1)
    n, length = blocks.shape
    by_hand = -np.mean(
        [logits[b, t, blocks[b, t + 1]].item() for b in range(n) for t in range(length - 1)]
    )
    _, trained = train(tiny_base, blocks, an_optimisation(n_steps=2))
    assert trained.curve[0].nll_nats_per_token == pytest.approx(by_hand, rel=1e-5)


def test_micro_batches_make_the_same_step(tiny_base: Path) -> None:
    blocks = some_ids(16)
    whole, one = train(tiny_base, blocks, an_optimisation(n_steps=4, micro_batch=4))
    split, four = train(tiny_base, blocks, an_optimisation(n_steps=4, micro_batch=1))
    assert [p.nll_nats_per_token for p in one.curve] == pytest.approx(
        [p.nll_nats_per_token for p in four.curve], rel=1e-5
    )
    for (name, a), (_, b) in zip(whole.named_parameters(), split.named_parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5, msg=name)


def test_one_block_is_learned_by_heart(tiny_base: Path) -> None:
    _, trained = train(tiny_base, some_ids(1), an_optimisation(n_steps=60, learning_rate=2e-2))
    assert trained.curve[0].nll_nats_per_token > 5
    assert trained.curve[-1].nll_nats_per_token < 0.1


def test_tokens_are_counted_and_told(tiny_base: Path) -> None:
    lines: list[str] = []
    figures: list[tuple[int, dict[str, float]]] = []
    _, trained = train(
        tiny_base,
        some_ids(6),
        an_optimisation(n_steps=3),
        progress=LineProgress(lines.append),
        around=Surroundings(on_metrics=lambda step, values: figures.append((step, values))),
    )
    n_tokens = 3 * 4 * 32
    assert trained.n_tokens == trained.curve[-1].n_tokens == n_tokens
    assert lines[-1].startswith(f"test: {n_tokens} of {n_tokens} tokens")
    assert [step for step, _ in figures] == [1, 2, 3]
    assert set(figures[0][1]) == {
        "n_tokens",
        "nll_nats_per_token",
        "smoothed_nll_nats_per_token",
        "learning_rate",
        "gradient_norm",
    }
    assert trained.peak_memory_bytes > 1e6


def test_smoothing_looks_back_over_a_twentieth(tiny_base: Path) -> None:
    _, trained = train(tiny_base, some_ids(4), an_optimisation(n_steps=40))
    raw = [point.nll_nats_per_token for point in trained.curve]
    assert trained.curve[9].smoothed_nll_nats_per_token == pytest.approx((raw[8] + raw[9]) / 2)
    assert trained.first_perplexity == pytest.approx(math.exp((raw[0] + raw[1]) / 2))
    assert trained.last_perplexity == pytest.approx(math.exp((raw[38] + raw[39]) / 2))


def test_a_lost_loss_is_an_error(tiny_base: Path) -> None:
    model = load_model(tiny_base, device=CPU)
    with torch.no_grad():
        model.get_input_embeddings().weight.fill_(math.nan)
    with pytest.raises(TrainingError, match="loss became nan at step 1"):
        fit(model, some_ids(4), an_optimisation(), name="test", progress=NO_PROGRESS)


def test_a_diverging_loss_is_an_error(tiny_base: Path) -> None:
    """It is finite all the time; a rate of 3 throws the weights away after the warm-up."""
    optimisation = an_optimisation(n_steps=60, learning_rate=3.0)
    with pytest.raises(TrainingError, match=r"diverges: .* above the best it has been") as told:
        train(tiny_base, some_ids(4), optimisation)
    assert "learning_rate" in told.value.do


def test_no_blocks(tiny_base: Path) -> None:
    with pytest.raises(EmptyCorpusError, match="no block"):
        train(tiny_base, np.empty((0, 32), dtype=np.int64), an_optimisation())


def test_nothing_is_left_lying_around(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    train(tiny_base, some_ids(4), an_optimisation(n_steps=2))
    assert list(tmp_path.iterdir()) == []
