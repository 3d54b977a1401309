"""A faster encoder is used where it gives the same ids, and found out where it does not."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from astro_assets.corpus import accelerator
from astro_assets.corpus.accelerator import PROBES, Compared, choose_encoder
from astro_assets.corpus.tokenizer import Encoded, Tokenizer
from astro_assets.errors import BadModelError
from astro_assets.training.scratch_tokenizer import train_tokenizer

TEXTS = [f"Star {n} of the survey, $m_{{\\rm V}} = {n / 7:.3f}$." for n in range(3_000)]


class Other:
    """An encoder that is right but for the texts it is told to get wrong; counts what it saw."""

    def __init__(self, tokenizer: Tokenizer, wrong: set[str] = frozenset()) -> None:
        self._tokenizer, self._wrong = tokenizer, wrong
        self.n_texts = 0

    def __call__(self, texts: Sequence[str]) -> Encoded:
        self.n_texts += len(texts)
        encoded = self._tokenizer.encode_flat(texts)
        ends = np.cumsum(encoded.lengths)
        for number, text in enumerate(texts):
            if text in self._wrong:
                encoded.ids[ends[number] - 1] += 1
        return encoded


@pytest.fixture
def tokenizer(tiny_base: Path) -> Tokenizer:
    return Tokenizer.load(tiny_base)


def installed(monkeypatch: pytest.MonkeyPatch, encode: Other | None) -> None:
    monkeypatch.setattr(accelerator, "gigatoken_encode", lambda _tokenizer: encode)


def test_where_it_is_not_installed_the_tokenizer_encodes(tokenizer, monkeypatch) -> None:
    monkeypatch.setattr(accelerator, "find_spec", lambda name: None)
    encoder = choose_encoder(tokenizer)
    assert encoder.name == "tokenizers"
    assert encoder.encode(["a b"]).ids.tolist() == tokenizer.encode_batch(["a b"])[0]


def test_where_it_differs_on_a_hard_text_it_is_not_used(tokenizer, monkeypatch) -> None:
    installed(monkeypatch, Other(tokenizer, {PROBES[4]}))
    encoder = choose_encoder(tokenizer)
    assert encoder.name == "tokenizers (gigatoken gives other ids)"
    assert encoder.encode(["a b"]).ids.tolist() == tokenizer.encode_batch(["a b"])[0]


def test_where_it_agrees_it_is_used(tokenizer, monkeypatch) -> None:
    fast = Other(tokenizer)
    installed(monkeypatch, fast)
    encoder = choose_encoder(tokenizer)
    assert encoder.name == "gigatoken"
    encoded = encoder.encode(TEXTS[:20])
    assert fast.n_texts == len(PROBES) + 20
    assert encoded.ids.tolist() == tokenizer.encode_flat(TEXTS[:20]).ids.tolist()
    assert encoder.encode([]).ids.tolist() == []


@pytest.mark.parametrize("wrong", [0, 999, 1_000, 1_050, 2_950])
@pytest.mark.parametrize("batch", [1, 100, 3_000])
def test_other_ids_in_the_sample_stop_everything(tokenizer, wrong: int, batch: int) -> None:
    encode = Compared(Other(tokenizer, {TEXTS[wrong]}), tokenizer.encode_flat)
    with pytest.raises(BadModelError, match=f"Star {wrong} of") as refused:
        for start in range(0, len(TEXTS), batch):
            encode(TEXTS[start : start + batch])
    assert "tokens/" in refused.value.do


def test_after_the_first_thousand_one_of_fifty_is_compared(tokenizer) -> None:
    sure = Other(tokenizer)
    encode = Compared(Other(tokenizer), sure)
    for start in range(0, 3_000, 30):
        encode(TEXTS[start : start + 30])
    assert sure.n_texts == 1_000 + 2_000 // 50


def test_a_length_that_differs_is_found_too(tokenizer) -> None:
    def shorter(texts: Sequence[str]) -> Encoded:
        encoded = tokenizer.encode_flat(texts)
        return Encoded(encoded.ids[1:], encoded.lengths - np.eye(1, len(texts), dtype=int)[0])

    with pytest.raises(BadModelError, match="Star 0 of"):
        Compared(shorter, tokenizer.encode_flat)(TEXTS[:3])


@pytest.mark.parametrize("name", ["llama2-tokenizer", "stories260K"])
def test_gigatoken_itself_gives_the_same_ids(shared: Path, name: str) -> None:
    pytest.importorskip("gigatoken")
    tokenizer = Tokenizer.load(shared / "models" / name)
    encoder = choose_encoder(tokenizer)
    assert encoder.name == "gigatoken"
    found, expected = encoder.encode(TEXTS), tokenizer.encode_flat(TEXTS)
    assert np.array_equal(found.ids, expected.ids)
    assert np.array_equal(found.lengths, expected.lengths)


def test_what_gigatoken_cannot_read_the_tokenizer_encodes(tmp_path: Path) -> None:
    pytest.importorskip("gigatoken")
    train_tokenizer(TEXTS, tmp_path, n_vocab=400, max_positions=64)
    assert choose_encoder(Tokenizer.load(tmp_path)).name == "tokenizers"
