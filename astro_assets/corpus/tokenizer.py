"""Text to token ids with any model's own ``tokenizer.json``.

The file is read by the ``tokenizers`` library directly: transformers rebuilds the normaliser of
Llama tokenizers and then maps text with a leading blank to other ids. Text that looks like a
special token (``<s>``) is text. BOS and EOS are never added here: streams and evaluation do that.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as FastTokenizer

from astro_assets.artifacts import fingerprint
from astro_assets.errors import BadModelError


@dataclass(frozen=True)
class Tokenizer:
    """A loaded tokenizer with the ids and the fingerprint its streams are named by."""

    fast: Any
    """The ``tokenizers.Tokenizer``."""
    bos_id: int
    eos_id: int
    n_vocab: int
    fingerprint: str
    """sha256 over tokenizer.json and the two ids."""

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """Read ``tokenizer.json`` and which pieces are BOS and EOS from a model folder.

        Raises:
            BadModelError: a file is missing or does not name usable BOS and EOS pieces.
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
        bos_id, eos_id = (_special_id(fast, folder, name) for name in ("bos_token", "eos_token"))
        return cls(
            fast=fast,
            bos_id=bos_id,
            eos_id=eos_id,
            n_vocab=fast.get_vocab_size(with_added_tokens=True),
            fingerprint=fingerprint.of_value([fingerprint.of_file(path), bos_id, eos_id]),
        )

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text, text tokens only."""
        encoded = self.fast.encode_batch_fast(list(texts), add_special_tokens=False)
        return [item.ids for item in encoded]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, special tokens left out."""
        return str(self.fast.decode(list(ids), skip_special_tokens=True))


def _special_id(fast: Any, folder: Path, name: str) -> int:
    """Return the id of ``bos_token`` or ``eos_token`` as the folder's configuration names it."""
    for file in ("tokenizer_config.json", "special_tokens_map.json"):
        path = folder / file
        token = json.loads(path.read_text()).get(name) if path.is_file() else None
        piece = token.get("content") if isinstance(token, dict) else token
        if isinstance(piece, str):
            found = fast.token_to_id(piece)
            if found is not None:
                return int(found)
    raise BadModelError(
        f"{folder} does not say which piece is its {name}.",
        expected=f"{name} in tokenizer_config.json, and that piece in tokenizer.json.",
    )


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
