"""What leaving near copies of training papers out changes, and how they are read by themselves.

What does not belong here: which papers are near copies (corpus) and how many each report left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from astro_assets.evaluation.pages.blocks import Block, Heading, notes, row, table
from astro_assets.evaluation.pages.sections.shared import model_cell
from astro_assets.evaluation.pages.text import number
from astro_assets.evaluation.pages.values import measured, number_at

Report = Mapping[str, Any]


def near_copies_blocks(report: Report) -> list[Block]:
    """Return what leaving near copies out changes, and how they are read by themselves."""
    kept, alone = report.get("with_near_copies"), report.get("near_copies_alone")
    if not kept:
        return []
    rows = [
        row(
            model_cell(label),
            number(number_at(report, *_left_out(label), "bits_per_byte"), ".4f"),
            number(number_at(kept, label, "bits_per_byte"), ".4f"),
            number(number_at(alone, label, "bits_per_byte"), ".4f"),
        )
        for label in measured(kept)
    ]
    return [
        Heading("Near copies"),
        *table(
            "Bits per byte of held-out astronomy, near copies of training papers out and in",
            ("Model", "Left out", "Kept in", "Near copies alone"),
            rows,
        ),
        *notes(_n_copies(report)),
    ]


def _n_copies(report: Report) -> str | None:
    """Return how many near copies were put beside how many other papers; None: not told."""
    alone = report.get("near_copies_alone")
    if not alone:
        return None
    label = measured(alone)[0]
    n_copies = number(number_at(alone, label, "n_documents"), ",.0f")
    n_others = number(number_at(report, *_left_out(label), "n_documents"), ",.0f")
    return f"Kept in: the {n_others} papers above and {n_copies} near copies beside them."


def _left_out(label: str) -> tuple[str, ...]:
    """Return where a report has a model's headline."""
    return "models", label, "astro", "per_document"
