"""Abstracts begun by their authors and continued by a model.

Plain values out, nothing written: it runs where only the model's own libraries are. What does not
belong here: which abstracts (beginnings), what can be counted of the texts (measures), and how a
token is drawn (models.sampling).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadSettingError
from astro_assets.models.sampling import BATCH, sample_tokens
from astro_assets.models.scoring import CausalParts
from astro_assets.progress import Progress, Task

LONGEST = 1_024
"""New tokens at most, as in the paper."""
_CACHE_BYTES = 4 << 30
"""Keys and values of a batch at most (4 GiB).

Llama-2 7B in bfloat16 weighs 12.6 GiB and keeps 0.5 MiB a position. A GPU of 24 GB (22.4 GiB) has
9 GiB left beside it: this cache, and as much again for what the allocator loses while a cache grows
position by position, the copy of the layer that grows, and the reading of the prompts.
"""
_ROOMS = 8
"""Room for new tokens is counted in eighths of the context: few groups of prompts to batch."""


@dataclass(frozen=True)
class Beginning:
    """An abstract cut in two: what the models are given, and how it went on."""

    paper: str
    """arXiv id."""
    title: str
    prompt: str
    truth: str


@dataclass(frozen=True)
class Sampling:
    """How abstracts are continued: from the whole distribution, no top-k, no top-p."""

    max_new_tokens: int = LONGEST
    """Longest continuation, 1 to 1,024 (the paper: 1,024)."""
    n_samples: int = 1
    """Continuations of each abstract by each model."""
    seed: int = 0
    """A continuation is drawn from this seed, its paper's id and its own number."""
    temperature: float = 0.3
    """The paper's; 0 takes the likeliest token."""

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            BadSettingError: a value is outside.
        """
        for name, value, low, high in (
            ("max_new_tokens", self.max_new_tokens, 1, LONGEST),
            ("n_samples", self.n_samples, 1, 1_000),
            ("temperature", self.temperature, 0, 10),
        ):
            if not low <= value <= high:
                raise BadSettingError(f"{name} is {value}.", expected=f"{low:,} to {high:,}.")

    @property
    def n_different(self) -> int:
        """How many samples can differ: without a temperature there is one text only."""
        return self.n_samples if self.temperature > 0 else 1


@dataclass(frozen=True)
class Continuations:
    """What one model wrote."""

    texts: tuple[tuple[str, ...], ...]
    """Per beginning one text per sample, without blanks at its ends; "" where it ended at once."""
    n_room: tuple[int, ...]
    """Per beginning the new tokens that the settings and the context allow."""
    n_cut: int
    """Beginnings that lost their first words to make room."""


def continue_all(
    model: Any,
    tokenizer: Tokenizer,
    beginnings: Sequence[Beginning],
    *,
    sampling: Sampling,
    name: str,
    progress: Progress,
) -> Continuations:
    """Continue every beginning ``n_different`` times; neither batch nor order changes a text.

    A prompt that leaves no room in the context (less than half of it, and less than is asked for)
    loses its beginning; fewer tokens than asked for are made where the context ends.

    Args:
        model: In eval mode.
        tokenizer: The model's own.
        beginnings: What is continued.
        sampling: How.
        name: What the progress display calls the model.
        progress: Told per batch.

    Raises:
        BadModelError: the model gives no finite logits.
    """
    context = CausalParts.of(model).max_positions
    longest = context - min(sampling.max_new_tokens, context // 2)
    encoded = tokenizer.encode_batch([beginning.prompt for beginning in beginnings])
    prompts = [[tokenizer.bos_id, *ids[max(0, len(ids) + 1 - longest) :]] for ids in encoded]
    rooms = [_room(len(ids), context, sampling.max_new_tokens) for ids in prompts]
    made: dict[int, list[list[int]]] = {}
    total = float(len(prompts) * sampling.n_different)
    with progress.task(f"continue abstracts with {name}", total=total, unit="texts") as task:
        for room in sorted(set(rooms)):
            group = [index for index, own in enumerate(rooms) if own == room]
            given = [(beginnings[index].paper, prompts[index]) for index in group]
            written = _samples(
                model, given, room, sampling=sampling, tokenizer=tokenizer, task=task
            )
            made |= zip(group, written, strict=True)
    return Continuations(
        texts=tuple(
            tuple(_decoded_after(tokenizer, ids, new).strip() for new in made[index])
            for index, ids in enumerate(prompts)
        ),
        n_room=tuple(rooms),
        n_cut=sum(len(ids) + 1 > longest for ids in encoded),
    )


def _samples(
    model: Any,
    prompts: Sequence[tuple[str, Sequence[int]]],
    n_new: int,
    *,
    sampling: Sampling,
    tokenizer: Tokenizer,
    task: Task,
) -> list[list[list[int]]]:
    """Return per paper, given with its prompt, the ids of each sample of up to ``n_new`` tokens."""
    n = sampling.n_different
    written = sample_tokens(
        model,
        [ids for _, ids in prompts for _ in range(n)],
        [_seed(sampling.seed, paper, number) for paper, _ in prompts for number in range(n)],
        n_new=n_new,
        temperature=sampling.temperature,
        eos_id=tokenizer.eos_id,
        batch_size=rows_at_once(model, max(len(ids) for _, ids in prompts) + n_new),
        advance=lambda n_texts, n_tokens: task.advance(n_texts, n_tokens=n_tokens),
    )
    return [written[begin : begin + n] for begin in range(0, len(written), n)]


def rows_at_once(model: Any, n_positions: int) -> int:
    """Return how many sequences of ``n_positions`` tokens are written together: 1 to 32.

    A position keeps a key and a value per layer: 2 x layers x heads x width x bytes of a number.
    """
    causal = model.get_base_model() if hasattr(model, "peft_config") else model
    config = causal.config
    n_queries = getattr(config, "num_attention_heads", 1)
    n_heads = getattr(config, "num_key_value_heads", None) or n_queries
    width = getattr(config, "head_dim", None) or config.hidden_size // n_queries
    n_bytes = 2 * config.num_hidden_layers * n_heads * width * causal.dtype.itemsize
    return int(max(1, min(BATCH, _CACHE_BYTES // (n_bytes * n_positions))))


def _room(n_prompt: int, context: int, n_asked: int) -> int:
    """Return how many tokens may follow a prompt; at least half the context where it was cut."""
    left = context - n_prompt
    step = max(1, context // _ROOMS)
    return n_asked if left >= n_asked else max(left // step * step, 1)


def _seed(seed: int, paper: str, number: int) -> int:
    """Return 64 bits that depend on nothing but these three, whatever else is continued."""
    digest = hashlib.sha256(f"{seed}\0{paper}\0{number}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def _decoded_after(tokenizer: Tokenizer, given: Sequence[int], made: Sequence[int]) -> str:
    """Return the text of ``made`` after ``given``; decoded alone it would lose its first blank."""
    before, whole = tokenizer.decode(given), tokenizer.decode([*given, *made])
    return whole[len(before) :] if whole.startswith(before) else tokenizer.decode(made)
