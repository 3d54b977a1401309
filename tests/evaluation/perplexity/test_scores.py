import math
from pathlib import Path

import numpy as np
import pytest

from astro_assets.corpus.blocks import Stream, TokenBlocks
from astro_assets.evaluation.perplexity.scores import (
    DocumentScores,
    score_blocks,
    score_documents,
    windows_of,
)
from astro_assets.progress import NO_PROGRESS
from tests.evaluation.planted import ignorant_model, load, plain_nll

BOS = 1


def blocks_of(folder: Path, n_tokens: int, block_length: int) -> TokenBlocks:
    """Blocks over the ids 0, 1, 2, …"""
    np.save(folder / "tokens.npy", np.arange(n_tokens, dtype=np.uint16))
    return TokenBlocks([Stream(folder / "tokens.npy", n_tokens)], block_length=block_length)


def test_figures_are_token_weighted_not_means_of_documents():
    scores = DocumentScores(
        nll_nats=np.array([2.0, 12.0]),
        n_tokens=np.array([2, 4]),
        n_bytes=np.array([4, 24]),
        n_windows=np.array([1, 2]),
    )
    figures = scores.summary()
    assert figures["nll_nats_per_token"] == 14 / 6
    assert figures["perplexity"] == math.exp(14 / 6)
    assert figures["nats_per_byte"] == 0.5
    assert figures["bits_per_byte"] == 0.5 / math.log(2)
    assert (figures["n_tokens"], figures["n_bytes"]) == (6, 28)
    assert (figures["n_documents"], figures["n_split_documents"]) == (2, 1)


def test_perplexity_of_a_model_that_knows_nothing_is_its_vocabulary():
    documents = [[5, 6, 7], list(range(2, 40)), []]
    scores = score_documents(
        ignorant_model(50),
        documents,
        [9, 99, 0],
        bos_id=BOS,
        max_positions=16,
        progress=NO_PROGRESS,
    )
    assert scores.summary()["perplexity"] == pytest.approx(50, rel=1e-6)
    assert scores.n_tokens.tolist() == [3, 38, 0]
    assert scores.n_windows.tolist() == [1, 3, 0]


def documents_of(n_vocab: int) -> list[list[int]]:
    """Ten documents of 1 to 46 ids."""
    drawn = np.random.default_rng(1)
    return [drawn.integers(3, n_vocab, 1 + 5 * i).tolist() for i in range(10)]


@pytest.mark.parametrize("token_budget", [1, 100, 10**6])
def test_neither_batch_size_nor_order_changes_a_document(tiny_base, token_budget):
    model = load(tiny_base)
    documents = documents_of(model.config.vocab_size)
    asked = {"bos_id": BOS, "max_positions": 256, "progress": NO_PROGRESS}
    here = score_documents(model, documents, [1] * 10, **asked)
    turned = score_documents(model, documents[::-1], [1] * 10, token_budget=token_budget, **asked)
    np.testing.assert_allclose(turned.nll_nats[::-1], here.nll_nats, rtol=1e-6)
    assert turned.n_tokens[::-1].tolist() == here.n_tokens.tolist()


def test_scores_are_taken_by_number_or_mask_and_joined_again():
    whole = DocumentScores(
        np.array([1.0, 2.0, 3.0]), np.array([1, 2, 3]), np.array([4, 5, 6]), np.array([1, 1, 2])
    )
    last = whole.take([2, 2])
    assert (last.nll_nats.tolist(), last.n_windows.tolist()) == ([3.0, 3.0], [2, 2])
    first = whole.take(np.array([True, True, False]))
    assert first.n_bytes.tolist() == [4, 5]
    assert len(whole.take([]).nll_nats) == 0
    assert DocumentScores.joined([first, whole.take([2])]).summary() == whole.summary()


def test_a_model_that_is_sure_and_wrong_has_a_number_still():
    lost = DocumentScores(np.array([9_000.0]), np.array([3]), np.array([9]), np.array([1]))
    assert lost.summary()["perplexity"] == math.exp(700)


def test_every_document_begins_afresh_and_only_its_text_counts(tiny_base):
    model = load(tiny_base)
    documents = [[30, 40, 50, 60], [70, 80]]
    scores = score_documents(
        model, documents, [4, 2], bos_id=BOS, max_positions=256, progress=NO_PROGRESS
    )
    expected = [plain_nll(model, [BOS, *document]) for document in documents]
    np.testing.assert_allclose(scores.nll_nats, expected, rtol=1e-5)


def test_a_long_document_is_read_in_windows_that_lose_no_token():
    document = list(range(10, 30))
    windows = windows_of(document, bos_id=BOS, max_positions=8)
    assert [len(window) for window in windows] == [8, 8, 7]
    assert all(window[0] == BOS for window in windows)
    assert [i for window in windows for i in window[1:]] == document


def test_blocks_are_scored_from_position_one_on(tiny_base, tmp_path):
    model, blocks = load(tiny_base), blocks_of(tmp_path, 100, 32)
    scores = score_blocks(model, blocks, max_tokens=10**6, progress=NO_PROGRESS)
    expected = [plain_nll(model, list(range(b * 32, b * 32 + 32))) for b in range(3)]
    np.testing.assert_allclose(scores.nll_nats, expected, rtol=1e-5)
    assert scores.summary()["n_tokens"] == 3 * 31
    assert scores.summary()["nll_nats_per_token"] == pytest.approx(sum(expected) / 93, rel=1e-5)


def test_a_bound_on_tokens_takes_blocks_from_all_over(tiny_base, tmp_path):
    model, blocks = load(tiny_base), blocks_of(tmp_path, 320, 32)
    scores = score_blocks(model, blocks, max_tokens=2 * 32, progress=NO_PROGRESS)
    expected = [plain_nll(model, blocks[i].tolist()) for i in (0, 5)]
    np.testing.assert_allclose(scores.nll_nats, expected, rtol=1e-5)


def test_less_than_a_block_is_no_score(tmp_path):
    blocks = blocks_of(tmp_path, 15, 16)
    assert score_blocks(ignorant_model(), blocks, max_tokens=99, progress=NO_PROGRESS) is None
