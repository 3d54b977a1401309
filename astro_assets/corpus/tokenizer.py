"""Text to token ids with any model's own ``tokenizer.json``.

The file is read by the ``tokenizers`` library directly: transformers rebuilds the normaliser of
Llama tokenizers and then maps text with a leading blank to other ids. Text that looks like a
special token (``<s>``) is text. BOS and EOS are never added here: streams and evaluation do that.

A tokenizer that has no BOS (Qwen's) begins its documents with its EOS, as lm-eval does: in training
its documents came after one.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer as FastTokenizer

from astro_assets.artifacts import fingerprint
from astro_assets.errors import BadModelError

TEXTS_AT_ONCE = 128
"""The library keeps each piece of each text as an object: so few stay in the processor's cache.

On a quiet machine 16 to 1,000 do not differ; with busy neighbours 1,000 was up to 15 % slower.
"""

_SAY_SPECIAL = ("tokenizer_config.json", "special_tokens_map.json")


@dataclass(frozen=True)
class Encoded:
    """The ids of many texts end to end: text tokens only."""

    ids: NDArray[np.uint32]
    """1-D."""
    lengths: NDArray[np.int64]
    """Ids per text."""

    def split(self) -> list[NDArray[np.uint32]]:
        """Return the ids of each text."""
        return np.split(self.ids, np.cumsum(self.lengths)[:-1]) if len(self.lengths) else []


@dataclass(frozen=True)
class Tokenizer:
    """A loaded tokenizer with the ids and the fingerprint its streams are named by."""

    fast: Any
    """The ``tokenizers.Tokenizer``."""
    bos_id: int
    """What documents begin with: BOS, or EOS where the model has no BOS."""
    eos_id: int
    n_vocab: int
    """1 + the largest id: ids may have gaps, so this is no count of pieces."""
    fingerprint: str
    """sha256 over tokenizer.json and the two ids."""

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """Read ``tokenizer.json`` and which pieces are BOS and EOS from a model folder.

        Where no BOS is named, or null, EOS stands in its place.

        Raises:
            BadModelError: a file is missing, names no EOS, or names a piece that is not there.
        """
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise BadModelError(
                f"{folder} has no tokenizer.json.",
                expected="a fast tokenizer beside the weights.",
                do="Save the model's tokenizer with save_pretrained of a fast tokenizer.",
            )
        try:
            fast = FastTokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception for a bad file
            raise BadModelError(f"{path} cannot be read: {error}") from None
        fast.encode_special_tokens = True
        fast.no_padding()
        fast.no_truncation()
        bos_id, eos_id = _ends(fast, folder)
        return cls(
            fast=fast,
            bos_id=bos_id,
            eos_id=eos_id,
            n_vocab=1 + max(fast.get_vocab(with_added_tokens=True).values()),
            fingerprint=fingerprint.of_value([fingerprint.of_file(path), bos_id, eos_id]),
        )

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text, text tokens only."""
        encoded = self.fast.encode_batch_fast(list(texts), add_special_tokens=False)
        return [item.ids for item in encoded]

    def encode_flat(self, texts: Sequence[str]) -> Encoded:
        """Return the same ids end to end, without a list of lists that would hold them thrice."""
        ids, lengths = array("I"), array("q")
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            chunk = list(texts[start : start + TEXTS_AT_ONCE])
            for item in self.fast.encode_batch_fast(chunk, add_special_tokens=False):
                own = item.ids
                ids.fromlist(own)
                lengths.append(len(own))
        return Encoded(np.array(ids, dtype=np.uint32), np.array(lengths, dtype=np.int64))

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, special tokens left out."""
        return str(self.fast.decode(list(ids), skip_special_tokens=True))


def _ends(fast: Any, folder: Path) -> tuple[int, int]:
    """Return the ids that documents begin and end with, as the folder's configuration names them.

    Raises:
        BadModelError: EOS is not named, or a piece that is named is not in tokenizer.json.
    """
    bos_id, eos_id = (_special_id(fast, folder, name) for name in ("bos_token", "eos_token"))
    if eos_id is None:
        lacking = "eos_token" if bos_id is not None else "bos_token or eos_token"
        raise BadModelError(
            f"{folder} does not say which piece is its {lacking}.",
            expected="eos_token in tokenizer_config.json (and bos_token, if the model has one), "
            "and that piece in tokenizer.json.",
        )
    return (eos_id if bos_id is None else bos_id), eos_id


def _special_id(fast: Any, folder: Path, name: str) -> int | None:
    """Return the id of a special piece; None: null in the folder's configuration, or absent."""
    named = [_named_piece(folder / file, name) for file in _SAY_SPECIAL]
    pieces = [piece for piece in named if piece]
    ids = [found for piece in pieces if (found := fast.token_to_id(piece)) is not None]
    if pieces and not ids:
        raise BadModelError(
            f"{folder} has no piece {pieces[0][:40]!r}, its {name}.",
            expected=f"{name} in tokenizer_config.json, and that piece in tokenizer.json.",
        )
    return int(ids[0]) if ids else None


def _named_piece(path: Path, name: str) -> str | None:
    """Return a special piece as one file has it."""
    try:
        document = json.loads(path.read_bytes()) if path.is_file() else {}
    except ValueError as error:
        raise BadModelError(f"{path} is no JSON ({error}).") from None
    token = document.get(name) if isinstance(document, dict) else None
    piece = token.get("content") if isinstance(token, dict) else token
    return piece if isinstance(piece, str) else None


def refuse_other_tokenizer(made_with: str, folder: Path, release: str) -> None:
    """Refuse token blocks that another tokenizer than this folder's has made.

    Raises:
        BadModelError: the fingerprints differ; says what to materialise.
    """
    own = Tokenizer.load(folder).fingerprint
    if own != made_with:
        raise BadModelError(
            f"The token blocks of release {release} were made with tokenizer {made_with[:12]}…; "
            f"the base in {folder} has {own[:12]}….",
            expected="blocks made with the base's own tokenizer.",
            do=f"Materialise token_blocks of release {release} again.",
        )
