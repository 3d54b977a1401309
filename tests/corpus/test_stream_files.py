"""The rule that copying documents rests on: equal ``text_sha256``, equal clean text."""

import random
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from astro_assets.artifacts.proofs import Proofs
from astro_assets.corpus.categories import pack_categories
from astro_assets.corpus.stream_files import (
    FILES,
    Texts,
    intact_files,
    read_documents,
    write_stream,
)
from astro_assets.corpus.texts import clean_abstract
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadModelError
from tests.builders import record
from tests.corpus.gaps import tokenizer_with_gaps
from tests.warehouse.test_staging import staged

BLANKS = [" ", "  ", "\n", "\t", "\r\n", "\x00", "\x0b", "\x1c", "\x1f", "\x7f", "\x85", "\x9f",
          "\u00a0", "\u1680", "\u2000", "\u2001", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f",
          "\u3000", " \n ", "\n\u00a0"]  # fmt: skip
OTHERS = ["\ufffe", "\uffff", "\u200b", "\ufeff", "\u0301", "e", "\u00e9", "\u0344", "\u0308\u0301",
          "\u212b", "\uac00", "\u1100\u1161", "\U0001d15e", "$", "x"]  # fmt: skip


def text(chance: random.Random) -> str:
    """Return a few marks with blanks of many kinds around and between them."""
    marks = chance.choices(OTHERS, k=chance.randint(1, 3))
    return "".join(chance.choice(["", *BLANKS]) + mark for mark in marks) + chance.choice(BLANKS)


def test_equal_hashes_mean_equal_clean_texts() -> None:
    chance = random.Random(0)
    texts = [text(chance) for _ in range(4_000)]
    rows = staged(*(record(f"2307.{n:05d}", abstract=raw) for n, raw in enumerate(texts)))
    clean, raw = defaultdict(set), defaultdict(set)
    for row in rows:
        clean[row["text_sha256"]].add(clean_abstract(row["abstract"]))
        raw[row["text_sha256"]].add(row["abstract"])
    assert all(len(found) == 1 for found in clean.values())
    assert sum(len(found) > 1 for found in raw.values()) > 100, "many layouts of one text"


def a_text(abstracts: list[str], hashes: list[str]) -> Texts:
    return Texts(abstracts, hashes, ["astro-ph"] * len(abstracts))


def test_a_stream_without_documents_lends_none(tiny_base: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer.load(tiny_base)
    write_stream(tmp_path / "empty", tokenizer, Texts([], [], []), {})
    assert read_documents([tmp_path / "empty"], tokenizer) == {}


def test_documents_are_lent_by_the_hash_of_their_text(tiny_base: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer.load(tiny_base)
    hashes = ["00" * 32, "ff" * 32]
    write_stream(tmp_path / "two", tokenizer, a_text(["One star.", "Two stars."], hashes), {})
    known = read_documents([tmp_path / "two"], tokenizer)
    assert [known[bytes.fromhex(digest)].tolist() for digest in hashes] == [
        [tokenizer.bos_id, *ids, tokenizer.eos_id]
        for ids in tokenizer.encode_batch(["One star.", "Two stars."])
    ]


def test_categories_stand_beside_their_documents(tiny_base: Path, tmp_path: Path) -> None:
    texts = Texts(["One.", "Two."], ["00" * 32, "ff" * 32], ["astro-ph.CO", "hep-ph astro-ph"])
    write_stream(tmp_path / "two", Tokenizer.load(tiny_base), texts, {})
    packed = np.load(tmp_path / "two" / "categories.npy")
    assert packed.tolist() == pack_categories(texts.categories).tolist() == [0x202, 0x1]


def test_a_stream_from_before_there_were_categories_lends_but_is_not_whole(
    tiny_base: Path, tmp_path: Path
) -> None:
    tokenizer, old = Tokenizer.load(tiny_base), tmp_path / "old"
    write_stream(old, tokenizer, a_text(["One star."], ["00" * 32]), {})
    proofs = Proofs(tmp_path)
    assert set(intact_files(proofs, tmp_path, "old") or {}) == set(FILES)
    (old / "categories.npy").unlink()
    sums = old / "sha256sums"
    kept = [line for line in sums.read_text().splitlines() if "categories" not in line]
    sums.write_text("\n".join(kept) + "\n")
    assert intact_files(proofs, tmp_path, "old") is None
    assert list(read_documents([old], tokenizer)) == [bytes(32)]


def test_what_is_encoded_and_what_is_copied_stand_in_order(tiny_base: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer.load(tiny_base)
    abstracts = [f"Text number {n}." for n in range(9)]
    hashes = [f"{n:02x}" * 32 for n in range(9)]
    write_stream(tmp_path / "all", tokenizer, a_text(abstracts, hashes), {})
    for lent in ([0], [8], [3, 4], list(range(0, 9, 2)), list(range(9))):
        some = a_text([abstracts[n] for n in lent], [hashes[n] for n in lent])
        write_stream(tmp_path / "some", tokenizer, some, {})
        known = read_documents([tmp_path / "some"], tokenizer)
        write_stream(tmp_path / "mixed", tokenizer, a_text(abstracts, hashes), known)
        for file in FILES:
            ours, fresh = ((tmp_path / name / file).read_bytes() for name in ("mixed", "all"))
            assert ours == fresh, (lent, file)


def test_a_large_vocabulary_is_written_in_four_bytes(tiny_base: Path, tmp_path: Path) -> None:
    small = Tokenizer.load(tiny_base)
    for n_vocab, dtype in ((1 << 16, np.uint16), ((1 << 16) + 1, np.uint32)):
        folder = tmp_path / str(n_vocab)
        write_stream(folder, replace(small, n_vocab=n_vocab), a_text(["One."], ["00" * 32]), {})
        assert np.load(folder / "tokens.npy").dtype == dtype


def test_ids_beyond_two_bytes_of_a_small_vocabulary_are_written_whole(tmp_path: Path) -> None:
    tokenizer = tokenizer_with_gaps(tmp_path)
    write_stream(tmp_path / "two", tokenizer, a_text(["dark star", "star"], ["00" * 32] * 2), {})
    assert np.load(tmp_path / "two" / "tokens.npy").tolist() == [1, 3, 70_000, 2, 1, 70_000, 2]


def test_ids_that_do_not_fit_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    true = tokenizer_with_gaps(tmp_path)
    for wrong in (replace(true, n_vocab=5), replace(true, n_vocab=70_000)):
        with pytest.raises(BadModelError, match="id 70,000"):
            write_stream(tmp_path / "one", wrong, a_text(["dark star"], ["00" * 32]), {})
    with pytest.raises(BadModelError, match="id 70,000"):
        ends_there = replace(true, n_vocab=5, eos_id=70_000)
        write_stream(tmp_path / "one", ends_there, a_text(["dark"], ["00" * 32]), {})
    assert not (tmp_path / "one").exists()


def test_a_stream_of_another_width_lends_nothing(tmp_path: Path) -> None:
    """Such a one was written when a count of pieces decided the width, and may hold cut ids."""
    tokenizer = tokenizer_with_gaps(tmp_path)
    write_stream(tmp_path / "one", replace(tokenizer, n_vocab=5), a_text(["dark"], ["00" * 32]), {})
    assert np.load(tmp_path / "one" / "tokens.npy").dtype == np.uint16
    assert read_documents([tmp_path / "one"], tokenizer) == {}
