"""The perplexity report: base, tuned and present champion on held-out astro and general papers.

All models read the same texts, each with its own tokenizer. Packed blocks exist for the base's
tokenizer only; a champion on another base has none, and the report says so. General papers are of
fields that no recipe replays, for all models alike (corpus.fields). The paper's 6.55 and -32.5 %
are *training* perplexity (arXiv:2309.06126, figure 1) and so another number than ours.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from astro_assets.artifacts import atomic
from astro_assets.artifacts.manifest import Built
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.evaluation.perplexity.field_scores import FieldScores, score_model
from astro_assets.evaluation.perplexity.scores import Blocks
from astro_assets.evaluation.reports import built_report, write_report
from astro_assets.evaluation.samples import Sample
from astro_assets.evaluation.selection import FIELDS, take_held_out
from astro_assets.evaluation.statistics import paired_ratio_difference
from astro_assets.models.handle import ModelHandle
from astro_assets.progress import Progress

_BOOTSTRAP_SEED = 20230912

Scores = dict[str, dict[str, FieldScores]]
"""Model label -> field -> scores."""


def build_perplexity_report(
    models: Mapping[str, ModelHandle],
    *,
    texts: Mapping[str, pl.DataFrame],
    blocks: Mapping[str, Blocks],
    max_tokens: int,
    out: Path,
    progress: Progress,
    near_copies: Mapping[str, Collection[str]] | None = None,
) -> Built:
    """Measure all models on the same held-out papers and write the report.

    Args:
        models: ``base`` and ``tuned``, and ``champion`` where there is one.
        texts: Per field (``astro``, ``general``) the test papers: columns id, title, text; for
            ``general`` categories too, as only papers of measured fields are read.
        blocks: Per field the test blocks, cut with the base's tokenizer; for ``general`` of
            documents of measured fields (``corpus.documents.measured_blocks``).
        max_tokens: Text tokens per field (by the base's tokenizer) and measure that are read.
        out: Folder to make: report.json, documents.parquet.
        progress: Told per token.
        near_copies: Per field the ids of test papers to leave out; None leaves none out. Packed
            blocks are measured as they were cut, with them.

    Raises:
        EmptyCorpusError: a field has no test paper.
        BadModelError: a model gives no finite likelihood, or its tokenizer no tokens.
    """
    own = Tokenizer.load(models["base"].base_folder)
    chosen = take_held_out(texts, own, max_tokens=max_tokens, near_copies=near_copies)
    samples = chosen.samples
    scores: Scores = {}
    notes: list[str] = []
    for label, handle in models.items():
        tokenizer = Tokenizer.load(handle.base_folder)
        same_tokens = tokenizer.fingerprint == own.fingerprint
        scores[label] = score_model(
            handle,
            tokenizer,
            samples,
            progress=progress,
            blocks=blocks if same_tokens else {},
            max_tokens=max_tokens,
        )
        if scores[label]["astro"].blocks is None:
            why = "its context is shorter than a block" if same_tokens else "another tokenizer"
            notes.append(f"{label}: packed blocks not measured ({why})")
    with atomic.new_folder(out) as folder:
        _documents_table(samples, scores).write_parquet(folder / "documents.parquet")
        report = write_report(
            folder,
            {
                **compare(scores, notes),
                "near_copies_left_out": chosen.near_copies_left_out,
                "general_fields": chosen.general,
            },
        )
    counts = {f"{field}_documents": len(samples[field]) for field in FIELDS}
    return built_report(out, report, counts)


def compare(scores: Scores, notes: list[str]) -> dict[str, Any]:
    """Return the report: every model's figures, and the differences a promotion reads."""
    summaries = {
        label: {field: of_field[field].summary() for field in FIELDS}
        for label, of_field in scores.items()
    }
    ratio = {
        field: summaries["tuned"][field]["per_document"]["perplexity"]
        / summaries["base"][field]["per_document"]["perplexity"]
        for field in FIELDS
    }
    return {
        "models": {**summaries, "champion": summaries.get("champion")},
        "reduction_astro": 1 - ratio["astro"],
        "rise_general": ratio["general"] - 1,
        "tuned_minus_base": _differences(scores, "base"),
        "tuned_minus_champion": _differences(scores, "champion"),
        "notes": notes,
    }


def _differences(scores: Scores, other: str) -> dict[str, dict[str, float | int]] | None:
    """Return tuned minus another model in nats per byte, per field, with its paired interval."""
    if other not in scores:
        return None
    differences: dict[str, dict[str, float | int]] = {}
    for field in FIELDS:
        tuned, compared = scores["tuned"][field].documents, scores[other][field].documents
        interval = paired_ratio_difference(
            tuned.nll_nats, compared.nll_nats, tuned.n_bytes, seed=_BOOTSTRAP_SEED
        )
        differences[field] = {
            "nats_per_byte": interval.estimate,
            "low": interval.low,
            "high": interval.high,
            "n_documents": len(tuned.nll_nats),
        }
    return differences


def _documents_table(samples: Mapping[str, Sample], scores: Scores) -> pl.DataFrame:
    """Return one row per document: id, field, bytes, and nll and tokens per model."""
    return pl.concat(
        pl.DataFrame(
            {"id": sample.ids, "field": [field] * len(sample), "n_bytes": sample.n_bytes}
        ).with_columns(
            column
            for label, of_field in scores.items()
            for column in (
                pl.Series(f"nll_nats_{label}", of_field[field].documents.nll_nats),
                pl.Series(f"n_tokens_{label}", of_field[field].documents.n_tokens),
            )
        )
        for field, sample in samples.items()
    )
