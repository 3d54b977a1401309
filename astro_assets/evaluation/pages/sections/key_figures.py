"""The figures a reader sees first: bits per byte, perplexity, forgetting, questions, the corpus.

What does not belong here: their intervals and circumstances (the sections).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from astro_assets.evaluation.pages.content import ReleasePage
from astro_assets.evaluation.pages.text import cleaned, number, percent, perplexity
from astro_assets.evaluation.pages.values import number_at


@dataclass(frozen=True)
class KeyFigure:
    """One figure with its name above and what to hold it against below."""

    name: str
    value: str
    beside: tuple[str, ...]
    """Lines beneath it."""
    is_bad: bool = False
    """Whether it is beyond a bound of promotion."""


def key_figures(page: ReleasePage) -> list[KeyFigure]:
    """Return the figures that there are numbers for, bits per byte first."""
    found = []
    if page.perplexity:
        found += _reading(page.perplexity) + _forgetting(page)
    if page.knowledge:
        found += _questions(page.knowledge)
    if page.corpus:
        told = number(page.corpus.train_tokens, ",d")
        found.append(KeyFigure("Papers", f"{page.corpus.papers:,}", (f"{told} training tokens",)))
    return found


def _reading(report: Mapping[str, Any]) -> list[KeyFigure]:
    ways: tuple[tuple[str, str, Callable[[float | None], str]], ...] = (
        ("Bits per byte, astronomy", "bits_per_byte", lambda value: number(value, ".4f")),
        ("Perplexity, astronomy", "perplexity", perplexity),
    )
    found = []
    for name, key, written in ways:
        values = {
            label: number_at(report, "models", label, "astro", "per_document", key)
            for label in ("base", "tuned", "champion", "model")
        }
        value = values["tuned"] if values["tuned"] is not None else values["model"]
        base = values["base"]
        if value is None:
            continue
        beside = [f"base {written(base)}, {percent(value / base - 1)}"] if base else []
        if values["champion"] is not None and key == "bits_per_byte":
            beside.append(f"champion {written(values['champion'])}")
        found.append(KeyFigure(name, written(value), tuple(beside)))
    return found


def _forgetting(page: ReleasePage) -> list[KeyFigure]:
    rise = number_at(page.perplexity, "forgetting", "rise_far")
    drift = number_at(page.perplexity, "forgetting", "drift_nats_per_token")
    general = number_at(page.perplexity, "rise_general")
    found = []
    if rise is not None:
        allowed = f"allowed {percent(page.allowed_rise)}"
        found.append(
            KeyFigure(
                "Forgetting, far fields",
                percent(rise),
                ("in perplexity,", allowed),
                is_bad=rise > page.allowed_rise,
            )
        )
    elif general is not None:
        found.append(
            KeyFigure(
                "Forgetting, all other fields",
                percent(general),
                ("in perplexity,", f"allowed {percent(page.allowed_rise)}"),
                is_bad=general > page.allowed_rise,
            )
        )
    if drift is not None:
        allowed = f"allowed {number(page.allowed_drift, '+.3g')}"
        found.append(
            KeyFigure(
                "Drift on own text",
                number(drift, "+.3f"),
                ("nats per token,", allowed),
                is_bad=drift > page.allowed_drift,
            )
        )
    return found


def _questions(report: Mapping[str, Any]) -> list[KeyFigure]:
    accuracy = {
        label: number_at(report, "models", label, "accuracy")
        for label in ("base", "tuned", "model")
    }
    value = accuracy["tuned"] if accuracy["tuned"] is not None else accuracy["model"]
    if value is None:
        return []
    chance = percent(number_at(report, "chance"), ".0%")
    beside = [f"chance {chance}"]
    if accuracy["base"] is not None:
        beside = [f"base {percent(accuracy['base'], '.1%')}, chance {chance}"]
    if report.get("verdict"):
        beside.append(cleaned(report["verdict"], 40))
    return [KeyFigure("Questions answered", percent(value, ".1%"), tuple(beside))]
