r"""The words of a text as numbers that are the same everywhere, and a month's words on disk.

A word is a run of letters and digits of the cleaned, lower-case text: layout, punctuation and TeX's
braces do not count, so ``$M_\odot$`` is the words *m* and *odot*. Each is known by the first 64
bits of its BLAKE2b hash. A month's words are kept by paper shard and side, named by content, so a
month that did not change is never read and hashed again, in whatever release it stands.

What does not belong here: comparing texts (runs) and what counts as a copy (near_copies).
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from astro_assets.artifacts import atomic, fingerprint
from astro_assets.artifacts.proofs import Proofs
from astro_assets.corpus.streams import SIDES, PaperShard
from astro_assets.corpus.texts import TEXT_RULES, Side, clean_abstract
from astro_assets.errors import DamagedArtifactError

WORD_RULES = "1"
"""Version of the rules below: part of every file's name."""

TABLES = {"astro": "astro_ph_papers", "general": "general_papers"}
"""Field of a shard -> the asset it is part of."""

_ARRAYS = ("vocabulary", "codes", "starts")

Words = NDArray[np.uint64]
"""Hashes of a text's words in order, 1-D."""

# Beyond ASCII everything but general punctuation, symbols and CJK punctuation. Written out, because
# \w means other characters in other versions of Unicode.
_WORD = re.compile("[0-9a-z\u00c0-\u1fff\u2c00-\u2fff\u3040-\U0010ffff]+")


def words_of(text: str) -> list[str]:
    r"""Return the words of a cleaned text, in order.

    >>> words_of("The H$\\alpha$ line (z~2.5) is broad.")
    ['the', 'h', 'alpha', 'line', 'z', '2', '5', 'is', 'broad']
    """
    return _WORD.findall(text.lower())


@lru_cache(maxsize=1 << 17)
def hash_word(word: str) -> int:
    """Return the first 64 bits of a word's BLAKE2b hash.

    >>> hash_word("galaxy")
    11409333657938331080
    """
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")


@dataclass(frozen=True)
class MonthWords:
    """The texts of one month, field and side as words."""

    field: str
    """``astro`` or ``general``."""
    ids: list[str]
    titles: list[str]
    vocabulary: Words
    """Every word of the month once."""
    codes: NDArray[np.unsignedinteger]
    """Place in ``vocabulary`` of every word of all texts end to end: a quarter of its room."""
    starts: NDArray[np.int64]
    """(texts + 1,): where each text begins in ``codes``."""

    def __len__(self) -> int:
        return len(self.ids)

    def text(self, number: int) -> Words:
        """Return the words of one text."""
        return self.texts(number, number + 1)

    def texts(self, begin: int, end: int) -> Words:
        """Return the words of texts ``begin`` to ``end`` (left out), end to end."""
        words: Words = self.vocabulary[self.codes[self.starts[begin] : self.starts[end]]]
        return words


@dataclass(frozen=True)
class WordFile:
    """A month's words on disk."""

    field: str
    side: Side
    name: str
    """Relative to the folder of all word files."""
    sha256: str


def write_words(shard: PaperShard, out: Path, proofs: Proofs, *, release: str) -> list[WordFile]:
    """Return the two word files of a paper shard, written where nothing vouches for their bytes.

    Args:
        shard: One month of a paper table.
        out: Folder of all word files.
        proofs: What is on record of ``out``.
        release: The month the shard is read for, to be named in an error.

    Raises:
        DamagedArtifactError: a shard that is to be read is gone or its bytes changed.
    """
    names = {side: file_name(shard, side) for side in SIDES}
    missing = [side for side, name in names.items() if proofs.sha256(name) is None]
    if missing:
        papers = _read_papers(shard, release)
        for side in missing:
            _write(out / names[side], papers.filter(pl.col("side") == side))
    return [
        WordFile(shard.field, side, name, proofs.sha256(name) or proofs.prove(name))
        for side, name in names.items()
    ]


def file_name(shard: PaperShard, side: Side) -> str:
    """Return field, month, side and content."""
    content = fingerprint.of_value([shard.content, side, TEXT_RULES, WORD_RULES])
    return f"{shard.field}-{shard.month}-{side}-{content[:16]}.npz"


def read_words(folder: Path, files: Iterable[WordFile], *, release: str) -> Iterator[MonthWords]:
    """Yield the texts of word files, one file at a time.

    Args:
        folder: Where the files lie.
        files: Which, with the sha256 each must have.
        release: The month they are read for, to be named in an error.

    Raises:
        DamagedArtifactError: a file is gone or its bytes changed.
    """
    for file in files:
        # Compared before it is opened: damage to a zip's directory has too many faces to catch.
        held = _whole(folder / file.name, file.sha256)
        if held is None:
            raise DamagedArtifactError(
                f"{folder / file.name} is missing or has other bytes than when it was made.",
                do=f"Materialise near_copies, release {release} again; the file will be replaced.",
            )
        with np.load(io.BytesIO(held), allow_pickle=False) as arrays:
            papers = json.loads(arrays["papers"].tobytes())
            month = MonthWords(file.field, **papers, **{name: arrays[name] for name in _ARRAYS})
        yield month


def _whole(path: Path, sha256: str) -> bytes | None:
    try:
        held = path.read_bytes()
    except OSError:
        return None
    return held if hashlib.sha256(held).hexdigest() == sha256 else None


def words_of_texts(texts: Iterable[str]) -> dict[str, Any]:
    """Return vocabulary, codes and starts of raw texts, as ``MonthWords`` has them."""
    known: dict[str, int] = {}
    codes: list[int] = []
    starts = [0]
    for text in texts:
        codes += [known.setdefault(word, len(known)) for word in words_of(clean_abstract(text))]
        starts.append(len(codes))
    dtype = np.uint16 if len(known) <= 1 << 16 else np.uint32
    return {
        "vocabulary": np.array([hash_word(word) for word in known], dtype=np.uint64),
        "codes": np.array(codes, dtype=dtype),
        "starts": np.array(starts, dtype=np.int64),
    }


def _write(path: Path, papers: pl.DataFrame) -> None:
    named = {"ids": papers["id"].to_list(), "titles": papers["title"].fill_null("").to_list()}
    with atomic.replacing(path) as temporary, temporary.open("wb") as handle:
        np.savez(
            handle,
            papers=np.frombuffer(json.dumps(named).encode(), dtype=np.uint8),
            **words_of_texts(papers["abstract"].to_list()),
        )


def _read_papers(shard: PaperShard, release: str) -> pl.DataFrame:
    """Return id, title, side and abstract of the papers no rule excludes, in id order."""
    path = shard.path
    if not path.is_file() or fingerprint.of_file(path) != shard.sha256:
        raise DamagedArtifactError(
            f"{path} is missing or has other bytes than when it was made.",
            do=f"Materialise {TABLES[shard.field]}, release {release} again; the damaged file will "
            "be replaced.",
        )
    columns = ["id", "title", "side", "abstract"]
    papers = pl.read_parquet(path, columns=[*columns, "excluded_because"])
    return papers.filter(pl.col("excluded_because").is_null()).select(columns).sort("id")
