"""Bits per byte of the astronomy test papers by year, by subfield and by place in astronomy.

A model may read the newest papers worse than the rest, or serve one subfield at the cost of
another; the mean over all hides it. Every paper is in one stratum of each kind, or in none where
its month or category is not known. arXiv was small once: neighbouring years are put together until
there are enough papers of them.

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
        ``year``, ``subfield``, ``place`` -> strata in order of their names: name (``2003``, or
        ``1992–2004`` for years put together), n_documents, n_bytes, ``models`` (label -> bits per
        byte), ``tuned_minus_base`` (bits per byte with its paired 95 % interval over documents;
        None without both). Then kind -> number left out, of single years, subfields, places.
    """
    strata: dict[str, list[dict[str, Any]]] = {}
    left_out: dict[str, int] = {}
    for kind, names in names_of(sample).items():
        single = _members(names)
        members = _years_together(single, min_documents) if kind == "year" else single
        shown = [name for name in sorted(members) if len(members[name]) >= min_documents]
        strata[kind] = [_stratum(name, members[name], scores) for name in shown]
        covered = {row for name in shown for row in members[name]}
        left_out[kind] = sum(rows[0] not in covered for rows in single.values())
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


def _years_together(years: Mapping[str, list[int]], least: int) -> dict[str, list[int]]:
    """Return neighbouring years in groups of ``least`` papers or more.

    What remains at the end joins the group before it, and is a smaller group where there is none.
    """
    groups: list[list[str]] = []
    n_papers = least
    for year in sorted(years):
        if n_papers >= least:
            groups.append([])
            n_papers = 0
        groups[-1].append(year)
        n_papers += len(years[year])
    if len(groups) > 1 and n_papers < least:
        rest = groups.pop()
        groups[-1] += rest
    return {
        group[0] if len(group) == 1 else f"{group[0]}–{group[-1]}": [
            row for year in group for row in years[year]
        ]
        for group in groups
    }


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
