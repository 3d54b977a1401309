"""What leaving near copies of training papers out changes, and how they are read by themselves.

What does not belong here: which papers are near copies (corpus) and how many each report left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from astro_assets.evaluation.pages.blocks import Block, Heading, notes, row, table
from astro_assets.evaluation.pages.sections.shared import model_cell
from astro_assets.evaluation.pages.text import number
from astro_assets.evaluation.pages.values import at, measured, number_at

_IS_COUNTED = "near_copies_kept_in"

Report = Mapping[str, Any]


def near_copies_blocks(report: Report) -> list[Block]:
    """Return what leaving near copies out changes, and how they are read by themselves."""
    kept, alone = report.get("with_near_copies"), report.get("near_copies_alone")
    if not kept and not alone:
        return []
    rows = [
        row(
            model_cell(label),
            number(number_at(report, *_left_out(label), "bits_per_byte"), ".4f"),
            number(number_at(kept, label, "bits_per_byte"), ".4f"),
            number(number_at(alone, label, "bits_per_byte"), ".4f"),
        )
        for label in measured(kept or alone)
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
    kept, alone = report.get("with_near_copies"), report.get("near_copies_alone")
    if not alone:
        return None
    label = measured(alone)[0]
    n_alone, n_above, n_with = (
        number_at(found, "n_documents")
        for found in (alone[label], at(report, *_left_out(label)), at(kept, label))
    )
    # Reports from before this was counted kept in all that were read.
    n_kept = number_at(report, "near_copies_kept_in") if _IS_COUNTED in report else n_alone
    if n_with is None or n_kept is None or n_above is None:
        return f"Near copies alone: {_copies(n_alone)}."
    papers = f"the {number(n_above, ',.0f')} papers above"
    if n_with - n_kept < n_above and _IS_COUNTED in report:
        papers = f"the first {number(n_with - n_kept, ',.0f')} of {papers}"
    if not n_kept:
        return (
            f"Kept in is the same as left out: in the order of sampling, none of the near copies"
            f" falls among {papers}. Near copies alone: {_copies(n_alone)}."
        )
    beside = "them" if _IS_COUNTED not in report else "them, those that the same sample would hold"
    return (
        f"Kept in: {papers} and {_copies(n_kept)} beside {beside}."
        f" Near copies alone: {_copies(n_alone)}."
    )


def _copies(n: float | None) -> str:
    return "1 near copy" if n == 1 else f"{number(n, ',.0f')} near copies"


def _left_out(label: str) -> tuple[str, ...]:
    """Return where a report has a model's headline."""
    return "models", label, "astro", "per_document"
