"""Cells and sentences that several sections share.

What does not belong here: what only one section says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from astro_assets.evaluation.pages.blocks import Cell
from astro_assets.evaluation.pages.text import cleaned, number, percent
from astro_assets.evaluation.pages.values import MODELS

NOT_MEASURED = "not measured"


def model_cell(label: str, name: str = "") -> Cell:
    """Return a model's or encoder's name with its colour."""
    kind = label if label in (*MODELS, "baseline") else "other"
    return Cell(cleaned(name or label, 60), kind=f"dot {kind}")


def between(low: float | None, high: float | None, form: str) -> str:
    """Return an interval in words; nothing where it is not whole.

    >>> between(1.0, 2.0, ".1f"), between(None, 2.0, ".1f")
    ('1.0 to 2.0', '')
    """
    if low is None or high is None:
        return ""
    return f"{number(low, form)} to {number(high, form)}"


def left_out_sentence(report: Mapping[str, Any]) -> str | None:
    """Return how many near copies a report left out; None where the report does not say."""
    if "near_copies_left_out" not in report:
        return None
    n = report["near_copies_left_out"]
    if n is None:
        return "Test papers with a near copy on the train side were kept (ASTRO_NEAR_COPIES=keep)."
    told = (
        " and ".join(f"{count:,} {cleaned(field, 40)}" for field, count in n.items())
        if isinstance(n, Mapping)
        else f"{n:,}"
    )
    return (
        f"Left out: {told} test papers of whose words half or more stand, in runs of 13, in one"
        " paper of the train side."
    )


def share_cell(value: float | None, low: float | None = None, high: float | None = None) -> Cell:
    """Return a share in percent with its interval."""
    if low is None or high is None:
        return Cell(percent(value, ".1%"))
    return Cell(percent(value, ".1%"), f"{number(100 * low, '.1f')} to {number(100 * high, '.1f')}")
