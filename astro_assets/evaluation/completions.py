"""The completion report: abstracts begun by their authors, continued by base and tuned.

The paper's figure 2 (arXiv:2309.06126): the first sentences are given, the rest is
sampled at temperature 0.3 and stands beside the true rest. What can be counted is counted: length,
repetition, and numbers the beginning did not hold (the paper's own worry is invented numbers).
"""

from __future__ import annotations

import gc
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from transformers import GenerationConfig

from astro_assets.artifacts import atomic
from astro_assets.artifacts.manifest import Built
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import EmptyCorpusError
from astro_assets.evaluation.reports import built_report, write_report
from astro_assets.evaluation.samples import leave_out, take_papers
from astro_assets.evaluation.scoring import CausalParts
from astro_assets.evaluation.sentences import split_sentences
from astro_assets.models.handle import ModelHandle
from astro_assets.progress import Progress

MODELS = ("base", "tuned")
_MIN_PROMPT_WORDS = 12
_MAX_CHARACTERS = 8_000
"""Kept of any text in the report: texts come from outside, and from models."""
_TITLE_CHARACTERS = 300
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


def build_completion_report(
    models: Mapping[str, ModelHandle],
    texts: pl.DataFrame,
    sampling: Sampling,
    *,
    n_abstracts: int,
    out: Path,
    progress: Progress,
    near_copies: Collection[str] | None = None,
) -> Built:
    """Let base and tuned continue the same abstracts and write the report.

    Args:
        models: ``base`` and ``tuned``.
        texts: Test papers: columns id, title, text.
        sampling: How.
        n_abstracts: How many are continued at most.
        out: Folder to make: report.json.
        progress: Told per continuation.
        near_copies: Ids of papers to leave out; None leaves none out.

    Raises:
        EmptyCorpusError: no abstract has more than one sentence.
    """
    papers, n_left_out = leave_out(texts, near_copies)
    beginnings = take_beginnings(papers, n_abstracts)
    written = {
        label: _continue_all(models[label], label, beginnings, sampling=sampling, progress=progress)
        for label in MODELS
    }
    truths = _truths(beginnings, Tokenizer.load(models["base"].base_folder))
    report = {
        "temperature": sampling.temperature,
        "max_new_tokens": sampling.max_new_tokens,
        "near_copies_left_out": n_left_out,
        "items": [
            _item(beginning, {label: written[label][number].text for label in MODELS})
            for number, beginning in enumerate(beginnings)
        ],
        "measures": {
            label: measure(beginnings, continuations)
            for label, continuations in {**written, "truth": truths}.items()
        },
    }
    with atomic.new_folder(out) as folder:
        report = write_report(folder, report)
    return built_report(out, report, {"n_completions": len(beginnings)})


def take_beginnings(texts: pl.DataFrame, n: int) -> list[Beginning]:
    """Return the first ``n`` abstracts in sampling order that have a beginning and a rest.

    The beginning is the first sentence, with as many more as make twelve words.

    Raises:
        EmptyCorpusError: there is none.
    """
    sample = take_papers(texts, what="astro test papers")
    found: list[Beginning] = []
    for paper, title, text in zip(sample.ids, sample.titles, sample.texts, strict=True):
        if len(found) == n:
            break
        sentences = split_sentences(text)
        n_first = 1
        while len(" ".join(sentences[:n_first]).split()) < _MIN_PROMPT_WORDS < len(text.split()):
            n_first += 1
        prompt, truth = " ".join(sentences[:n_first]), " ".join(sentences[n_first:])
        if truth:
            found.append(Beginning(paper, title, prompt, truth))
    if not found:
        raise EmptyCorpusError(
            f"None of {len(sample)} astro test papers has an abstract of several sentences.",
            expected="at least one that can be begun and continued.",
            do="Give a larger snapshot or a later release.",
        )
    return found


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


def _continue_all(
    handle: ModelHandle,
    label: str,
    beginnings: Sequence[Beginning],
    *,
    sampling: Sampling,
    progress: Progress,
) -> list[Continuation]:
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


def _truths(beginnings: Sequence[Beginning], tokenizer: Tokenizer) -> list[Continuation]:
    """Return the authors' own continuations, their length in the base's tokens."""
    encoded = tokenizer.encode_batch([beginning.truth for beginning in beginnings])
    return [Continuation(b.truth, len(ids)) for b, ids in zip(beginnings, encoded, strict=True)]


def _item(beginning: Beginning, completions: Mapping[str, str]) -> dict[str, Any]:
    """Return one abstract as the report shows it, every text bounded."""
    return {
        "id": beginning.paper,
        "title": beginning.title[:_TITLE_CHARACTERS],
        "prompt": beginning.prompt[:_MAX_CHARACTERS],
        "truth": beginning.truth[:_MAX_CHARACTERS],
        "completions": {label: text[:_MAX_CHARACTERS] for label, text in completions.items()},
    }


def _decoded_after(tokenizer: Tokenizer, given: Sequence[int], made: Sequence[int]) -> str:
    """Return the text of ``made`` after ``given``; decoded alone it would lose its first blank."""
    before, whole = tokenizer.decode(given), tokenizer.decode([*given, *made])
    return whole[len(before) :] if whole.startswith(before) else tokenizer.decode(made)
