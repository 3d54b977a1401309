"""Bits per byte of the astronomy test papers by year, by subfield and by place in astronomy.

A model may read the newest papers worse than the rest, or serve one subfield at the cost of
another; the mean over all hides it. Every paper is in one stratum of each kind, or in none where
its month or category is not known.

What does not belong here: drawing the strata (figures).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from astro_assets.evaluation.heldout import first_subfield
from astro_assets.evaluation.perplexity.intervals import Drawn
from astro_assets.evaluation.perplexity.scores import DocumentScores
from astro_assets.evaluation.samples import Sample

MIN_DOCUMENTS = 200
"""Strata with fewer are not shown: their intervals would be wider than what they could tell."""
FIRST, CROSS_LISTED = "astro-ph first", "cross-listed"


def strata_figures(
    sample: Sample, scores: Mapping[str, DocumentScores], *, min_documents: int = MIN_DOCUMENTS
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, int]]:
    """Return the strata of each kind, and how many of each kind were too small to be shown.

    Args:
        sample: The papers, with months and categories.
        scores: Model label -> scores of these papers.
        min_documents: Smallest stratum that is shown.

    Returns:
        ``year``, ``subfield``, ``place`` -> strata in order of their names: name, n_documents,
        n_bytes, ``models`` (label -> bits per byte), ``tuned_minus_base`` (bits per byte with its
        paired 95 % interval over documents; None without both). Then kind -> number left out.
    """
    strata: dict[str, list[dict[str, Any]]] = {}
    left_out: dict[str, int] = {}
    for kind, names in names_of(sample).items():
        members = _members(names)
        shown = [name for name in sorted(members) if len(members[name]) >= min_documents]
        strata[kind] = [_stratum(name, members[name], scores) for name in shown]
        left_out[kind] = len(members) - len(shown)
    return strata, left_out


def names_of(sample: Sample) -> dict[str, list[str]]:
    """Return per kind each paper's stratum, "" for none; a kind that nothing is known of is empty.

    >>> names_of(Sample(("1",), ("",), ("",), ("2003-07",), ("gr-qc astro-ph.HE",), ("gr-qc",)))
    {'year': ['2003'], 'subfield': ['astro-ph.HE'], 'place': ['cross-listed']}
    """
    return {
        "year": [month[:4] for month in sample.months],
        "subfield": [first_subfield(listed) for listed in sample.categories],
        "place": [_place_of(primary) for primary in sample.primary_categories],
    }


def _place_of(primary_category: str) -> str:
    """Return whether a paper was submitted to astronomy first or only listed there too."""
    if not primary_category:
        return ""
    return FIRST if primary_category.split(".")[0] == "astro-ph" else CROSS_LISTED


def _members(names: list[str]) -> dict[str, list[int]]:
    members: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        if name:
            members.setdefault(name, []).append(number)
    return members


def _stratum(name: str, rows: list[int], scores: Mapping[str, DocumentScores]) -> dict[str, Any]:
    own = {label: of_model.take(rows) for label, of_model in scores.items()}
    n_bytes = int(next(iter(own.values())).n_bytes.sum())
    return {
        "name": name,
        "n_documents": len(rows),
        "n_bytes": n_bytes,
        "models": {label: part.summary()["bits_per_byte"] for label, part in own.items()},
        "tuned_minus_base": _tuned_minus_base(own),
    }


def _tuned_minus_base(scores: Mapping[str, DocumentScores]) -> dict[str, float] | None:
    if "base" not in scores or "tuned" not in scores:
        return None
    pair = {label: scores[label] for label in ("base", "tuned")}
    found = Drawn.documents(pair).nats_per_byte_between("tuned", "base")
    bits = np.array([found.estimate, found.low, found.high]) / np.log(2)
    return dict(zip(("bits_per_byte", "low", "high"), bits.tolist(), strict=True))
