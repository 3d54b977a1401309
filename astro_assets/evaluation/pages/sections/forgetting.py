"""Forgetting: what tuning cost elsewhere, in rings around astronomy, beside promotion's bounds.

What does not belong here: the promotion decision itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from astro_assets.evaluation.figures import forgetting as figures
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
from astro_assets.evaluation.pages.content import ReleasePage
from astro_assets.evaluation.pages.sections.shared import between
from astro_assets.evaluation.pages.text import cleaned, number, percent
from astro_assets.evaluation.pages.values import at, ends_at, in_order, number_at

ALL_FELL = -0.3
"""From this fall of general perplexity on, the base had never seen such prose."""


def forgetting_blocks(page: ReleasePage) -> list[Block]:
    """Return the section's blocks; none without a perplexity report."""
    report, allowed_rise, allowed_drift = page.perplexity, page.allowed_rise, page.allowed_drift
    if not report:
        return []
    rings = at(report, "forgetting", "rings") or {}
    return [
        Words(_lead(page), "lead"),
        *notes(general_sentence(report, allowed_rise)),
        *pictures(
            (
                figures.rises(report, allowed_rise=allowed_rise, allowed_drift=allowed_drift),
                f"Rise of perplexity from base to {_models(rings)} with 95\u202f% intervals; below"
                " zero is better than the base. Red bars: the bounds that promotion reads, of the"
                " tuned model.",
            )
        ),
        *_rings(rings),
        *notes(_few(rings)),
        *notes(*_in_words(rings)),
    ]


def general_sentence(report: Mapping[str, Any], allowed_rise: float) -> str | None:
    """Return what all of the general side says; ``allowed_rise`` is promotion's bound."""
    rise = number_at(report, "rise_general")
    if rise is None:
        return None
    told = f"General perplexity changed by {percent(rise)}."
    if rise < ALL_FELL:
        return (
            f"{told} It falls too, because this base has never seen such prose: much of what the"
            " tuned model learned is how abstracts are written, not astronomy alone."
        )
    if rise > allowed_rise:
        return f"{told} The tuned model has forgotten some of what its base could do."
    if rise > 0:
        return f"{told} A little was forgotten, no more than is allowed."
    return f"{told} No forgetting shows there; other abstracts share the register, though."


def _lead(page: ReleasePage) -> str:
    """Return how promotion judges it, with both figures; what was not measured is no pass."""
    judged = page.forgetting
    outcomes = (judged.rise_is_allowed, judged.drift_is_allowed)
    if outcomes == (None, None):
        return "The rings of forgetting were not measured in this report."
    if False in outcomes:
        start = "Too much was forgotten"
    else:
        start = "Not all was measured" if None in outcomes else "Within bounds"
    rise = f"on {judged.rise_on} perplexity"
    if judged.rise_is_allowed is None:
        rise = f"{rise} was not measured against the base"
    else:
        allowed = percent(page.allowed_rise)
        rise = f"{rise} changed by {percent(judged.rise)} (allowed {allowed})"
    drift = "on text of the base’s own the tuned model"
    if judged.drift_is_allowed is None:
        drift = f"{drift} was not measured"
    else:
        far, allowed = (
            number(judged.drift_nats_per_token, "+.3f"),
            number(page.allowed_drift, ".3g"),
        )
        drift = f"{drift} is {far} nats per token away from it (allowed {allowed})"
    return f"{start}: {rise}; {drift}."


def _in_words(rings: Mapping[str, Any]) -> list[str]:
    """Return what each ring is."""
    return [
        f"{name[0].upper()}{name[1:]}: {cleaned(rings[key]['what'], 400)}"
        for key, name in figures.RINGS.items()
        if at(rings, key, "what")
    ]


def _rings(rings: Mapping[str, Any]) -> list[Table]:
    names = [key for key in figures.RINGS if rings.get(key)]
    labels = in_order({label for key in names for label in rings[key].get("models") or {}})
    rows = []
    for key in names:
        found = rings[key]
        rows.append(
            row(
                figures.RINGS[key],
                number(number_at(found, "n_documents"), ",.0f"),
                *(number(number_at(found, "models", m, "bits_per_byte"), ".4f") for m in labels),
                _rise(found, "tuned"),
                number(number_at(found, "tuned_minus_base", "nats_per_token"), "+.4f"),
                _rise(found, "champion"),
            )
        )
    head = ("Ring", "Texts", *labels, "Rise", "Nats per token", "Champion’s rise")
    return table(f"Bits per byte of each model, and {_models(rings)} against base", head, rows)


def _rise(ring: Mapping[str, Any], label: str) -> Cell:
    """Return by how much a model's perplexity rose above the base's."""
    difference = ring.get(f"{label}_minus_base")
    ends = ends_at(difference, keys=("rise_low", "rise_high"), scale=100)
    return Cell(percent(number_at(difference, "rise")), between(*ends, "+.1f"))


def _models(rings: Mapping[str, Any]) -> str:
    """Return which models are held against the base."""
    has_champion = any(at(rings, key, "champion_minus_base") for key in figures.RINGS)
    return "tuned and champion" if has_champion else "tuned"


def _few(rings: Mapping[str, Any]) -> str | None:
    """Return why a ring has no interval; None where all have one."""
    found = [at(rings, key, "tuned_minus_base") for key in figures.RINGS]
    if all(number_at(one, "rise_low") is not None for one in found if one):
        return None
    return "Too few texts were measured for an interval where none stands."
