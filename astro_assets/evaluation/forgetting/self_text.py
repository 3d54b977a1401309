"""Text sampled from the base itself: what a tuned model makes of it tells how far it has moved.

What does not belong here: scoring the text (perplexity) and what it came to (``figures``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.models.sampling import sample_tokens
from astro_assets.models.scoring import CausalParts

N_TEXTS = 128
MAX_TOKENS = 256
"""Longest text. 128 of them are at most 32,768 tokens."""
_FIRST_SEED = 20_230_912


@dataclass(frozen=True)
class SelfText:
    """What a base wrote."""

    documents: list[list[int]]
    """Text token ids of each text: no [BOS] before it, no [EOS] behind it; none empty."""
    n_bytes: list[int]
    """UTF-8 bytes of each."""


def sample_self_text(
    model: Any,
    tokenizer: Tokenizer,
    *,
    advance: Callable[[int, int], None] = lambda _n_sequences, _n_tokens: None,
) -> SelfText:
    """Return up to 128 texts that a base writes of itself, after [BOS] alone at temperature 1.

    Why this needs no data: for texts x drawn from the base p, the mean of log p(x) - log q(x) is an
    unbiased estimate of KL(p || q), whatever p was trained on, which nobody knows of Llama-2. q is
    the tuned model; the difference per token is how much less likely it finds what the base would
    say. It is 0 for the base itself, and cannot fall below that but by chance.

    Sampling error: about 30,000 tokens, whose log ratios scatter by about their own mean or more;
    texts are the independent unit. With 128 of them the standard error is a few per cent of the
    drift; the paired interval over texts in the report says it for the case at hand.

    A text ends at [EOS], at a [BOS] (models trained on running text begin the next one with it), or
    after 256 tokens, less where the context is shorter. What ended it is **not** scored: every
    tuning on "[BOS] abstract [EOS]" changes where texts end, which is form and not memory, and
    documents are text tokens only, here as everywhere. So what is estimated is the divergence of
    what is written as long as it is written, without its share at the ends. Empty texts, and those
    of special pieces only, are dropped. Seeds are fixed: a base always writes the same.

    Args:
        model: The base in eval mode.
        tokenizer: Its own.
        advance: Told sequences and tokens after each batch.
    """
    n_new = min(MAX_TOKENS, CausalParts.of(model).max_positions - 1)
    written = sample_tokens(
        model,
        [[tokenizer.bos_id]] * N_TEXTS,
        range(_FIRST_SEED, _FIRST_SEED + N_TEXTS),
        n_new=n_new,
        temperature=1.0,
        eos_id=tokenizer.eos_id,
        advance=advance,
    )
    texts = [_until(ids, tokenizer.bos_id) for ids in written]
    sizes = [len(tokenizer.decode(ids).encode()) for ids in texts]
    kept = [(ids, n_bytes) for ids, n_bytes in zip(texts, sizes, strict=True) if n_bytes]
    return SelfText([ids for ids, _ in kept], [n_bytes for _, n_bytes in kept])


def _until(ids: list[int], end_id: int) -> list[int]:
    """Return the ids before the first ``end_id``."""
    return ids[: ids.index(end_id)] if end_id in ids else ids
