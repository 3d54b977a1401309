"""The leaderboard: every model that was measured, by release, as a page and as JSON.

Only models that read the same papers stand in one table, best bits per byte first. What does not
belong here: where the figures come from (``registry.scorecards``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from astro_assets.artifacts import atomic
from astro_assets.evaluation.pages.html import rendered
from astro_assets.evaluation.pages.text import number
from astro_assets.evaluation.reports import rounded

PAGE, AS_JSON, INDEX = "leaderboard.html", "leaderboard.json", "index.html"


@dataclass(frozen=True)
class Scorecard:
    """One model's figures on one set of papers; None: not measured."""

    name: str
    """As "astrollama 4", a hub id, or a folder's name."""
    role: str
    """base, tuned or champion of the release, or evaluated by itself."""
    digest: str
    """sha256 of what the model is made of."""
    base: str | None = None
    """The base of an adapter; None: a whole model, or not known."""
    n_parameters: int | None = None
    """Of the base, or of the whole model."""
    quantisation: str | None = None
    """None or ``nf4``."""
    dtype: str | None = None
    """What it computed in: float32, or bfloat16 on a GPU; None: not known."""
    bits_per_byte: float | None = None
    """Held-out astronomy abstracts, per UTF-8 byte; lower is better."""
    bits_per_byte_low: float | None = None
    """95 % interval over papers."""
    bits_per_byte_high: float | None = None
    general_bits_per_byte: float | None = None
    """All other fields' held-out abstracts."""
    far_bits_per_byte: float | None = None
    """Of these, the fields far from astronomy."""
    rise_far: float | None = None
    """Share by which perplexity on far abstracts rose above the base's; None without a base."""
    drift_nats_per_token: float | None = None
    """Rise of nll on text sampled from the base, an estimate of KL(base || model)."""
    retrieval_mrr: float | None = None
    """Mean reciprocal rank of a title's own abstract, shared words masked."""
    n_retrieval: int | None = None
    """Titles that were looked for, among as many abstracts."""
    accuracy: float | None = None
    """Share of questions answered right, by the method ``question_method``."""
    question_method: str | None = None
    chance: float | None = None
    n_questions: int | None = None
    questions_digest: str | None = None
    """sha256 of the questions and of the examples before them."""
    repeated_4grams: float | None = None
    """Share of word 4-grams in its completions that repeat."""
    loops: float | None = None
    """Share of its completions that end in a loop."""


@dataclass(frozen=True)
class Group:
    """Models that read the same papers of one release."""

    release: str
    """``YYYY-MM``."""
    n_documents: int
    """Held-out astronomy abstracts that each model read."""
    n_bytes: int
    """Of these abstracts, UTF-8."""
    cards: tuple[Scorecard, ...]
    question_method: str | None = None
    """The one way of asking that the column of questions is about."""
    n_questions: int | None = None
    """Of the column; a card with others has no accuracy here."""
    n_retrieval: int | None = None
    """Of the column; a card with others has no retrieval here."""


def ordered(groups: Sequence[Group]) -> list[Group]:
    """Return the newest release first, and in each group the fewest bits per byte first."""
    by_size = sorted(groups, key=lambda group: (group.n_documents, group.n_bytes), reverse=True)
    newest = sorted(by_size, key=lambda group: group.release, reverse=True)
    return [replace(group, cards=tuple(sorted(group.cards, key=_rank))) for group in newest]


def _rank(card: Scorecard) -> tuple[bool, float, str, str]:
    bits = card.bits_per_byte
    return (bits is None, bits or 0.0, card.name, card.digest)


def leaderboard_as_json(groups: Sequence[Group]) -> dict[str, Any]:
    """Return every figure of the page as plain values, in the page's order."""
    told: dict[str, Any] = rounded({"groups": [asdict(group) for group in ordered(groups)]})
    return told


def render_leaderboard(groups: Sequence[Group], folder: Path) -> Path:
    """Write ``leaderboard.html`` and ``leaderboard.json`` atomically; return the page's path.

    The index is linked where releases have pages: it is written after them.
    """
    told = json.dumps(leaderboard_as_json(groups), indent=1, ensure_ascii=False, allow_nan=False)
    atomic.write_text(folder / AS_JSON, told + "\n")
    index = INDEX if any(folder.glob("????-??.html")) else None
    shown = {"groups": ordered(groups), "index": index, "numbers": AS_JSON}
    atomic.write_text(folder / PAGE, rendered(PAGE, **shown, parameters=parameters))
    return folder / PAGE


def parameters(n: int | None) -> str:
    """Return a number of parameters as people say it; a dash for None.

    >>> parameters(6_738_415_616), parameters(1_000_576), parameters(None)
    ('6.7 B', '1.0 M', '–')
    """
    if n is None:
        return number(None)
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if n >= size:
            return f"{number(n / size, ',.1f')} {unit}"
    return str(n)
