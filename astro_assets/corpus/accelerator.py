"""A faster encoder, used only where it is shown to give the very ids that ``tokenizers`` gives.

gigatoken (the extra ``fast``) encodes these texts in a tenth of the time. It is another program
written to do the same, so it is believed as far as it was compared: on hard texts before it is used
at all, and on a sample of whatever it encodes. Streams are the same bytes with it and without.

What does not belong here: what ids mean, and where they are written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from astro_assets.corpus.tokenizer import Encoded, Tokenizer
from astro_assets.errors import BadModelError

Encode = Callable[[Sequence[str]], Encoded]

PROBES = (
    "", " ", "a", "<s>", "a <s> b </s> <unk>", "<0x0A>", "▁ a ▁▁b", "a  b", "'s 're 12345 1.2e-3",
    "We study $\\Lambda$CDM at $z\\sim 0.5$, 5\\,\\AA\\ wide, in {\\it Gaia} data.",
    "Ångström 星 Å é e\u0301 \U0001d15e \U0001f52d \u200b\u00ad", "x" * 5_000, "ab " * 2_000,
)  # fmt: skip
"""Where encoders differ first: look-alikes of special pieces and bytes, blanks, rare letters."""

N_COMPARED_FIRST = 1_000
"""So many texts of a run are all compared."""
COMPARED_AFTERWARDS = 50
"""Then one of so many."""


@dataclass(frozen=True)
class Encoder:
    """How texts become ids, and the name of who does it."""

    name: str
    encode: Encode


def choose_encoder(tokenizer: Tokenizer) -> Encoder:
    """Return gigatoken where it is installed and agrees with the tokenizer, else the tokenizer."""
    fast = gigatoken_encode(tokenizer)
    if fast is None:
        return Encoder("tokenizers", tokenizer.encode_flat)
    if not np.array_equal(_flat(fast(PROBES)), _flat(tokenizer.encode_flat(PROBES))):
        return Encoder("tokenizers (gigatoken gives other ids)", tokenizer.encode_flat)
    return Encoder("gigatoken", Compared(fast, tokenizer.encode_flat))


class Compared:
    """An encoder whose work is compared with another's, sample by sample."""

    def __init__(self, fast: Encode, sure: Encode) -> None:
        """Encode with ``fast``; ``sure`` is right by definition."""
        self._fast, self._sure = fast, sure
        self._n_seen = 0

    def __call__(self, texts: Sequence[str]) -> Encoded:
        """Return the ids of the texts.

        Raises:
            BadModelError: a text of the sample has other ids.
        """
        encoded = self._fast(texts)
        chosen = [n for n in range(len(texts)) if self._is_compared(self._n_seen + n)]
        self._n_seen += len(texts)
        ends = np.cumsum(encoded.lengths)
        expected = self._sure([texts[n] for n in chosen]).split()
        for n, ids in zip(chosen, expected, strict=True):
            if not np.array_equal(encoded.ids[ends[n] - encoded.lengths[n] : ends[n]], ids):
                raise _other_ids(texts[n])
        return encoded

    @staticmethod
    def _is_compared(place: int) -> bool:
        return place < N_COMPARED_FIRST or place % COMPARED_AFTERWARDS == 0


def gigatoken_encode(tokenizer: Tokenizer) -> Encode | None:
    """Return gigatoken's encoder for a tokenizer; None where it is absent or cannot read it."""
    if find_spec("gigatoken") is None:
        return None
    import awkward
    import gigatoken

    try:
        fast = gigatoken.Tokenizer.from_json(_without_special(tokenizer.fast.to_str()))
    except (RuntimeError, ValueError):  # how it says that it does not know a kind of tokenizer
        return None

    def encode(texts: Sequence[str]) -> Encoded:
        rows = fast.encode_batch(list(texts), parallel=False)  # a month is a few milliseconds
        ids, lengths = awkward.flatten(rows), awkward.num(rows)
        return Encoded(
            np.asarray(awkward.to_numpy(ids), dtype=np.uint32),
            np.asarray(awkward.to_numpy(lengths), dtype=np.int64),
        )

    return encode


def _without_special(tokenizer_json: str) -> str:
    """Return the tokenizer without its special pieces: text that looks like one is text."""
    document: dict[str, Any] = json.loads(tokenizer_json)
    added = [piece for piece in document.get("added_tokens") or [] if not piece["special"]]
    return json.dumps(document | {"added_tokens": added})


def _flat(encoded: Encoded) -> Any:
    return np.concatenate([encoded.lengths, encoded.ids])


def _other_ids(text: str) -> BadModelError:
    return BadModelError(
        f"gigatoken gives other ids than tokenizers for the text {text[:80]!r}….",
        expected="the same ids: they are compared on a sample.",
        do="Uninstall gigatoken, remove the home's folder tokens/, and run this again.",
    )
