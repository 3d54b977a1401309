"""The perplexity report: base, tuned and present champion on held-out astro and general papers.

All models read the same texts, each with its own tokenizer. Packed blocks exist for the base's
tokenizer only; a champion on another base has none, and the report says so. The paper's 6.55 and
-32.5 % are *training* perplexity (arXiv:2309.06126, figure 1) and so another number than ours.
"""

from __future__ import annotations

import gc
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from astro_assets.artifacts import atomic
from astro_assets.artifacts.manifest import Built
from astro_assets.corpus.blocks import TokenBlocks
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadModelError
from astro_assets.evaluation.perplexity import (
    BlockScores,
    DocumentScores,
    score_blocks,
    score_documents,
)
from astro_assets.evaluation.reports import built_report, write_report
from astro_assets.evaluation.samples import Sample, leave_out, take_tokens
from astro_assets.evaluation.scoring import CausalParts
from astro_assets.evaluation.statistics import paired_ratio_difference
from astro_assets.models.handle import ModelHandle
from astro_assets.progress import Progress

FIELDS = ("astro", "general")
_BOOTSTRAP_SEED = 20230912


@dataclass(frozen=True)
class FieldScores:
    """What one model scores on one field."""

    documents: DocumentScores
    blocks: BlockScores | None

    def summary(self) -> dict[str, Any]:
        """Return the figures of both measures; packed is None where it could not be taken."""
        return {
            "per_document": self.documents.summary(),
            "packed_blocks": self.blocks.summary() if self.blocks else None,
        }


Scores = dict[str, dict[str, FieldScores]]
"""Model label -> field -> scores."""


def build_perplexity_report(
    models: Mapping[str, ModelHandle],
    *,
    texts: Mapping[str, pl.DataFrame],
    blocks: Mapping[str, TokenBlocks],
    max_tokens: int,
    out: Path,
    progress: Progress,
    near_copies: Mapping[str, Collection[str]] | None = None,
) -> Built:
    """Measure all models on the same held-out papers and write the report.

    Args:
        models: ``base`` and ``tuned``, and ``champion`` where there is one.
        texts: Per field (``astro``, ``general``) the test papers: columns id, title, text.
        blocks: Per field the test blocks, cut with the base's tokenizer.
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
    left = {f: leave_out(texts[f], near_copies[f] if near_copies else None) for f in FIELDS}
    samples = {
        field: take_tokens(papers, own, max_tokens=max_tokens, what=f"{field} test papers")
        for field, (papers, _) in left.items()
    }
    scores: Scores = {}
    notes: list[str] = []
    for label, handle in models.items():
        tokenizer = Tokenizer.load(handle.base_folder)
        same_tokens = tokenizer.fingerprint == own.fingerprint
        scores[label] = _score_model(
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
        gone = {field: n for field, (_, n) in left.items()} if near_copies else None
        report = write_report(folder, {**compare(scores, notes), "near_copies_left_out": gone})
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


def _score_model(
    handle: ModelHandle,
    tokenizer: Tokenizer,
    samples: Mapping[str, Sample],
    *,
    blocks: Mapping[str, TokenBlocks],
    max_tokens: int,
    progress: Progress,
) -> dict[str, FieldScores]:
    """Load one model, score every field, and let it go again."""
    model = handle.load()
    max_positions = CausalParts.of(model).max_positions
    scores = {}
    for field, sample in samples.items():
        name = f"perplexity of {handle.label} on {field}"
        documents = tokenizer.encode_batch(sample.texts)
        if not any(documents):
            raise BadModelError(f"The tokenizer of {handle.label} makes no tokens of the texts.")
        scores[field] = FieldScores(
            documents=score_documents(
                model,
                documents,
                sample.n_bytes,
                bos_id=tokenizer.bos_id,
                max_positions=max_positions,
                progress=progress,
                name=name,
            ),
            blocks=_score_packed(
                model,
                blocks.get(field),
                max_positions,
                max_tokens=max_tokens,
                progress=progress,
                name=f"{name}, packed",
            ),
        )
    del model
    gc.collect()
    return scores


def _score_packed(
    model: Any,
    blocks: TokenBlocks | None,
    max_positions: int,
    *,
    max_tokens: int,
    progress: Progress,
    name: str,
) -> BlockScores | None:
    if blocks is None or blocks.block_length > max_positions:
        return None
    return score_blocks(model, blocks, max_tokens=max_tokens, progress=progress, name=name)


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
