import shutil
from pathlib import Path

import pytest

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadModelError
from tests.corpus.gaps import tokenizer_with_gaps


def test_text_that_looks_like_a_special_token_is_text(tiny_base: Path):
    tokenizer = Tokenizer.load(tiny_base)
    (ids,) = tokenizer.encode_batch(["a <s> b </s> <unk>"])
    assert tokenizer.bos_id not in ids and tokenizer.eos_id not in ids
    assert tokenizer.decode(ids) == "a <s> b </s> <unk>"


def test_round_trip_of_letters_the_vocabulary_never_saw(tiny_base: Path):
    tokenizer = Tokenizer.load(tiny_base)
    text = "Ångström 星 \\alpha"
    assert tokenizer.decode(tokenizer.encode_batch([text])[0]) == text


def test_the_fingerprint_follows_the_file(tiny_base: Path, tmp_path: Path):
    shutil.copytree(tiny_base, tmp_path / "copy")
    same = Tokenizer.load(tmp_path / "copy").fingerprint
    assert same == Tokenizer.load(tiny_base).fingerprint
    path = tmp_path / "copy" / "tokenizer.json"
    path.write_text(path.read_text() + "\n")
    assert Tokenizer.load(tmp_path / "copy").fingerprint != same


def test_a_folder_without_tokenizer_or_with_a_broken_one_is_named(tmp_path: Path):
    with pytest.raises(BadModelError, match=r"no tokenizer\.json"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(BadModelError, match="cannot be read"):
        Tokenizer.load(tmp_path)


def test_a_tokenizer_that_names_no_bos_is_refused(tiny_base: Path, tmp_path: Path):
    shutil.copy(tiny_base / "tokenizer.json", tmp_path / "tokenizer.json")
    with pytest.raises(BadModelError, match="bos_token"):
        Tokenizer.load(tmp_path)


@pytest.mark.parametrize("name", ["llama2-tokenizer", "stories260K"])
def test_real_llama_tokenizers_load(shared: Path, name: str):
    tokenizer = Tokenizer.load(shared / "models" / name)
    assert (tokenizer.bos_id, tokenizer.eos_id) == (1, 2)
    text = "We study <s> the $\\Lambda$CDM model at 5 Å."
    (ids,) = tokenizer.encode_batch([text])
    assert 1 not in ids
    assert tokenizer.decode(ids).strip() == text


def test_ids_end_to_end_are_those_of_each_text(tiny_base: Path):
    tokenizer = Tokenizer.load(tiny_base)
    texts = [f"Star {n}, 星 and $\\beta$." * (n % 4) for n in range(600)]
    encoded = tokenizer.encode_flat(texts)
    assert [ids.tolist() for ids in encoded.split()] == tokenizer.encode_batch(texts)
    assert encoded.lengths[0] == 0, "an empty text has no ids"
    assert tokenizer.encode_flat([]).split() == []


def test_the_largest_id_and_not_the_number_of_pieces_says_how_many_ids_there_are(tmp_path: Path):
    tokenizer = tokenizer_with_gaps(tmp_path)
    assert tokenizer.fast.get_vocab_size() == 5
    assert tokenizer.n_vocab == 70_001
    assert tokenizer.encode_flat(["dark star"]).ids.tolist() == [3, 70_000]
