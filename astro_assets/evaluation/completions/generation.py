"""Abstracts begun by their authors and continued by a model, and what of it can be counted.

Plain values out, nothing written: it runs where only the model's own libraries are. What does not
belong here: which abstracts (completions) and what the report shows of them.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationConfig

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.models.handle import ModelHandle
from astro_assets.models.scoring import CausalParts
from astro_assets.progress import Progress

_N_GRAM = 4
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_TOP_P_ALL, _TOP_K_ALL = 1.0, 0


@dataclass(frozen=True)
class Beginning:
    """An abstract cut in two: what the models are given, and how it went on."""

    paper: str
    title: str
    prompt: str
    truth: str


@dataclass(frozen=True)
class Continuation:
    """What a model (or the author) wrote after the beginning."""

    text: str
    n_tokens: int


@dataclass(frozen=True)
class Sampling:
    """How abstracts are continued: from the whole distribution, no top-k, no top-p."""

    max_new_tokens: int
    """Longest continuation (the paper: 1,024)."""
    seed: int = 0
    """Every continuation is sampled from this seed and its own number."""
    temperature: float = 0.3
    """The paper's."""


def continue_text(
    model: Any,
    tokenizer: Tokenizer,
    prompt: str,
    *,
    temperature: float,
    max_new_tokens: int,
    seed: int,
) -> Continuation:
    """Sample a continuation of ``prompt``, the same one whenever model and seed are the same.

    A prompt that leaves no room in the model's context loses its beginning; fewer tokens than asked
    for are made where the context ends.
    """
    parts = CausalParts.of(model)
    n_new = min(max_new_tokens, parts.max_positions // 2)
    room = parts.max_positions - n_new - 1
    ids = [tokenizer.bos_id, *tokenizer.encode_batch([prompt])[0][-room:]]
    given = torch.tensor([ids], device=parts.device)
    settings = GenerationConfig(
        do_sample=True,
        temperature=temperature,
        top_k=_TOP_K_ALL,
        top_p=_TOP_P_ALL,
        max_new_tokens=n_new,
        bos_token_id=tokenizer.bos_id,
        eos_token_id=tokenizer.eos_id,
        pad_token_id=tokenizer.eos_id,
    )
    devices = [parts.device] if parts.device.type == "cuda" else []
    with torch.inference_mode(), torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        output = model.generate(
            input_ids=given, attention_mask=torch.ones_like(given), generation_config=settings
        )
    made = [i for i in output[0, len(ids) :].tolist() if i != tokenizer.eos_id]
    return Continuation(_decoded_after(tokenizer, ids, made), len(made))


def measure(
    beginnings: Sequence[Beginning], continuations: Sequence[Continuation]
) -> dict[str, float | None]:
    """Return mean length, share of repeated 4-grams, and share of numbers not in the beginning.

    Shares are None where there is nothing to count.
    """
    repeats = [share for c in continuations if (share := repeated_share(c.text)) is not None]
    n_numbers = n_new = 0
    for beginning, continuation in zip(beginnings, continuations, strict=True):
        given = set(_NUMBER.findall(beginning.prompt))
        numbers = _NUMBER.findall(continuation.text)
        n_numbers += len(numbers)
        n_new += sum(number not in given for number in numbers)
    return {
        "mean_tokens": sum(c.n_tokens for c in continuations) / len(continuations),
        "repeated_4grams": sum(repeats) / len(repeats) if repeats else None,
        "new_numbers": n_new / n_numbers if n_numbers else None,
    }


def repeated_share(text: str) -> float | None:
    """Return the share of word 4-grams that occurred before in the text, None below four words.

    >>> repeated_share("a a a a a")
    0.5
    """
    words = text.split()
    grams = [tuple(words[i : i + _N_GRAM]) for i in range(len(words) - _N_GRAM + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else None


def continue_all(
    handle: ModelHandle,
    label: str,
    beginnings: Sequence[Beginning],
    *,
    sampling: Sampling,
    progress: Progress,
) -> list[Continuation]:
    """Load one model, continue every beginning, and let it go again.

    Args:
        handle: The model.
        label: What the progress display calls it.
        beginnings: What is continued.
        sampling: How; beginning ``n`` is sampled from the seed plus ``n``.
        progress: Told per continuation.
    """
    tokenizer = Tokenizer.load(handle.base_folder)
    model = handle.load()
    made = []
    total = float(len(beginnings))
    with progress.task(f"continue abstracts with {label}", total=total, unit="texts") as task:
        for number, beginning in enumerate(beginnings):
            made.append(
                continue_text(
                    model,
                    tokenizer,
                    beginning.prompt,
                    temperature=sampling.temperature,
                    max_new_tokens=sampling.max_new_tokens,
                    seed=sampling.seed + number,
                )
            )
            task.advance(1, n_tokens=made[-1].n_tokens)
    del model
    gc.collect()
    return made


def _decoded_after(tokenizer: Tokenizer, given: Sequence[int], made: Sequence[int]) -> str:
    """Return the text of ``made`` after ``given``; decoded alone it would lose its first blank."""
    before, whole = tokenizer.decode(given), tokenizer.decode([*given, *made])
    return whole[len(before) :] if whole.startswith(before) else tokenizer.decode(made)
