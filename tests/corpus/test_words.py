import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astro_assets.artifacts import fingerprint
from astro_assets.artifacts.proofs import Proofs
from astro_assets.corpus.words import (
    WordFile,
    hash_word,
    read_words,
    words_of,
    words_of_texts,
    write_words,
)
from astro_assets.errors import DamagedArtifactError
from tests.corpus.planted import paper_shard

ROWS = [
    ("a", "train", "We present a survey of galaxies.", None),
    ("b", "train", "This paper has been withdrawn", "withdrawn"),
    ("c", "test", "A survey of galaxies; of galaxies!", None),
    ("d", "train", "", None),
]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The star-formation rate.", "the star formation\nrate"),
        ("mass of $10^{12}\\,M_\\odot$", "Mass of 10^12 M_{\\odot}"),
        ("re\u2013ionisation \u2014 at last", "re-ionisation, at last"),
    ],
)
def test_layout_punctuation_and_braces_are_no_words(one: str, other: str):
    assert words_of(one) == words_of(other)


def test_letters_beyond_ascii_are_letters():
    assert words_of("Poincaré, Łódź 銀河") == ["poincaré", "łódź", "銀河"]


def test_a_word_s_hash_is_the_same_everywhere():
    assert hash_word("galaxy") == 11409333657938331080
    digest = hashlib.blake2b("poincaré".encode(), digest_size=8).hexdigest()
    assert hash_word("poincaré") == int(digest, 16)


@given(st.lists(st.text(alphabet="ab \n.$é", max_size=40), max_size=6))
def test_vocabulary_and_codes_give_the_words_back(texts: list[str]):
    made = words_of_texts(texts)
    words = made["vocabulary"][made["codes"]]
    for number, text in enumerate(texts):
        found = words[made["starts"][number] : made["starts"][number + 1]]
        assert found.tolist() == [hash_word(word) for word in words_of(text)]
    assert len(set(made["vocabulary"].tolist())) == len(made["vocabulary"])


def write(folder: Path, out: Path, rows=ROWS) -> list[WordFile]:
    proofs = Proofs(out, out.with_name(f"{out.name}.json"))
    out.mkdir(exist_ok=True)
    files = write_words(paper_shard(folder, rows=rows), out, proofs, release="2026-06")
    proofs.save()
    return files


def test_a_month_is_kept_by_side_and_without_what_is_excluded(tmp_path: Path):
    files = write(tmp_path, tmp_path / "words")
    train, test = read_words(tmp_path / "words", files, release="2026-06")
    assert (train.ids, test.ids) == (["a", "d"], ["c"])
    assert train.titles == ["Title of a", "Title of d"]
    assert [len(train.text(n)) for n in range(len(train))] == [6, 0]
    words = words_of("a survey of galaxies of galaxies")
    assert test.text(0).tolist() == [hash_word(word) for word in words]
    assert len(test.vocabulary) == 4 and test.codes.dtype == np.uint16


def test_the_same_rows_give_the_same_bytes_and_are_written_once(tmp_path: Path):
    one = write(tmp_path, tmp_path / "one")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "one").iterdir()}
    assert write(tmp_path, tmp_path / "one") == one
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "one").iterdir()} == before
    write(tmp_path, tmp_path / "two")
    assert fingerprint.of_folder(tmp_path / "one") == fingerprint.of_folder(tmp_path / "two")


def test_another_content_has_another_name(tmp_path: Path):
    first = write(tmp_path, tmp_path / "words")
    again = write(tmp_path, tmp_path / "words", rows=ROWS[:3])
    assert not {file.name for file in first} & {file.name for file in again}


def test_whatever_bit_of_a_file_is_flipped_it_is_named(tmp_path: Path):
    """Some would have the file read as encrypted, as of a later version, or under another name."""
    file, _ = write(tmp_path, tmp_path / "words", rows=ROWS[:1])
    path = tmp_path / "words" / file.name
    whole = path.read_bytes()
    for number in range(0, 8 * len(whole), 7):  # every byte, in turn each of its bits
        flipped = bytearray(whole)
        flipped[number // 8] ^= 1 << number % 8
        path.write_bytes(flipped)
        with pytest.raises(DamagedArtifactError, match="near_copies, release 2026-06 again"):
            list(read_words(path.parent, [file], release="2026-06"))
    path.unlink()
    with pytest.raises(DamagedArtifactError, match=r"missing.*\n.*near_copies, release 2026-06"):
        list(read_words(path.parent, [file], release="2026-06"))


def test_a_damaged_shard_is_named_with_its_asset_and_release(tmp_path: Path):
    shard = paper_shard(tmp_path, rows=ROWS, field="general")
    shard.path.write_bytes(shard.path.read_bytes()[:-1])
    with pytest.raises(DamagedArtifactError, match="Materialise general_papers, release 2026-06"):
        write_words(shard, tmp_path, Proofs(tmp_path), release="2026-06")
    assert not list(tmp_path.glob("*.npz"))
