"""The scratch base's tokenizer: byte-fallback BPE in Llama's form, deterministic.

How other models' tokenizers are read and used belongs to ``corpus.tokenizer``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers, processors, trainers
from tokenizers.models import BPE

SPECIAL = ("<unk>", "<s>", "</s>")
_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
_MAX_ALPHABET = 192
"""Most frequent characters that get a piece of their own; all others are spelled in bytes."""


def train_tokenizer(
    texts: Sequence[str], folder: Path, *, n_vocab: int, max_positions: int
) -> None:
    """Write tokenizer.json and tokenizer_config.json, trained on ``texts``, into ``folder``.

    Ids 0–2 are the only special tokens, 3–258 the bytes, then characters, then merges. The bytes
    are ordinary vocabulary, and ``<`` and ``>`` never merge with anything: text that looks like a
    special token or a byte ("<s>", "<0x0A>") is spelled out and comes back as it was.
    """
    tokenizer = Tokenizer(BPE(unk_token=SPECIAL[0], byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Split(Regex("[<>]"), "isolated"),
        ]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    alphabet = _alphabet(texts)
    trainer = trainers.BpeTrainer(
        vocab_size=n_vocab,
        # Named as special only so that they get the first ids; see _with_plain_bytes.
        special_tokens=[*SPECIAL, *_BYTES],
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer, length=len(texts))
    document = _with_plain_bytes(json.loads(tokenizer.to_str()))
    (folder / "tokenizer.json").write_text(json.dumps(document, ensure_ascii=False, indent=1))
    (folder / "tokenizer_config.json").write_text(_tokenizer_config(max_positions))


def _alphabet(texts: Sequence[str]) -> list[str]:
    """Return the characters that get a piece: the most frequent, ties by code point.

    The library's own choice would break ties by the order of a hash table.
    """
    counts = Counter("▁")
    for text in texts:
        counts.update(text)
    del counts[" "]
    return sorted(sorted(counts, key=lambda mark: (-counts[mark], mark))[:_MAX_ALPHABET])


def _with_plain_bytes(document: dict[str, Any]) -> dict[str, Any]:
    """Leave only the special tokens special; byte pieces stay in the vocabulary."""
    kept = [token for token in document["added_tokens"] if token["content"] in SPECIAL]
    return {**document, "added_tokens": kept}


def _tokenizer_config(max_positions: int) -> str:
    unk, bos, eos = SPECIAL
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": unk,
        "bos_token": bos,
        "eos_token": eos,
        "model_max_length": max_positions,
        "clean_up_tokenization_spaces": False,
    }
    return json.dumps(config, indent=1, sort_keys=True) + "\n"
