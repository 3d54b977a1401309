import math

import pytest
import torch

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.evaluation.forgetting.self_text import N_TEXTS, sample_self_text
from astro_assets.evaluation.perplexity.scores import score_documents
from astro_assets.models.sampling import sample_tokens
from astro_assets.progress import NO_PROGRESS
from tests.evaluation.planted import load, with_adapter


@pytest.fixture(scope="module")
def tokenizer(tiny_base) -> Tokenizer:
    return Tokenizer.load(tiny_base)


@pytest.fixture(scope="module")
def own(tiny_base, tokenizer):
    return sample_self_text(load(tiny_base), tokenizer)


def with_bias(model, bias: dict[int, float]):
    """The model with constants added to some pieces' logits, by an output layer with a bias."""
    old = model.get_output_embeddings()
    head = torch.nn.Linear(old.in_features, old.out_features)
    with torch.no_grad():
        head.weight.copy_(old.weight)
        head.bias.zero_()
        for piece, value in bias.items():
            head.bias[piece] = value
    model.set_output_embeddings(head)
    return model


def test_texts_are_the_bases_own_and_always_the_same(own, tiny_base, tokenizer) -> None:
    assert own == sample_self_text(load(tiny_base), tokenizer)
    assert 100 < len(own.documents) <= N_TEXTS and len(own.n_bytes) == len(own.documents)
    assert len({tuple(ids) for ids in own.documents}) == len(own.documents)
    assert max(map(len, own.documents)) == 255  # the tiny context is 256, one of it [BOS]
    for ids, n_bytes in zip(own.documents, own.n_bytes, strict=True):
        assert ids and tokenizer.eos_id not in ids and tokenizer.bos_id not in ids
        assert n_bytes == len(tokenizer.decode(ids).encode()) > 0


def test_a_text_ends_at_eos_or_at_the_bos_of_the_next(tiny_base, tokenizer) -> None:
    for end in (tokenizer.eos_id, tokenizer.bos_id):
        ended = sample_self_text(with_bias(load(tiny_base), {end: 3.0}), tokenizer)
        lengths = [len(ids) for ids in ended.documents]
        assert max(lengths) < 255 and not any(end in ids for ids in ended.documents)
        assert len(ended.documents) < N_TEXTS  # some began with their end: empty, hence dropped


def test_texts_of_special_pieces_only_are_dropped(tiny_base, tokenizer) -> None:
    silent = sample_self_text(with_bias(load(tiny_base), {0: 60.0}), tokenizer)  # <unk>
    assert silent.documents == [] and silent.n_bytes == []


def test_progress_is_told_of_every_text(tiny_base, tokenizer) -> None:
    told: list[tuple[int, int]] = []
    sample_self_text(load(tiny_base), tokenizer, advance=lambda *step: told.append(step))
    assert sum(texts for texts, _ in told) == N_TEXTS


def exact_divergence(base, tuned, bos_id: int) -> float:
    """KL(base || tuned) of the first token after [BOS], all pieces summed, in nats."""
    with torch.no_grad():
        p, q = (
            torch.log_softmax(model(torch.tensor([[bos_id]])).logits[0, 0].double(), dim=-1)
            for model in (base, tuned)
        )
    return float((p.exp() * (p - q)).sum())


def test_the_rise_on_it_estimates_the_divergence(tiny_base, tokenizer) -> None:
    """On first tokens alone the divergence is a sum over pieces; the texts must agree with it."""
    base, tuned = load(tiny_base), with_adapter(tiny_base)
    n = 4_096
    first = sample_tokens(
        base, [[1]] * n, range(n), n_new=1, temperature=1.0, eos_id=None, batch_size=n
    )
    rises = _nll(tuned, first) - _nll(base, first)
    exact = exact_divergence(base, tuned, tokenizer.bos_id)
    assert exact > 0
    assert rises.mean() == pytest.approx(exact, abs=4 * rises.std() / math.sqrt(n))


def test_another_model_finds_it_less_likely_and_the_base_does_not(own, tiny_base) -> None:
    base, tuned = _nll(load(tiny_base), own.documents), _nll(with_adapter(tiny_base), own.documents)
    n_tokens = sum(map(len, own.documents))
    assert (tuned - base).sum() / n_tokens > 0
    assert _nll(load(tiny_base), own.documents) == pytest.approx(base, rel=1e-9)


def _nll(model, documents):
    scores = score_documents(
        model, documents, [1] * len(documents), bos_id=1, max_positions=256, progress=NO_PROGRESS
    )
    return scores.nll_nats
