"""What the scores of several models say side by side: the figures of the perplexity report.

Figures of one model are there for every label; comparisons are None unless both models are there.

What does not belong here: running models (``model_scores``) and writing files (``report``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from astro_assets.evaluation.forgetting.figures import RingScores, forgetting_figures
from astro_assets.evaluation.forgetting.rings import RING_WORDS
from astro_assets.evaluation.perplexity.forward import contemporaries_among, forward_figures
from astro_assets.evaluation.perplexity.intervals import (
    Drawn,
    difference_figures,
    ends,
    ends_of_documents,
    reduction_figures,
)
from astro_assets.evaluation.perplexity.model_scores import ModelScores
from astro_assets.evaluation.perplexity.scores import DocumentScores
from astro_assets.evaluation.perplexity.sets import LATER, NEAR_COPIES, KeptIn, Sets
from astro_assets.evaluation.perplexity.strata import strata_figures
from astro_assets.evaluation.selection import FIELDS

TRAIN_BLOCKS = "astro_train"
PAPER_REDUCTION = 0.325
"""The paper's own, 9.7 to 6.55: of *training* perplexity, on packed blocks (arXiv:2309.06126,
figure 1). Held-out reductions are another number."""

Scores = Mapping[str, ModelScores]
"""Model label -> what it scores."""


def compare(
    scores: Scores,
    sets: Sets,
    *,
    train_share_read: float | None = None,
    foreign: Collection[str] = (),
) -> dict[str, Any]:
    """Return the figures of all models and their differences, as ``report.json`` has them.

    Args:
        scores: Per model.
        sets: What they are of.
        train_share_read: Share of the train side that the training has read; None: not known.
        foreign: Labels of models that were tuned from another base than ``base``: they have no
            gain over it, and forgot nothing of it.
    """
    documents = {field: Drawn.documents(_documents(scores, field)) for field in FIELDS}
    blocks = {name: _drawn_blocks(scores, name) for name in (*FIELDS, TRAIN_BLOCKS)}
    reductions = _reductions(documents["astro"], blocks, train_share_read)
    strata, left_out = strata_figures(sets.fields["astro"], _documents(scores, "astro"))
    return {
        "models": _models(scores, documents, blocks),
        "reduction_astro": reductions and reductions["astro_per_document"]["reduction"],
        "rise_general": documents["general"].perplexity_ratio("tuned", "base").estimate - 1
        if reductions
        else None,
        "tuned_minus_base": _tuned_minus("base", scores, documents),
        "tuned_minus_champion": _tuned_minus("champion", scores, documents),
        "reductions": reductions,
        "strata": strata,
        "strata_left_out": left_out,
        "near_copies_left_out": sets.near_copies_left_out,
        "with_near_copies": _figures_of(_with_near_copies(scores, sets.kept_in)),
        "near_copies_kept_in": sets.kept_in and sets.kept_in.n_copies,
        "near_copies_alone": _figures_of(_documents(scores, NEAR_COPIES)),
        "forward": _forward(scores, sets, foreign),
        "forgetting": _forgetting(scores, foreign),
    }


def _documents(scores: Scores, name: str) -> dict[str, DocumentScores]:
    """Return the scores on a set of those models that were measured on it."""
    return {label: own.documents[name] for label, own in scores.items() if name in own.documents}


def _drawn_blocks(scores: Scores, name: str) -> Drawn | None:
    found = {label: own.blocks.get(name) for label, own in scores.items()}
    measured = {label: own for label, own in found.items() if own is not None}
    return Drawn.blocks(measured) if measured else None


def _models(
    scores: Scores, documents: Mapping[str, Drawn], blocks: Mapping[str, Drawn | None]
) -> dict[str, Any]:
    """Return the figures of each model; ``champion`` is None where there is none."""
    models: dict[str, Any] = {}
    for label, own in scores.items():
        models[label] = {
            field: {
                "per_document": _document_figures(own.documents[field], documents[field], label),
                "packed_blocks": _block_figures(own, blocks[field], field, label),
            }
            for field in FIELDS
        }
        train = _block_figures(own, blocks[TRAIN_BLOCKS], TRAIN_BLOCKS, label)
        models[label][TRAIN_BLOCKS] = {"packed_blocks": train}
    return {**models, "champion": models.get("champion")}


def _document_figures(scores: DocumentScores, drawn: Drawn, label: str) -> dict[str, Any]:
    """Return a model's figures on documents; below ``MIN_DOCUMENTS`` its intervals have no ends."""
    intervals = {
        "perplexity": drawn.perplexity(label),
        "bits_per_byte": drawn.bits_per_byte(label),
    }
    return {
        **scores.summary(),
        "interval": {
            name: list(ends_of_documents(found, drawn.n_items)) for name, found in intervals.items()
        },
    }


def _block_figures(
    scores: ModelScores, drawn: Drawn | None, name: str, label: str
) -> dict[str, Any] | None:
    own = scores.blocks.get(name)
    if own is None or drawn is None:
        return None
    return {**own.summary(), "interval": {"perplexity": ends(drawn.perplexity(label))}}


def _tuned_minus(
    other: str, scores: Scores, documents: Mapping[str, Drawn]
) -> dict[str, dict[str, float | int | None]] | None:
    """Return tuned minus another model in nats per byte, per field, with its paired interval."""
    if "tuned" not in scores or other not in scores:
        return None
    return {field: difference_figures(drawn, "tuned", other) for field, drawn in documents.items()}


def _reductions(
    astro: Drawn, blocks: Mapping[str, Drawn | None], train_share_read: float | None
) -> dict[str, Any] | None:
    """Return by how much tuning lowered perplexity in each measure, beside the paper's."""
    found = {
        "astro_per_document": _reduction(astro),
        "astro_packed": _reduction(blocks["astro"]),
        "astro_train_packed": _reduction(blocks[TRAIN_BLOCKS]),
    }
    if found["astro_per_document"] is None:
        return None
    return {**found, "paper_train_packed": PAPER_REDUCTION, "train_share_read": train_share_read}


def _reduction(drawn: Drawn | None) -> dict[str, Any] | None:
    if drawn is None or not {"base", "tuned"} <= set(drawn.nll_nats):
        return None
    return reduction_figures(drawn)


def _with_near_copies(scores: Scores, kept_in: KeptIn | None) -> dict[str, DocumentScores]:
    """Return the headline's astronomy with the near copies among it; empty without any.

    The same papers as the headline's and, of the copies, as many as its sample would hold: what
    differs is due to the copies alone, and they weigh what they weigh among all papers.
    """
    if kept_in is None or not kept_in.n_papers:
        return {}
    astro, n_papers, n_copies = _documents(scores, "astro"), kept_in.n_papers, kept_in.n_copies
    return {
        label: DocumentScores.joined(
            [astro[label].take(range(n_papers)), copies.take(range(n_copies))]
        )
        for label, copies in _documents(scores, NEAR_COPIES).items()
    }


def _figures_of(found: Mapping[str, DocumentScores]) -> dict[str, Any] | None:
    """Return the figures of each model on a set; None where it was not measured."""
    if not found:
        return None
    drawn = Drawn.documents(found)
    return {label: _document_figures(own, drawn, label) for label, own in found.items()}


def _forgetting(scores: Scores, foreign: Collection[str]) -> dict[str, Any]:
    found = {name: _documents(scores, name) for name in RING_WORDS}
    return forgetting_figures(
        {name: RingScores(RING_WORDS[name], own) for name, own in found.items() if own},
        foreign=foreign,
    )


def _forward(scores: Scores, sets: Sets, foreign: Collection[str]) -> dict[str, Any] | None:
    """Return the later papers beside their model's contemporaries among the test papers.

    A model of another base has no base beside it: what it gains over that is not measured here.
    """
    if sets.later is None:
        return None
    if sets.later.label in foreign:
        scores = {label: own for label, own in scores.items() if label != "base"}
    contemporary, since = contemporaries_among(sets.fields["astro"].months, sets.later.cut)
    return forward_figures(
        sets.later,
        _documents(scores, LATER),
        {label: own.take(contemporary) for label, own in _documents(scores, "astro").items()},
        since=since,
    )
