"""One row per measured document: where it stands, and how probable each model finds it.

What does not belong here: figures over many documents (``comparison``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
from numpy.typing import NDArray

from astro_assets.evaluation.heldout import first_subfield
from astro_assets.evaluation.perplexity.model_scores import SELF_TEXT, ModelScores
from astro_assets.evaluation.perplexity.scores import DocumentScores
from astro_assets.evaluation.perplexity.sets import LATER, NEAR_COPIES, Sets
from astro_assets.evaluation.samples import Sample

_FIELD_OF = {
    "astro": "astro", "general": "general", NEAR_COPIES: "near_copies", LATER: "later",
}  # fmt: skip


def document_table(sets: Sets, scores: Mapping[str, ModelScores]) -> pl.DataFrame:
    """Return one row per document, in the order of the sets.

    Columns: ``id``; ``field``: what it was first taken for, ``astro``, ``general``, ``near_copies``
    (astronomy that the headline leaves out) or ``later``, null for what is in a ring alone;
    ``ring``: of forgetting, or null; ``submission_month`` and ``subfield`` (first astro-ph
    category), null where not known; ``n_bytes``, UTF-8; per model ``nll_nats_<label>`` and
    ``n_tokens_<label>``, null where the model was not measured on it.
    """
    parts = [
        _rows(name, sample, _scores_of(scores, name), sets)
        for name, sample in sets.samples().items()
    ]
    own_text = _scores_of(scores, SELF_TEXT)
    if own_text:
        n_texts = len(next(iter(own_text.values())).n_bytes)
        written = Sample(tuple(f"self-{number:03d}" for number in range(n_texts)), (), ())
        parts.append(_rows(SELF_TEXT, written, own_text, sets))
    table = pl.concat(parts, how="diagonal")
    # A document in several sets is one row, with what each of them knows of it.
    return table.group_by("id", maintain_order=True).agg(pl.all().drop_nulls().first())


def _scores_of(scores: Mapping[str, ModelScores], name: str) -> dict[str, DocumentScores]:
    return {label: own.documents[name] for label, own in scores.items() if name in own.documents}


def _rows(
    name: str, sample: Sample, scores: Mapping[str, DocumentScores], sets: Sets
) -> pl.DataFrame:
    n, field = len(sample), _FIELD_OF.get(name)
    months = sets.later.month_of if name == LATER and sets.later else sample.months
    subfields = [first_subfield(listed) for listed in sample.categories]
    texts = {
        "id": sample.ids,
        "field": [field] * n,
        "ring": [None if field else name] * n,
        "submission_month": [month or None for month in months] or [None] * n,
        "subfield": [subfield or None for subfield in subfields] or [None] * n,
    }
    numbers: dict[str, NDArray[Any]] = {"n_bytes": next(iter(scores.values())).n_bytes}
    for label, own in scores.items():
        numbers |= {f"nll_nats_{label}": own.nll_nats, f"n_tokens_{label}": own.n_tokens}
    return pl.DataFrame(
        [pl.Series(column, values, dtype=pl.String) for column, values in texts.items()]
        + [pl.Series(column, values) for column, values in numbers.items()]
    )
