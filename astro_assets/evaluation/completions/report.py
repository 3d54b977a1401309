"""The completion report: abstracts begun by their authors, continued by models.

The paper's figure 2 (arXiv:2309.06126): the first sentences are given, the rest is sampled at
temperature 0.3 and stands beside the true rest, and beside what other models made of it. What can
be counted is counted. What does not belong here: the writing (generation), the counting (measures)
and how it looks (pages).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from astro_assets.artifacts import atomic
from astro_assets.artifacts.manifest import Built
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.evaluation.completions.beginnings import MAX_CHARACTERS, take_beginnings
from astro_assets.evaluation.completions.generation import (
    Beginning,
    Continuations,
    Sampling,
    continue_all,
)
from astro_assets.evaluation.completions.intervals import (
    Texts,
    differences,
    intervals,
    tallies_of,
)
from astro_assets.evaluation.completions.measures import Text, measure
from astro_assets.evaluation.completions.others import OtherCompletions, load_others
from astro_assets.evaluation.reports import built_report, write_report
from astro_assets.evaluation.selection import leave_out
from astro_assets.models.handle import ModelHandle
from astro_assets.models.together import each_loaded
from astro_assets.progress import Progress

TRUTH = "truth"
_LABELS = ("base", "tuned", "champion", "model")


def build_completion_report(
    models: Mapping[str, ModelHandle],
    texts: pl.DataFrame,
    sampling: Sampling,
    *,
    n_abstracts: int,
    out: Path,
    progress: Progress,
    near_copies: Collection[str] | None = None,
    others: Path | None = None,
) -> Built:
    """Let every model continue the same abstracts and write the report.

    Args:
        models: Label -> model; at least one.
        texts: Test papers: columns id, title, text.
        sampling: How.
        n_abstracts: How many are continued at most.
        out: Folder to make: report.json.
        progress: Told per batch of continuations.
        near_copies: Ids of papers to leave out; None leaves none out.
        others: File of completions by other models; None: there is none.

    Raises:
        EmptyCorpusError: no abstract has more than one sentence.
        BadSettingError: the file of completions cannot be used.
        BadModelError: a model cannot be loaded, or gives no finite logits.
    """
    papers, n_left_out = leave_out(texts, near_copies)
    beginnings = take_beginnings(papers, n_abstracts)
    # Before the models: a bad line is told at once.
    beside = load_others(others, taken={*_LABELS, *models, TRUTH}) if others else None
    written = _written(models, beginnings, sampling, progress)
    counted_by = Tokenizer.load(models.get("base", next(iter(models.values()))).base_folder)
    texts_by_writer = _by_writer(beginnings, written, beside, counted_by)
    report = {
        "temperature": sampling.temperature,
        "max_new_tokens": sampling.max_new_tokens,
        "n_samples": sampling.n_different,
        "seed": sampling.seed,
        "near_copies_left_out": n_left_out,
        "models": list(models),
        "items": _items(beginnings, written, beside),
        **measured(texts_by_writer),
        "others": beside.counts([b.paper for b in beginnings]) if beside else None,
        "notes": list(_notes(sampling, written)),
    }
    with atomic.new_folder(out) as folder:
        report = write_report(folder, report)
    return built_report(out, report, {"n_completions": len(beginnings)})


def _written(
    models: Mapping[str, ModelHandle],
    beginnings: Sequence[Beginning],
    sampling: Sampling,
    progress: Progress,
) -> dict[str, Continuations]:
    """Return what each model made of the beginnings, in the order of ``models``."""
    written = {}
    for label, model in each_loaded(models):
        written[label] = continue_all(
            model,
            Tokenizer.load(models[label].base_folder),
            beginnings,
            sampling=sampling,
            name=label,
            progress=progress,
        )
        del model  # else it would stay in memory beside the next one
    return {label: written[label] for label in models}


def _items(
    beginnings: Sequence[Beginning],
    written: Mapping[str, Continuations],
    beside: OtherCompletions | None,
) -> list[dict[str, Any]]:
    """Return every abstract with all that was made of it, each text bounded."""
    return [
        {
            "id": beginning.paper,
            "title": beginning.title,
            "prompt": beginning.prompt,
            "truth": beginning.truth,
            "completions": {
                label: [text[:MAX_CHARACTERS] for text in made.texts[number]]
                for label, made in written.items()
            },
            "others": {
                name: text[:MAX_CHARACTERS] for name, text in beside.of(beginning.paper).items()
            }
            if beside
            else {},
        }
        for number, beginning in enumerate(beginnings)
    ]


def _by_writer(
    beginnings: Sequence[Beginning],
    written: Mapping[str, Continuations],
    beside: OtherCompletions | None,
    counted_by: Tokenizer,
) -> dict[str, list[list[Text]]]:
    """Return writer -> per abstract what it wrote: models, the authors, others."""
    made: dict[str, list[Sequence[str]]] = {
        label: list(one.texts) for label, one in written.items()
    }
    made[TRUTH] = [[beginning.truth] for beginning in beginnings]
    for number, beginning in enumerate(beginnings):
        for name, text in (beside.of(beginning.paper) if beside else {}).items():
            made.setdefault(name, [()] * len(beginnings))[number] = [text]
    found = {}
    for writer, own in made.items():
        bounded = [[text[:MAX_CHARACTERS] for text in texts] for texts in own]
        counts = iter(counted_by.encode_batch([text for texts in bounded for text in texts]))
        found[writer] = [
            [
                Text(text, b.prompt, None if writer == TRUTH else b.truth, len(next(counts)))
                for text in texts
            ]
            for b, texts in zip(beginnings, bounded, strict=True)
        ]
    return found


def measured(texts: Mapping[str, Texts]) -> dict[str, Any]:
    """Return what a report says of the texts of all writers.

    Returns:
        measures: writer -> measures with their ``interval``; differences: of tuned against base,
        champion and the authors, null where one of them wrote too little.
    """
    tallies = {writer: tallies_of(own) for writer, own in texts.items()}
    return {
        "measures": {
            writer: {
                **measure([text for one in own for text in one]),
                "interval": intervals(tallies[writer]),
            }
            for writer, own in texts.items()
        },
        "differences": {
            f"tuned_minus_{other}": differences(tallies["tuned"], tallies[other])
            if {"tuned", other} <= tallies.keys()
            else None
            for other in ("base", "champion", TRUTH)
        },
    }


def _notes(sampling: Sampling, written: Mapping[str, Continuations]) -> Iterable[str]:
    """Yield what must be known to read the report, one sentence each."""
    if sampling.n_different < sampling.n_samples:
        yield "Without a temperature a model writes one text only: one sample each was made."
    for label, made in written.items():
        least, most = min(made.n_room), max(made.n_room)
        if least < sampling.max_new_tokens:
            told = f"{least:,}" if least == most else f"{least:,} to {most:,}"
            yield (
                f"The context of {label} has room for {told} new tokens after a beginning, not "
                f"for {sampling.max_new_tokens:,}."
            )
        if made.n_cut:
            yield (
                f"{made.n_cut:,} of {len(made.texts):,} beginnings were too long for the context "
                f"of {label} and lost their first words."
            )
