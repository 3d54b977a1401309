"""By year, subfield and place: where models differ, in figures and in numbers.

What does not belong here: which groups are large enough (the report), and the mean over all papers
(``perplexity``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from astro_assets.evaluation.figures import strata
from astro_assets.evaluation.pages.blocks import (
    Block,
    Cell,
    Heading,
    Table,
    notes,
    pictures,
    row,
    table,
)
from astro_assets.evaluation.pages.sections.shared import between
from astro_assets.evaluation.pages.text import cleaned, number
from astro_assets.evaluation.pages.values import at, ends_at, in_order, measured, number_at

STRATA = {"year": "Year", "subfield": "Subfield", "place": "Place of astro-ph"}
"""Kind of a report -> its name on the page."""

Report = Mapping[str, Any]


def strata_blocks(report: Report) -> list[Block]:
    """Return where the difference lies: years, subfields, and how far astro-ph is a paper's own."""
    if not report.get("strata"):
        return []
    return [
        Heading("By year, subfield and place"),
        *pictures(
            (
                strata.by_year(report),
                "Bits per byte by year of submission, early years together; below, tuned minus"
                " base with its 95\u202f% interval.",
            ),
            (
                strata.by_subfield(report),
                "Bits per byte by first subfield, and of papers that have astro-ph first or are"
                " cross-listed.",
            ),
        ),
        *[part for kind in STRATA for part in _table(report, kind)],
        *notes(_left_out(report)),
    ]


def _table(report: Report, kind: str) -> list[Table]:
    found = strata.strata_of(report, kind)
    labels = in_order({label for s in found for label in s.get("models") or {}})
    rows = [
        row(
            cleaned(s.get("name", ""), 40),
            number(number_at(s, "n_documents"), ",.0f"),
            *(number(number_at(s, "models", label), ".4f") for label in labels),
            Cell(
                number(number_at(s, "tuned_minus_base", "bits_per_byte"), "+.4f"),
                between(*ends_at(s, "tuned_minus_base"), "+.4f"),
            ),
        )
        for s in found
    ]
    name = STRATA[kind]
    head = (name, "Papers", *labels, "Tuned − base")
    return table("Bits per byte", head, rows, folded=f"{name}: the numbers")


def _left_out(report: Report) -> str | None:
    """Return how many groups are too small to be shown, and what would show them."""
    found = {kind: number_at(report, "strata_left_out", kind) for kind in STRATA}
    told = ", ".join(f"{n:,.0f} by {kind}" for kind, n in found.items() if n)
    if not told:
        return None
    said = f"Groups of fewer than 200 papers are not shown: {told}."
    if all(strata.strata_of(report, kind) for kind in STRATA):
        return said
    counts = [
        number_at(report, "models", label, "astro", "per_document", "n_documents")
        for label in measured(at(report, "models"))
    ]
    n_papers = number(next((n for n in counts if n is not None), None), ",.0f")
    return (
        f"{said} Only {n_papers} papers of astronomy were measured; a larger"
        " ASTRO_MAX_EVAL_TOKENS measures more, as far as the snapshot has them."
    )
