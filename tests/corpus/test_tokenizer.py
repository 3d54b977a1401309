import json
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


def with_special(tiny_base: Path, folder: Path, **special: object) -> Path:
    """A folder with the tiny tokenizer and these words on its special pieces."""
    shutil.copy(tiny_base / "tokenizer.json", folder / "tokenizer.json")
    (folder / "tokenizer_config.json").write_text(json.dumps(special))
    return folder


@pytest.mark.parametrize("named", [{}, {"bos_token": None}])
def test_without_bos_a_document_begins_with_eos(tiny_base: Path, tmp_path: Path, named: dict):
    tokenizer = Tokenizer.load(with_special(tiny_base, tmp_path, eos_token="</s>", **named))
    assert (tokenizer.bos_id, tokenizer.eos_id) == (2, 2)
    assert tokenizer.fingerprint != Tokenizer.load(tiny_base).fingerprint


def test_bos_in_the_other_file_counts(tiny_base: Path, tmp_path: Path):
    folder = with_special(tiny_base, tmp_path, eos_token={"content": "</s>"}, bos_token=None)
    (folder / "special_tokens_map.json").write_text(json.dumps({"bos_token": "<s>"}))
    tokenizer = Tokenizer.load(folder)
    assert (tokenizer.bos_id, tokenizer.eos_id) == (1, 2)


@pytest.mark.parametrize(
    ("special", "told"),
    [
        ({"bos_token": "<s>"}, "its eos_token"),
        ({"bos_token": None, "eos_token": None}, "its bos_token or eos_token"),
        ({"bos_token": "<begin>", "eos_token": "</s>"}, "no piece '<begin>', its bos_token"),
    ],
)
def test_ends_that_are_not_there_are_named(
    tiny_base: Path, tmp_path: Path, special: dict, told: str
):
    with pytest.raises(BadModelError, match=told):
        Tokenizer.load(with_special(tiny_base, tmp_path, **special))


def test_a_configuration_that_is_no_json_is_named(tiny_base: Path, tmp_path: Path):
    folder = with_special(tiny_base, tmp_path)
    (folder / "tokenizer_config.json").write_text("{")
    with pytest.raises(BadModelError, match=r"tokenizer_config\.json is no JSON"):
        Tokenizer.load(folder)


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
