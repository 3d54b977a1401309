"""The completion report: abstracts begun by their authors, continued by base and tuned.

The paper's figure 2 (arXiv:2309.06126): the first sentences are given, the rest is
sampled at temperature 0.3 and stands beside the true rest. What can be counted is counted: length,
repetition, and numbers the beginning did not hold (the paper's own worry is invented numbers).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from astro_assets.artifacts import atomic
from astro_assets.artifacts.manifest import Built
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import EmptyCorpusError
from astro_assets.evaluation.completions.generation import (
    Beginning,
    Continuation,
    Sampling,
    continue_all,
    measure,
)
from astro_assets.evaluation.completions.sentences import split_sentences
from astro_assets.evaluation.reports import built_report, write_report
from astro_assets.evaluation.selection import leave_out, take_papers
from astro_assets.models.handle import ModelHandle
from astro_assets.progress import Progress

MODELS = ("base", "tuned")
_MIN_PROMPT_WORDS = 12
_MAX_CHARACTERS = 8_000
"""Kept of any text in the report: texts come from outside, and from models."""
_TITLE_CHARACTERS = 300


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
        label: continue_all(models[label], label, beginnings, sampling=sampling, progress=progress)
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
