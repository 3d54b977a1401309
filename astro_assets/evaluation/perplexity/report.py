"""The perplexity report: models on held-out astro and general papers, in rings, forward in time.

All models read the same texts, each with its own tokenizer. Packed blocks exist for the tokenizer
they were cut with only; another model has none, and the report says so. General papers are of
fields that no recipe replays, for all models alike (corpus.fields). The paper's 6.55 and -32.5 %
are *training* perplexity (arXiv:2309.06126, figure 1): they stand beside ours on training blocks.
A document longer than a model's context is read in windows, each after a fresh [BOS] in the middle
of the text (``n_split_documents`` counts them).

What does not belong here: which documents are measured (``sets``), running models
(``model_scores``) and what their scores say (``comparison``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import polars as pl

from astro_assets.artifacts import atomic
from astro_assets.artifacts.manifest import Built
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.evaluation.perplexity.comparison import compare
from astro_assets.evaluation.perplexity.document_table import document_table
from astro_assets.evaluation.perplexity.forward import LaterPapers, forward_notes
from astro_assets.evaluation.perplexity.model_scores import (
    SELF_TEXT,
    ModelScores,
    in_order,
    score_models,
)
from astro_assets.evaluation.perplexity.scores import Blocks
from astro_assets.evaluation.perplexity.sets import Sets, take_sets
from astro_assets.evaluation.reports import built_report, write_report
from astro_assets.evaluation.samples import Sample
from astro_assets.evaluation.selection import FIELDS, LATER_TOKENS, OTHER_TOKENS
from astro_assets.models.handle import ModelHandle
from astro_assets.progress import Progress


def build_perplexity_report(  # noqa: PLR0913 (what is measured, and on what)
    models: Mapping[str, ModelHandle],
    *,
    texts: Mapping[str, pl.DataFrame],
    blocks: Mapping[str, Blocks],
    max_tokens: int,
    out: Path,
    progress: Progress,
    near_copies: Mapping[str, Collection[str]] | None = None,
    sampled_by: Tokenizer | None = None,
    later: LaterPapers | None = None,
    prose: Sample | None = None,
    train_share_read: float | None = None,
    foreign: Collection[str] = (),
) -> Built:
    """Measure all models on the same held-out papers and write the report.

    Args:
        models: Any labels; ``base``, ``tuned`` and ``champion`` are compared where they are there.
        texts: Per field (``astro``, ``general``) the test papers, all columns of ``read_texts``.
        blocks: ``astro``, ``general`` (test side) and ``astro_train``, cut with ``sampled_by``; for
            ``general`` of documents of measured fields (``corpus.documents.measured_blocks``).
        max_tokens: Tokens of held-out astronomy that are read; of later papers ``LATER_TOKENS`` of
            them at most, of every other set of documents and of blocks ``OTHER_TOKENS``.
        out: Folder to make: report.json, documents.parquet.
        progress: Told per token.
        near_copies: Per field the ids of test papers to leave out; None leaves none out. Packed
            blocks are measured as they were cut, with them.
        sampled_by: Whose tokens the bound counts: the same documents for every model. Default: the
            base's, or that of the first model in the order of reports.
        later: Papers submitted after the cut of one of the models.
        prose: The user's texts outside astronomy.
        train_share_read: Share of the train side that the training has read, 0 to 1; None: not
            known. The blocks of ``astro_train`` are spread over all of that side.
        foreign: Labels of models that were tuned from another base than ``base``.

    Raises:
        EmptyCorpusError: a field has no test paper.
        BadModelError: a model gives no finite likelihood, or its tokenizer no tokens.
    """
    ordered = in_order(models)
    counted = sampled_by or Tokenizer.load(next(iter(ordered.values())).base_folder)
    sets = take_sets(
        texts,
        counted,
        max_tokens=max_tokens,
        near_copies=near_copies,
        later=later,
        prose=prose,
    )
    scores = score_models(
        ordered,
        {label: sets.samples_for(label) for label in ordered},
        blocks=blocks,
        cut_with=counted,
        max_tokens=min(max_tokens, OTHER_TOKENS),
        progress=progress,
    )
    compared = compare(scores, sets, train_share_read=train_share_read, foreign=foreign)
    with atomic.new_folder(out) as folder:
        document_table(sets, scores).write_parquet(folder / "documents.parquet")
        report = write_report(
            folder,
            {
                **compared,
                "n_tokens_used": _tokens_used(sets, scores, counted),
                **_bounds(max_tokens),
                "general_fields": sets.general,
                "notes": [
                    *(note for own in scores.values() for note in own.notes),
                    *forward_notes(ordered, later, compared["forward"], foreign=foreign),
                ],
            },
        )
    counts = {f"{field}_documents": len(sets.fields[field]) for field in FIELDS}
    return built_report(out, report, counts)


def _bounds(max_tokens: int) -> dict[str, int]:
    """Return how many tokens are read at most: of astronomy, of later papers, of other sets."""
    return {
        "max_tokens": max_tokens,
        "max_later_tokens": min(max_tokens, LATER_TOKENS),
        "max_other_tokens": min(max_tokens, OTHER_TOKENS),
    }


def _tokens_used(
    sets: Sets, scores: Mapping[str, ModelScores], counted: Tokenizer
) -> dict[str, int]:
    """Return tokens read per set, as the bound counts them; blocks by name and ``_packed``."""
    used = {
        name: int(counted.encode_flat(sample.texts).lengths.sum())
        for name, sample in sets.samples().items()
    }
    for own in scores.values():
        if SELF_TEXT in own.documents:
            used[SELF_TEXT] = int(own.documents[SELF_TEXT].n_tokens.sum())
        for name, blocks in own.blocks.items():
            if blocks is not None:
                used[f"{name}_packed"] = blocks.block_length * len(blocks.nll_nats)
    return used
