"""The index over releases: how champion, bits per byte, forgetting and corpus grew.

What does not belong here: a release by itself (``release``), models by themselves (leaderboard).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from astro_assets.artifacts import atomic
from astro_assets.evaluation.figures import history
from astro_assets.evaluation.pages.blocks import Block, Cell, Words, notes, pictures, row, table
from astro_assets.evaluation.pages.content import IndexEntry
from astro_assets.evaluation.pages.html import rendered
from astro_assets.evaluation.pages.release import as_json
from astro_assets.evaluation.pages.text import cleaned, number, percent, perplexity

LEADERBOARD = "leaderboard.html"
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\.html")


def render_index(entries: Sequence[IndexEntry], path: Path) -> Path:
    """Write the index, newest first, and its numbers as JSON beside it; return its path.

    The leaderboard is linked where it lies beside the index.

    Raises:
        ValueError: a page is not a plain HTML file name beside the index.
    """
    for entry in entries:
        if not _FILE_NAME.fullmatch(entry.page):
            raise ValueError(f"{entry.page[:80]!r} is no file name of a page")
    newest_first = sorted(entries, key=lambda entry: entry.release, reverse=True)
    numbers = path.with_suffix(".json")
    plain = [asdict(entry) for entry in newest_first]
    atomic.write_text(numbers, as_json({"releases": plain}))
    text = rendered(
        "index.html",
        entries=newest_first,
        champion=next((entry for entry in newest_first if entry.is_champion), None),
        blocks=[*_table(newest_first), *_history(plain[::-1])],
        leaderboard=LEADERBOARD if path.with_name(LEADERBOARD).is_file() else None,
        numbers=numbers.name,
    )
    atomic.write_text(path, text)
    return path


def _table(entries: Sequence[IndexEntry]) -> list[Block]:
    """Return the releases, newest first; the base beneath the tuned model's figure."""
    if not entries:
        return [Words("No release has been made yet.", "absent")]
    rows = [
        row(
            Cell(cleaned(entry.release, 20), kind=f"link {entry.page}"),
            Cell(
                _unbroken(cleaned(entry.model or "–", 110)),
                _state(entry),
                "champion" if entry.is_champion else "",
            ),
            Cell(number(entry.tuned_bits, ".4f"), _base(number(entry.base_bits, ".4f"))),
            _forgotten(entry),  # before perplexity: a phone shows four columns at once
            Cell(perplexity(entry.tuned_astro), _base(perplexity(entry.base_astro))),
            number(entry.papers, ",d"),
        )
        for entry in entries
    ]
    head = ("Release", "Model", "Bits per byte", "Forgetting", "Perplexity", "Papers")
    return [
        *table("Held-out astronomy: the tuned model, and its base beneath", head, rows),
        *notes(
            "Forgetting is the change of perplexity on far fields from base to tuned (all other"
            " fields where a release has no far ones); beneath, the drift on the base’s own text in"
            " nats per token. Bits per byte are of each release’s own held-out papers: releases"
            " differ in their papers, so compare models within a release."
        ),
    ]


def _unbroken(model: str) -> str:
    """Keep a model's version on the line of its name."""
    return "\u00a0".join(model.rsplit(" ", 1))


def _state(entry: IndexEntry) -> str:
    if entry.is_champion or entry.promoted is None:
        return ""
    return "promoted then" if entry.promoted else "not promoted"


def _base(written: str) -> str:
    return "" if written == "–" else f"base {written}"


def _forgotten(entry: IndexEntry) -> Cell:
    rise = entry.rise_general if entry.rise_far is None else entry.rise_far
    drift = entry.drift_nats_per_token
    return Cell(percent(rise), "" if drift is None else f"{number(drift, '+.3f')} nats")


def _history(oldest_first: Sequence[Mapping[str, Any]]) -> list[Block]:
    return [
        *pictures(
            (
                history.bits_by_release(oldest_first),
                "Bits per byte on each release’s held-out astronomy abstracts (less is better).",
            ),
            (
                history.forgetting_by_release(oldest_first),
                "Forgetting: rise of perplexity on far fields, and drift from the base on the"
                " base’s own text in nats per token.",
            ),
            (history.corpus_by_release(oldest_first), "What each release’s model was made from."),
        )
    ]
