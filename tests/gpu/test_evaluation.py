"""Measuring on CUDA gives what the CPU gives, within what bfloat16 rounds."""

from pathlib import Path

import numpy as np
import pytest
import torch

from astro_assets.evaluation.embeddings.vectors import embed
from astro_assets.models.sampling import sample_tokens
from astro_assets.models.scoring import score_sequences
from tests.evaluation.planted import handles, with_adapter

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


def sequences_of(n_vocab: int) -> list[list[int]]:
    drawn = np.random.default_rng(0)
    return [drawn.integers(3, n_vocab, 2 + 5 * i).tolist() for i in range(12)]


@pytest.fixture
def both(tiny_base: Path, tmp_path: Path):
    """A base with an adapter on it: on the CPU in float32, and as it is measured here."""
    here = handles(tiny_base, tmp_path / "adapter")["tuned"].load()
    assert next(here.parameters()).device.type == "cuda"
    return with_adapter(tiny_base), here


def test_likelihoods_are_those_of_the_cpu(both) -> None:
    on_cpu, here = both
    sequences = sequences_of(on_cpu.config.vocab_size)
    expected = score_sequences(on_cpu, sequences, [1] * 12)
    for budget in (None, 1):
        found = score_sequences(here, sequences, [1] * 12, token_budget=budget)
        np.testing.assert_allclose(found, expected, rtol=1e-2)


def test_vectors_are_those_of_the_cpu(both) -> None:
    on_cpu, here = both
    documents = sequences_of(on_cpu.config.vocab_size)
    one, other = (embed(model, documents, bos_id=1) for model in (on_cpu, here))
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    assert ((one * other).sum(axis=1) / lengths).min() > 0.999


def test_a_text_is_written_alike_twice(both) -> None:
    _, here = both
    first, again = (
        sample_tokens(here, [[1]] * 8, range(8), n_new=16, temperature=1.0, eos_id=2)
        for _ in range(2)
    )
    assert first == again
