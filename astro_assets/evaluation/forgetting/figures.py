"""What the rings of forgetting came to, for the perplexity report.

What does not belong here: which texts the rings hold (``rings``, ``self_text``, ``prose``), and how
much a promotion allows (registry).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from astro_assets.evaluation.perplexity.intervals import ends_of_documents
from astro_assets.evaluation.perplexity.scores import DocumentScores
from astro_assets.evaluation.statistics import paired_ratio_difference

_BOOTSTRAP_SEED = 20_230_912
_PROMOTION_READS = ("far", "self_text")


@dataclass(frozen=True)
class RingScores:
    """How probable the models find the documents of one ring."""

    what: str
    """A sentence: what the ring is made of."""
    models: Mapping[str, DocumentScores]
    """Model label -> scores, all of the same documents. A model that cannot be compared on them
    (another tokenizer on token ids that were sampled) is absent."""


def forgetting_figures(
    rings: Mapping[str, RingScores], *, foreign: Collection[str] = ()
) -> dict[str, Any]:
    """Return the report's object ``forgetting``.

    Args:
        rings: Name (``rings.RING_WORDS``) -> scores. Rings without a model or a token are left out.
        foreign: Labels of models that were tuned from another base than ``base``: what they lost
            of it says nothing of them.

    Returns:
        ``rings``: per name ``what``, ``n_documents``, ``n_tokens`` (the first model's),
        ``n_bytes``, ``models`` (label -> perplexity, bits per byte), ``tuned_minus_base`` and
        ``champion_minus_base``: nats per token with its 95 % interval, bootstrap over documents,
        and the same as ``rise``, the share by which perplexity rose (exp(nats) - 1). Fewer than
        ``MIN_DOCUMENTS`` documents have no ends, and there is None where either model was not
        measured, reads other tokens than the base, or is foreign to it.
        ``rise_far``: the tuned model's on far abstracts. ``drift_nats_per_token``: its own on text
        sampled from the base, an estimate of KL(base || tuned) per token. These two are what a
        promotion reads.
    """
    figures = {name: _ring(ring, foreign) for name, ring in rings.items() if _is_measured(ring)}
    far, own = (_difference_of(figures, name) for name in _PROMOTION_READS)
    return {
        "rings": figures,
        "rise_far": far and far["rise"],
        "drift_nats_per_token": own and own["nats_per_token"],
    }


def _is_measured(ring: RingScores) -> bool:
    return bool(ring.models) and all(scores.n_tokens.any() for scores in ring.models.values())


def _difference_of(figures: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = figures.get(name, {}).get("tuned_minus_base")
    return found


def _ring(ring: RingScores, foreign: Collection[str]) -> dict[str, Any]:
    summaries = {label: scores.summary() for label, scores in ring.models.items()}
    first = next(iter(summaries.values()))
    return {
        "what": ring.what,
        **{name: first[name] for name in ("n_documents", "n_tokens", "n_bytes")},
        "models": {
            label: {name: summary[name] for name in ("perplexity", "bits_per_byte")}
            for label, summary in summaries.items()
        },
        "tuned_minus_base": _minus_base("tuned", ring.models),
        "champion_minus_base": None
        if "champion" in foreign
        else _minus_base("champion", ring.models),
    }


def _minus_base(
    label: str, models: Mapping[str, DocumentScores]
) -> dict[str, float | int | None] | None:
    """Return the paired difference per token; None where tokens are not the same for both."""
    if "base" not in models or label not in models:
        return None
    base, model = models["base"], models[label]
    if not np.array_equal(base.n_tokens, model.n_tokens):
        return None
    found = paired_ratio_difference(
        model.nll_nats, base.nll_nats, base.n_tokens, seed=_BOOTSTRAP_SEED
    )
    low, high = ends_of_documents(found, len(base.nll_nats))
    return {
        "nats_per_token": found.estimate,
        "low": low,
        "high": high,
        "rise": math.expm1(found.estimate),
        "rise_low": None if low is None else math.expm1(low),
        "rise_high": None if high is None else math.expm1(high),
        "n_documents": len(base.nll_nats),
    }
