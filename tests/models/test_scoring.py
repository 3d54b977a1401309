import numpy as np
import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM

from astro_assets.errors import BadModelError
from astro_assets.models import scoring
from astro_assets.models.scoring import score_sequences, token_budget_batches
from tests.evaluation.planted import ignorant_model, load, plain_nll, with_adapter


def sequences_of(n_vocab: int) -> list[list[int]]:
    """Twelve sequences of 2 to 57 ids."""
    drawn = np.random.default_rng(0)
    return [drawn.integers(3, n_vocab, 2 + 5 * i).tolist() for i in range(12)]


@pytest.fixture(scope="module")
def model(tiny_base):
    return load(tiny_base)


def test_a_model_that_knows_nothing_gives_log_vocabulary_per_token():
    nll = score_sequences(ignorant_model(50), [[1, 2, 3], [4, 5]], [1, 1])
    np.testing.assert_allclose(nll, [2 * np.log(50), np.log(50)], rtol=1e-6)


def test_agrees_with_a_plain_loop(model):
    sequences = sequences_of(model.config.vocab_size)
    expected = [plain_nll(model, ids) for ids in sequences]
    np.testing.assert_allclose(score_sequences(model, sequences, [1] * 12), expected, rtol=1e-5)


def test_in_bfloat16_batches_change_a_text_by_a_thousandth(tiny_base, model):
    """What a GPU computes in; the CPU rounds alike."""
    sequences = sequences_of(model.config.vocab_size)
    narrow = load(tiny_base).to(torch.bfloat16)
    alone = score_sequences(narrow, sequences, [1] * 12, token_budget=1)
    together = score_sequences(narrow, sequences, [1] * 12, token_budget=10**6)
    np.testing.assert_allclose(together, alone, rtol=2e-3)
    exact = score_sequences(model, sequences, [1] * 12)
    assert np.abs(alone / exact - 1).max() > 1e-6  # it did compute in fewer digits
    np.testing.assert_allclose(alone, exact, rtol=1e-2)


def test_batching_does_not_change_the_result(model):
    sequences = sequences_of(model.config.vocab_size)
    alone = score_sequences(model, sequences, [1] * 12, token_budget=1)
    for budget in (8 * 57, 10**6):
        together = score_sequences(model, sequences, [1] * 12, token_budget=budget)
        np.testing.assert_allclose(together, alone, rtol=1e-5)


def test_in_bfloat16_batching_moves_a_document_by_a_thousandth_at_most(tiny_base):
    """What the tolerance promises, on the CPU; exact sums would make it a promise of nothing."""
    model = load(tiny_base).to(torch.bfloat16)
    sequences = [ids for ids in sequences_of(model.config.vocab_size) if len(ids) > 10]
    ones = [1] * len(sequences)
    alone = score_sequences(model, sequences, ones, token_budget=1)
    assert np.isfinite(alone).all()
    for given in (sequences, sequences[::-1]):
        for budget in (8 * 57, 10**6):
            together = score_sequences(model, given, ones, token_budget=budget)
            in_order = together if given is sequences else together[::-1]
            np.testing.assert_allclose(in_order, alone, rtol=1e-3)
    exact = score_sequences(load(tiny_base), sequences, ones)
    np.testing.assert_allclose(alone, exact, rtol=1e-2)
    assert not np.allclose(alone, exact, rtol=1e-6)


def test_logits_in_chunks_are_the_same_logits(model, monkeypatch):
    sequences = sequences_of(model.config.vocab_size)
    at_once = score_sequences(model, sequences, [1] * 12)
    monkeypatch.setattr(scoring, "_LOGITS_IN_MEMORY", 7 * model.config.vocab_size)
    np.testing.assert_allclose(score_sequences(model, sequences, [1] * 12), at_once, rtol=1e-6)


def test_only_positions_from_the_first_scored_one_count(model):
    ids = sequences_of(model.config.vocab_size)[4]
    for first in (1, 5, len(ids) - 1):
        (nll,) = score_sequences(model, [ids], [first])
        assert nll == pytest.approx(plain_nll(model, ids, first), rel=1e-5)


def test_an_adapter_counts_like_its_merged_weights(tiny_base):
    adapted = with_adapter(tiny_base)
    sequences = sequences_of(adapted.config.vocab_size)
    ours = score_sequences(adapted, sequences, [1] * 12)
    bare = score_sequences(load(tiny_base), sequences, [1] * 12)
    merged = adapted.merge_and_unload()
    np.testing.assert_allclose(ours, [plain_nll(merged, ids) for ids in sequences], rtol=1e-5)
    assert np.abs(ours - bare).max() > 0.1, "the adapter of this test does nothing"


def test_progress_hears_of_every_token(model):
    sequences, told = sequences_of(model.config.vocab_size), []
    score_sequences(model, sequences, [1] * 12, token_budget=100, advance=told.append)
    assert sum(told) == sum(map(len, sequences))


def test_nothing_to_score_is_no_error(model):
    assert score_sequences(model, [], []).shape == (0,)


def test_a_model_that_gives_nan_is_refused():
    model = ignorant_model()
    model.lm_head.weight.data[0, 0] = torch.nan
    with pytest.raises(BadModelError, match="no finite likelihood for 2 of 2"):
        score_sequences(model, [[1, 2], [3, 4]], [1, 1])


def test_a_model_that_caps_its_logits_is_refused():
    torch.manual_seed(0)
    config = Gemma2Config(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        final_logit_softcapping=0.01,
    )
    with pytest.raises(BadModelError, match="changes its logits"):
        score_sequences(Gemma2ForCausalLM(config).eval(), [[3, 4, 5]], [1])


def test_batches_hold_every_sequence_once_and_keep_the_budget():
    lengths = [7, 1, 30, 4, 4, 9, 2, 12]
    batches = token_budget_batches(lengths, 16)
    assert sorted(index for batch in batches for index in batch) == list(range(8))
    for batch in batches:
        longest = max(lengths[i] for i in batch)
        assert longest * len(batch) <= 16 or len(batch) == 1
