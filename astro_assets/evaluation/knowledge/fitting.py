"""Prompts as tokens that fit a model's context: [BOS], context, and continuations of it.

A prompt too long loses examples first (the farthest goes first), then the beginning of the
question, and never its options. What does not belong here: the words (prompts) and the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadSettingError
from astro_assets.evaluation.knowledge.prompts import Prompt


@dataclass(frozen=True)
class Continued:
    """A context and what may follow it, as tokens."""

    context: list[int]
    """Begins with [BOS]."""
    continuations: list[list[int]]
    """None of them empty."""


@dataclass(frozen=True)
class Fitted:
    """Prompts as tokens, and what was left out of them."""

    asked: list[Continued]
    n_lost_examples: int
    """Prompts that lost examples."""
    n_lost_beginning: int
    """Prompts that lost the beginning of the question too."""


def fit(prompts: Sequence[Prompt], tokenizer: Tokenizer, *, max_positions: int) -> Fitted:
    """Return every prompt as tokens, context and continuation together within ``max_positions``.

    A continuation begins where the tokens of the context and of the context with each continuation
    stop being the same: where a tokeniser merges the border, what it merged counts for all of them.

    Raises:
        BadSettingError: options or continuations alone are longer than the context.
    """
    n_kept = _examples_that_fit(prompts, tokenizer, max_positions)
    contexts = [prompt.context(n) for prompt, n in zip(prompts, n_kept, strict=True)]
    wholes = iter(
        tokenizer.encode_batch(
            [
                text + continuation
                for prompt, text in zip(prompts, contexts, strict=True)
                for continuation in prompt.continuations
            ]
        )
    )
    asked, n_lost_beginning = [], 0
    for prompt, ids in zip(prompts, tokenizer.encode_batch(contexts), strict=True):
        own = [next(wholes) for _ in prompt.continuations]
        n_lost = max(0, 1 + max(map(len, own)) - max_positions)
        n_shared = min(_n_shared(ids, whole) for whole in own)
        if n_lost:
            n_lost_beginning += 1
            n_over = n_lost - _n_head(prompt, tokenizer, n_shared)
            if n_over > 0:
                raise _cut_options(prompt, n_over)
        asked.append(
            Continued(
                [tokenizer.bos_id, *ids[n_lost:n_shared]], [whole[n_shared:] for whole in own]
            )
        )
    lost = sum(n < len(prompt.examples) for n, prompt in zip(n_kept, prompts, strict=True))
    return Fitted(asked, lost, n_lost_beginning)


def too_long(prompts: Sequence[Prompt], tokenizer: Tokenizer, *, max_positions: int) -> list[bool]:
    """Return per prompt whether ``fit`` would refuse it: its options alone are too long."""
    found = []
    contexts = [prompt.context(0) for prompt in prompts]
    longest = _longest(prompts, tokenizer)
    for prompt, text, ids, n_more in zip(
        prompts, contexts, tokenizer.encode_batch(contexts), longest, strict=True
    ):
        if len(ids) + n_more <= max_positions:
            found.append(False)
            continue
        own = tokenizer.encode_batch([text + continuation for continuation in prompt.continuations])
        n_lost = 1 + max(map(len, own)) - max_positions
        n_shared = min(_n_shared(ids, whole) for whole in own)
        found.append(n_lost > 0 and n_lost > _n_head(prompt, tokenizer, n_shared))
    return found


def n_needed(prompts: Sequence[Prompt], tokenizer: Tokenizer) -> int:
    """Return how many positions a context must have so that no prompt loses anything."""
    texts = [
        prompt.context(len(prompt.examples)) + continuation
        for prompt in prompts
        for continuation in prompt.continuations
    ]
    return 1 + max(map(len, tokenizer.encode_batch(texts)))


def _examples_that_fit(
    prompts: Sequence[Prompt], tokenizer: Tokenizer, max_positions: int
) -> list[int]:
    """Return per prompt the greatest number of its examples for which nothing else must go."""
    kept = [len(prompt.examples) for prompt in prompts]
    longest = _longest(prompts, tokenizer)
    pending = [i for i, n in enumerate(kept) if n]
    while pending:
        texts = [prompts[i].context(kept[i]) for i in pending]
        too_long = [
            i
            for i, ids in zip(pending, tokenizer.encode_batch(texts), strict=True)
            if len(ids) + longest[i] > max_positions
        ]
        for i in too_long:
            kept[i] -= 1
        pending = [i for i in too_long if kept[i]]
    return kept


def _longest(prompts: Sequence[Prompt], tokenizer: Tokenizer) -> list[int]:
    """Return per prompt the most positions that [BOS] and a continuation take."""
    # One token more than the continuation alone has: the border may be cut in another way.
    return [2 + max(map(len, tokenizer.encode_batch(prompt.continuations))) for prompt in prompts]


def _n_head(prompt: Prompt, tokenizer: Tokenizer, n_shared: int) -> int:
    """Return how many tokens a prompt without examples may lose: those of its question."""
    return min(n_shared, len(tokenizer.encode_batch([prompt.head])[0]))


def _cut_options(prompt: Prompt, n_over: int) -> BadSettingError:
    return BadSettingError(
        f"The options of a question are {n_over} tokens longer than the model's context: "
        f"{prompt.head[:60]!r}.",
        expected="options that fit into it.",
        do="Shorten or remove that question.",
    )


def _n_shared(context: Sequence[int], whole: Sequence[int]) -> int:
    """Return how many leading tokens are the same, at most all but one of ``whole``."""
    n_shared = 0
    for ours, theirs in zip(context, whole[:-1], strict=False):
        if ours != theirs:
            break
        n_shared += 1
    return n_shared
