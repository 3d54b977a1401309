"""Sampling from a causal language model: tokens that do not depend on who else is in the batch.

transformers draws a batch's tokens from one stream of random numbers, so what is written depends on
the batch. Here every sequence has uniform numbers of its own, drawn beforehand from its seed, and
each of its tokens is the inverse of the distribution at the next of them. Batch size, order and
device change nothing but rounding. In float32 that moves the border between two pieces by about
1e-6, so a token hardly ever differs. In bfloat16, which a GPU computes in, it moves it by up to
about 1e-2: a text can differ from the first token whose number lies so near a border, and is
another text from there on. Only equal batches on one device give equal texts there.

What does not belong here: what is continued, and what is made of the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from astro_assets.errors import BadModelError
from astro_assets.models.scoring import CausalParts

BATCH = 32
"""Sequences that are continued together."""


def sample_tokens(
    model: Any,
    prompts: Sequence[Sequence[int]],
    seeds: Sequence[int],
    *,
    n_new: int,
    temperature: float,
    eos_id: int | None,
    batch_size: int = BATCH,
    advance: Callable[[int, int], None] = lambda _n_sequences, _n_tokens: None,
) -> list[list[int]]:
    """Return what the model writes after each prompt: at most ``n_new`` ids, [EOS] left out.

    The whole distribution is drawn from: no top-k, no top-p, and none of the penalties that a
    model's generation_config.json may ask for.

    Args:
        model: A causal language model in eval mode.
        prompts: Token ids with their [BOS]; each with ``n_new`` more at most as long as the
            model's context, and none empty.
        seeds: One per prompt.
        n_new: Longest continuation, in tokens.
        temperature: 1 is the model's own distribution, 0 takes the likeliest token.
        eos_id: What ends a text; None: every text has ``n_new`` tokens.
        batch_size: Sequences at a time; changes speed and memory only.
        advance: Told sequences and tokens after each batch.

    Raises:
        BadModelError: the model gives no finite logits.
    """
    made: list[list[int]] = [[] for _ in prompts]
    # Like lengths together: the shorter ones of a batch are padded.
    order = sorted(range(len(prompts)), key=lambda i: (-len(prompts[i]), i))
    for begin in range(0, len(order), batch_size):
        batch = order[begin : begin + batch_size]
        written = _sample_batch(
            model,
            [prompts[i] for i in batch],
            np.stack([_uniforms(seeds[i], n_new) for i in batch]),
            temperature=temperature,
            eos_id=eos_id,
        )
        for index, ids in zip(batch, written, strict=True):
            made[index] = ids
        advance(len(batch), sum(map(len, written)))
    return made


def _uniforms(seed: int, n: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return n numbers in [0, 1): the same for a seed, and a longer row begins with a shorter."""
    return np.random.default_rng(seed).random(n)


def _sample_batch(
    model: Any,
    prompts: Sequence[Sequence[int]],
    uniforms: np.ndarray[Any, np.dtype[np.float64]],
    *,
    temperature: float,
    eos_id: int | None,
) -> list[list[int]]:
    parts = CausalParts.of(model)
    device = parts.device
    longest = max(map(len, prompts))
    ids = torch.zeros((len(prompts), longest), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(list(prompt))
        mask[row, longest - len(prompt) :] = 1
    n_new = uniforms.shape[1]
    # Greedy as far as transformers knows: the processor leaves one token to choose from.
    settings = GenerationConfig(
        do_sample=False,
        max_new_tokens=n_new,
        # None would be filled in from the model: an id that is none ends nothing.
        eos_token_id=parts.n_vocab if eos_id is None else eos_id,
        pad_token_id=0,
    )
    chosen = _Chosen(torch.from_numpy(uniforms).to(device), longest, temperature)
    with torch.inference_mode(), _without_own_settings(model) as causal:
        output = causal.generate(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            generation_config=settings,
            logits_processor=LogitsProcessorList([chosen]),
        )
    if not chosen.all_finite:
        raise BadModelError(
            "The model gives no finite logits while it writes.",
            expected="finite log-probabilities.",
            do="Look at its learning curve: weights that have become NaN or infinite do this.",
        )
    return [_until(row, eos_id) for row in output[:, longest:].tolist()]


@contextmanager
def _without_own_settings(model: Any) -> Iterator[Any]:
    """Yield the transformers model, for a while without the generation settings it came with.

    transformers fills what the caller leaves open from them: a repetition penalty, say, which would
    make models differ by more than their weights.
    """
    causal = model.get_base_model() if hasattr(model, "peft_config") else model
    own = causal.generation_config
    causal.generation_config = GenerationConfig()
    try:
        yield causal
    finally:
        causal.generation_config = own


def _until(ids: list[int], eos_id: int | None) -> list[int]:
    """Return the ids before the first [EOS]; what follows is padding."""
    return ids[: ids.index(eos_id)] if eos_id is not None and eos_id in ids else ids


class _Chosen(LogitsProcessor):  # type: ignore[misc]
    """Leaves each row the one token that its next uniform number falls on."""

    def __init__(self, uniforms: torch.Tensor, n_prompt: int, temperature: float) -> None:
        self._uniforms, self._n_prompt, self._temperature = uniforms, n_prompt, temperature
        self._finite = torch.ones((), dtype=torch.bool, device=uniforms.device)

    @property
    def all_finite(self) -> bool:
        """Whether every row has had a likeliest token; asked once, since asking waits for a GPU."""
        return bool(self._finite)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return scores that are -inf for all but one token of each row."""
        self._finite &= torch.isfinite(scores.amax(dim=-1)).all()
        if self._temperature == 0:
            token = scores.argmax(dim=-1)
        else:
            mass = torch.softmax(scores.double() / self._temperature, dim=-1).cumsum(dim=-1)
            at = self._uniforms[:, input_ids.shape[1] - self._n_prompt, None] * mass[:, -1:]
            token = torch.searchsorted(mass, at, right=True)[:, 0].clamp(max=scores.shape[-1] - 1)
        left = torch.full_like(scores, -torch.inf)
        return left.scatter(-1, token[:, None], 0.0)
