"""Forward in time: how stale a model is on papers that were not there when it was made.

What does not belong here: random test papers, which are a model's contemporaries (``perplexity``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from astro_assets.evaluation.figures import forward as figures
from astro_assets.evaluation.pages.blocks import (
    Block,
    Cell,
    Table,
    Words,
    notes,
    pictures,
    row,
    table,
)
from astro_assets.evaluation.pages.sections.shared import between
from astro_assets.evaluation.pages.text import cleaned, number
from astro_assets.evaluation.pages.values import at, ends_at, in_order, number_at

ABOUT_FORWARD = "forward in time: "
"""How the notes of a report begin that belong here (``perplexity.forward``)."""
WHEN = (
    "Not measured yet. A champion is asked here about papers first submitted after its own month;"
    " so this section fills with the first release after a promotion, and grows by a point with"
    " every release that follows."
)


def forward_blocks(report: Mapping[str, Any]) -> list[Block]:
    """Return the section's blocks; where there are no later papers yet, when there will be."""
    forward = report.get("forward")
    told = notes(*_notes(report))
    if not forward or not forward.get("months"):
        return [*told] or [Words(WHEN)]
    label, cut = cleaned(forward.get("label", "model"), 40), cleaned(forward.get("cut", ""), 10)
    n = number(number_at(forward, "n_later_papers"), ",.0f")
    return [
        Words(_staleness(forward, label, cut), "lead"),
        Words(
            f"The {label} knows papers through {cut}; {n} in this release are newer."
            f" {_contemporaries(forward)} are its contemporaries; these are not."
        ),
        *pictures(
            (
                figures.by_months(report),
                f"Bits per byte by months since {cut}; dashed, on held-out papers of the model’s"
                " own time. Below, what it gains over its base with 95\u202f% intervals; the band"
                " is the gain on papers of its own time.",
            )
        ),
        *_months(forward),
        *notes(_few(forward)),
        *told,
    ]


def _contemporaries(forward: Mapping[str, Any]) -> str:
    since = at(forward, "contemporaries", "since")
    return f"Random test papers from {cleaned(since, 10)} on" if since else "Random test papers"


def _notes(report: Mapping[str, Any]) -> list[str]:
    """Return what the report says of this measure: why something of it is not there."""
    return [
        cleaned(note[0].upper() + note[1:], 300) + "."
        for note in report.get("notes") or []
        if isinstance(note, str) and note.startswith(ABOUT_FORWARD)
    ]


def _staleness(forward: Mapping[str, Any], label: str, cut: str) -> str:
    """Return how stale the model is, in a sentence."""
    fade, low, high = (number_at(forward, "fade", key) for key in ("bits_per_byte", "low", "high"))
    if fade is None or low is None or high is None:
        return f"How stale the {label} of {cut} is cannot be told: {_why_untold(forward)}."
    own = number_at(forward, "contemporaries", "gain", "bits_per_byte")
    gain = "" if own is None else f" of the {number(own, '.4f')} it gains on papers of its time"
    told = f"{number(abs(fade), '.4f')} bits per byte (95\u202f%: {between(low, high, '+.4f')})"
    if low > 0:
        return (
            f"The {label} of {cut} is going stale: on the newest papers it has lost {told}{gain}."
        )
    if high < 0:
        return f"The {label} of {cut} is not stale: on the newest papers it gains {told} more."
    return (
        f"No staleness can be told of the {label} of {cut}: on the newest papers its gain differs"
        f" by {told}{gain}."
    )


def _why_untold(forward: Mapping[str, Any]) -> str:
    months = forward["months"]
    if all(number_at(month, "gain", "bits_per_byte") is None for month in months):
        return "it has no base beside it here"
    n_later = sum(number_at(month, "n_documents") or 0 for month in months)
    n_own = number_at(forward, "contemporaries", "n_documents") or 0
    newer_or_own = "newer than it" if n_later < n_own else "of its own time"
    return f"too few papers {newer_or_own} were measured for an interval"


def _few(forward: Mapping[str, Any]) -> str | None:
    """Return why a gain has no interval; None where all have one."""
    gains = [at(month, "gain") for month in (forward.get("contemporaries"), *forward["months"])]
    if all(None not in ends_at(gain) for gain in gains if gain):
        return None
    return "Too few papers were measured for an interval where none stands."


def _months(forward: Mapping[str, Any]) -> list[Table]:
    months = [forward.get("contemporaries"), *forward["months"]]
    labels = in_order({name for m in months for name in at(m, "bits_per_byte") or {}})
    rows = [
        row(
            cleaned(month.get("month") or "its own time", 20),
            number(number_at(month, "months_since"), ".0f"),
            number(number_at(month, "n_documents"), ",.0f"),
            *(number(number_at(month, "bits_per_byte", name), ".4f") for name in labels),
            Cell(
                number(number_at(month, "gain", "bits_per_byte"), "+.4f"),
                between(*ends_at(month, "gain"), "+.4f"),
            ),
        )
        for month in months
        if month
    ]
    head = ("First submitted", "Months since", "Papers", *labels, "Gain")
    return table("Bits per byte", head, rows, folded="Months: the numbers")
