"""The rule that copying documents rests on: equal ``text_sha256``, equal clean text."""

import random
from collections import defaultdict
from pathlib import Path

from astro_assets.corpus.stream_files import Texts, read_documents, write_stream
from astro_assets.corpus.texts import clean_abstract
from astro_assets.corpus.tokenizer import Tokenizer
from tests.builders import record
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


def test_a_stream_without_documents_lends_none(tiny_base: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer.load(tiny_base)
    write_stream(tmp_path / "empty", tokenizer, Texts([], []), {})
    assert read_documents([tmp_path / "empty"]) == {}


def test_documents_are_lent_by_the_hash_of_their_text(tiny_base: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer.load(tiny_base)
    hashes = ["00" * 32, "ff" * 32]
    write_stream(tmp_path / "two", tokenizer, Texts(["One star.", "Two stars."], hashes), {})
    known = read_documents([tmp_path / "two"])
    assert [known[bytes.fromhex(digest)].tolist() for digest in hashes] == [
        [tokenizer.bos_id, *ids, tokenizer.eos_id]
        for ids in tokenizer.encode_batch(["One star.", "Two stars."])
    ]
