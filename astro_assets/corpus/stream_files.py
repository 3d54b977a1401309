"""One token stream on disk: its files, how they are written, and which of them can be believed.

::

    tokens.npy      1-D, uint16 or uint32 by the largest id: the documents end to end
    offsets.npy     int64 of shape (documents + 1,): where each begins
    texts.npy       uint8 of shape (documents, 32): the hash of each document's text
    categories.npy  uint16 of shape (documents,): each paper's astro-ph categories (categories.py)
    sha256sums      of the four

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
from astro_assets.corpus.accelerator import Encode
from astro_assets.corpus.categories import pack_categories
from astro_assets.corpus.texts import clean_abstract
from astro_assets.corpus.tokenizer import Encoded, Tokenizer
from astro_assets.errors import BadModelError

FILES = ("categories.npy", "offsets.npy", "texts.npy", "tokens.npy")
_LENT = ("offsets.npy", "texts.npy", "tokens.npy")
"""What documents are copied from; all that streams had before categories stood beside them."""

Document = NDArray[np.integer]
"""[BOS] text [EOS] of one paper, 1-D."""


@dataclass(frozen=True)
class Texts:
    """What a stream is made of, in order."""

    abstracts: Sequence[str]
    """Raw."""
    hashes: Sequence[str]
    """``text_sha256`` of each: equal hashes mean equal clean texts."""
    categories: Sequence[str]
    """Of each paper, blank-separated."""


def write_stream(
    folder: Path,
    tokenizer: Tokenizer,
    texts: Texts,
    known: Mapping[bytes, Document],
    *,
    encode: Encode | None = None,
) -> None:
    """Write a stream; documents that are ``known`` by the hash of their text are not tokenised.

    ``encode`` stands in for the tokenizer's own encoder and must give the same ids.

    Raises:
        BadModelError: an id is larger than the tokenizer says any is.
    """
    hashes = [bytes.fromhex(digest) for digest in texts.hashes]
    new = [number for number, digest in enumerate(hashes) if digest not in known]
    clean = [clean_abstract(texts.abstracts[number]) for number in new]
    copied = {n: known[digest] for n, digest in enumerate(hashes) if digest in known}
    offsets, tokens = _end_to_end(tokenizer, (encode or tokenizer.encode_flat)(clean), new, copied)
    arrays = {
        "tokens.npy": tokens,
        "offsets.npy": offsets,
        "texts.npy": np.frombuffer(b"".join(hashes), dtype=np.uint8).reshape(-1, 32),
        "categories.npy": pack_categories(texts.categories),
    }
    with atomic.new_folder(folder) as temporary:
        for file, array in arrays.items():
            np.save(temporary / file, array, allow_pickle=False)
        sums = "".join(
            f"{digest}  {file}\n" for file, digest in fingerprint.of_folder(temporary).items()
        )
        (temporary / "sha256sums").write_text(sums)


def _end_to_end(
    tokenizer: Tokenizer, encoded: Encoded, new: Sequence[int], copied: Mapping[int, Document]
) -> tuple[NDArray[np.int64], Document]:
    """Return offsets (documents + 1,) and tokens of all documents.

    What was encoded stands at the places ``new``, between [BOS] and [EOS]; ``copied`` documents at
    theirs.
    """
    _refuse_larger_ids(tokenizer, encoded)
    lengths = np.zeros(len(new) + len(copied), dtype=np.int64)
    lengths[new] = encoded.lengths + 2
    for number, document in copied.items():
        lengths[number] = len(document)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens: Document = np.empty(int(offsets[-1]), dtype=_dtype(tokenizer))
    starts, ends = offsets[:-1][new], offsets[1:][new] - 1
    is_new = np.zeros(len(lengths), dtype=np.bool_)
    is_new[new] = True
    is_text = np.repeat(is_new, lengths)
    is_text[starts] = is_text[ends] = False
    tokens[is_text] = encoded.ids
    tokens[starts], tokens[ends] = tokenizer.bos_id, tokenizer.eos_id
    for number, document in copied.items():
        tokens[offsets[number] : offsets[number + 1]] = document
    return offsets, tokens


def _dtype(tokenizer: Tokenizer) -> np.dtype[np.integer]:
    return np.dtype(np.uint16 if tokenizer.n_vocab <= 1 << 16 else np.uint32)


def _refuse_larger_ids(tokenizer: Tokenizer, encoded: Encoded) -> None:
    largest = max(tokenizer.bos_id, tokenizer.eos_id, int(encoded.ids.max(initial=0)))
    if largest >= tokenizer.n_vocab:  # numpy would cut it to the width without a word
        raise BadModelError(
            f"The tokenizer gives the id {largest:,}.",
            expected=f"ids below {tokenizer.n_vocab:,}, as its vocabulary says.",
            do="Save the model's tokenizer again with save_pretrained of a fast tokenizer.",
        )


def read_documents(folders: Iterable[Path], tokenizer: Tokenizer) -> dict[bytes, Document]:
    """Return hash of a text -> its document, from the first whole stream among these, or nothing.

    Its bytes are read and compared whatever is on record: what rotted there would be copied. Ids of
    another width than the tokenizer's are not lent.
    """
    for folder in folders:
        sums = _sums(folder)
        if sums and all(_digest(folder / file) == sums.get(file, "") for file in _LENT):
            tokens, offsets, hashes = (
                np.load(folder / f"{name}.npy", allow_pickle=False)
                for name in ("tokens", "offsets", "texts")
            )
            if tokens.dtype != _dtype(tokenizer):
                continue
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
    if sums is None or tuple(sorted(sums)) != FILES:
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
    return {line[66:]: line[:64] for line in path.read_text(errors="replace").splitlines()}


def _digest(path: Path) -> str | None:
    return fingerprint.of_file(path) if path.is_file() else None
