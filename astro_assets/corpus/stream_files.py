"""One token stream on disk: its files, how they are written, and which of them can be believed.

::

    tokens.npy   1-D, uint16 or uint32 by vocabulary: the documents end to end
    offsets.npy  int64 of shape (documents + 1,): where each begins
    texts.npy    uint8 of shape (documents, 32): the hash of each document's text
    sha256sums   of the three

What does not belong here: which streams a release consists of (streams.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from astro_assets.artifacts import atomic, fingerprint
from astro_assets.artifacts.proofs import Proofs
from astro_assets.corpus.texts import clean_abstract
from astro_assets.corpus.tokenizer import Tokenizer

FILES = ("offsets.npy", "texts.npy", "tokens.npy")

Document = NDArray[np.integer]
"""[BOS] text [EOS] of one paper, 1-D."""


@dataclass(frozen=True)
class Texts:
    """What a stream is made of, in order."""

    abstracts: Sequence[str]
    """Raw."""
    hashes: Sequence[str]
    """``text_sha256`` of each: equal hashes mean equal clean texts."""


def write_stream(
    folder: Path, tokenizer: Tokenizer, texts: Texts, known: Mapping[bytes, Document]
) -> None:
    """Write a stream; documents that are ``known`` by the hash of their text are not tokenised."""
    dtype = np.uint16 if tokenizer.n_vocab <= 1 << 16 else np.uint32
    hashes = [bytes.fromhex(digest) for digest in texts.hashes]
    new = [number for number, digest in enumerate(hashes) if digest not in known]
    encoded = tokenizer.encode_batch([clean_abstract(texts.abstracts[number]) for number in new])
    made = {
        number: np.array([tokenizer.bos_id, *ids, tokenizer.eos_id], dtype=dtype)
        for number, ids in zip(new, encoded, strict=True)
    }
    documents = [made[n] if n in made else known[digest] for n, digest in enumerate(hashes)]
    lengths = [len(document) for document in documents]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    arrays = {
        "tokens.npy": np.concatenate([np.empty(0, dtype), *documents]),
        "offsets.npy": offsets,
        "texts.npy": np.frombuffer(b"".join(hashes), dtype=np.uint8).reshape(-1, 32),
    }
    with atomic.new_folder(folder) as temporary:
        for file, array in arrays.items():
            np.save(temporary / file, array, allow_pickle=False)
        sums = "".join(
            f"{digest}  {file}\n" for file, digest in fingerprint.of_folder(temporary).items()
        )
        (temporary / "sha256sums").write_text(sums)


def read_documents(folders: Iterable[Path]) -> dict[bytes, Document]:
    """Return hash of a text -> its document, from the first whole stream among these, or nothing.

    Its bytes are read and compared whatever is on record: what rotted there would be copied.
    """
    for folder in folders:
        sums = _sums(folder)
        if sums and all(_digest(folder / file) == sums[file] for file in FILES):
            tokens, offsets, hashes = (
                np.load(folder / f"{name}.npy", allow_pickle=False)
                for name in ("tokens", "offsets", "texts")
            )
            cut = (tokens[start:end] for start, end in pairwise(offsets))
            return {
                digest.tobytes(): document for digest, document in zip(hashes, cut, strict=True)
            }
    return {}


def intact_files(proofs: Proofs, folder: Path, name: str) -> dict[str, str] | None:
    """Return file -> sha256 of the stream ``name`` if its bytes match its own sums, else None.

    A file that is as it was when it was last read is not read again.
    """
    sums = _sums(folder / name)
    if sums is None:
        return None
    for file, expected in sums.items():
        inside = f"{name}/{file}"
        if not (folder / inside).is_file():
            return None
        if expected != (proofs.sha256(inside) or proofs.prove(inside)):
            return None
    return sums


def _sums(folder: Path) -> dict[str, str] | None:
    """Return file -> sha256 as the stream itself says, or None where it does not say so."""
    path = folder / "sha256sums"
    if not path.is_file():
        return None
    sums = {line[66:]: line[:64] for line in path.read_text(errors="replace").splitlines()}
    return sums if tuple(sorted(sums)) == FILES else None


def _digest(path: Path) -> str | None:
    return fingerprint.of_file(path) if path.is_file() else None
