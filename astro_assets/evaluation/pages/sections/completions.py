"""Completions: abstracts continued by each model, beside what the authors wrote; and measures.

What does not belong here: making and measuring them (``evaluation.completions``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from astro_assets.evaluation.pages.blocks import (
    Block,
    Cell,
    Continuation,
    Passage,
    Table,
    Words,
    notes,
    row,
    table,
)
from astro_assets.evaluation.pages.sections.shared import (
    between,
    left_out_sentence,
    share_cell,
)
from astro_assets.evaluation.pages.text import cleaned, number, percent
from astro_assets.evaluation.pages.values import (
    MODELS,
    at,
    ends_at,
    in_order,
    interval_at,
    number_at,
)

MAX_SHOWN, N_OPEN, MAX_SAMPLES = 12, 3, 4
_MAX_TEXT, _MAX_PROMPT, _MAX_TITLE, _MAX_OTHERS = 2500, 1500, 300, 6
AUTHORS = "as the authors wrote it"
MEASURES = {
    "mean_tokens": ("Tokens, mean", False),
    "mean_words": ("Words, mean", False),
    "repeated_4grams": ("Word 4-grams that repeat", True),
    "loops": ("Texts that end in a loop", True),
    "rouge_l": ("ROUGE-L with the authors", False),
    "new_numbers": ("Numbers not in the prompt", True),
}
"""Measure of a report -> its name, and whether it is a share."""
COUNTS = {"n": "Texts", "n_numbers": "Numbers in them"}
"""What the measures were taken of, writer by writer."""
COMPARED = {
    "tuned_minus_base": "tuned − base",
    "tuned_minus_champion": "tuned − champion",
    "tuned_minus_truth": "tuned − authors",
}
"""Difference of a report -> its name."""

Report = Mapping[str, Any]


def completion_blocks(report: Report) -> list[Block]:
    """Return the section's blocks."""
    items = report.get("items") or []
    n_more = len(items) - MAX_SHOWN
    return [
        Words(_how(report)),
        *_measures(report.get("measures") or {}),
        *_differences(report.get("differences")),
        *notes(
            "Numbers not in the prompt are the paper’s own worry, “invented” ones; the authors’"
            " own share is what an honest continuation has.",
            left_out_sentence(report),
            _others(report),
            *(cleaned(note, 300) for note in (report.get("notes") or [])[:10]),
        ),
        *[
            _continuation(item, is_folded=place >= N_OPEN)
            for place, item in enumerate(items[:MAX_SHOWN])
        ],
        *notes(f"{n_more:,} more are in the completion report." if n_more > 0 else None),
    ]


def _how(report: Report) -> str:
    n_samples = number_at(report, "n_samples")
    samples = "" if not n_samples or n_samples < 2 else f", {n_samples:.0f} samples each"
    return (
        "Held-out abstracts, continued from their first sentences at temperature"
        f" {number(number_at(report, 'temperature'))}, at most"
        f" {number(number_at(report, 'max_new_tokens'), ',.0f')} new tokens{samples}; the paper’s"
        " figure\u00a02."
    )


def _measures(measures: Mapping[str, Any]) -> list[Table]:
    """Return one row per measure, one column per writer, the authors last."""
    writers = [name for name in in_order(measures) if name != "truth"]
    writers += ["truth"] if "truth" in measures else []
    names = {name for found in measures.values() for name in found or {}}
    known = [name for name in MEASURES if name in names]
    others = sorted(names - set(MEASURES) - set(COUNTS) - {"interval"})
    rows = [
        row(
            MEASURES[name][0] if name in MEASURES else cleaned(name, 60),
            *(_measure(at(measures, writer), name) for writer in writers),
        )
        for name in (*known, *others)
    ]
    rows += [
        row(said, *(Cell(number(number_at(measures, w, name), ",.0f")) for w in writers))
        for name, said in COUNTS.items()
        if name in names
    ]
    head = ("Measure", *("authors" if w == "truth" else cleaned(w, 40) for w in writers))
    caption = "Over all continuations; small: 95\u202f%, from a bootstrap over abstracts"
    return table(caption, head, rows)


def _measure(found: Any, name: str) -> Cell:
    value, ends = number_at(found, name), interval_at(found, "interval", name)
    if _is_share(name):
        return share_cell(value, *(ends or ()))
    form = ",.3g" if value is None or abs(value) < 100 else ",.0f"
    return Cell(number(value, form), between(*ends, form) if ends else "")


def _differences(differences: Any) -> list[Table]:
    """Return how the tuned model differs from its base and from the authors."""
    compared = {
        said: found for key, said in COMPARED.items() if (found := at(differences, key)) is not None
    }
    rows = [
        row(MEASURES[name][0], *(_difference(at(found, name), name) for found in compared.values()))
        for name in MEASURES
        if any(at(found, name) is not None for found in compared.values())
    ]
    caption = "Differences, paired by abstract; small: 95\u202f%"
    return table(caption, ("Measure", *compared), rows)


def _difference(found: Any, name: str) -> Cell:
    value = number_at(found, "value")
    if _is_share(name):
        return Cell(percent(value), between(*ends_at(found, scale=100), "+.1f"))
    return Cell(number(value, "+.3f"), between(*ends_at(found), "+.3f"))


def _is_share(name: str) -> bool:
    return MEASURES.get(name, ("", False))[1]


def _others(report: Report) -> str | None:
    others = report.get("others")
    if not others:
        return None
    n, n_unmatched = (number_at(others, key) for key in ("n_matched", "n_unmatched"))
    return (
        f"Other models’ completions are from {cleaned(others.get('file', 'a file'), 120)}:"
        f" {number(n, ',.0f')} belong to these abstracts, {number(n_unmatched, ',.0f')} do not."
    )


def _continuation(item: Mapping[str, Any], *, is_folded: bool) -> Continuation:
    completions = item.get("completions") or {}
    texts = {label: _samples(completions[label]) for label in in_order(completions)}
    first = [_passage(label, samples[0], 0, samples) for label, samples in texts.items() if samples]
    more = [
        _passage(label, text, place, samples)
        for label, samples in texts.items()
        for place, text in enumerate(samples[:MAX_SAMPLES])
        if place
    ]
    others = [
        Passage(cleaned(name, 60), cleaned(text, _MAX_TEXT), "other")
        for name, text in list((item.get("others") or {}).items())[:_MAX_OTHERS]
    ]
    return Continuation(
        title=cleaned(item.get("title", ""), _MAX_TITLE),
        id=cleaned(item.get("id", ""), 40),
        prompt=cleaned(item.get("prompt", ""), _MAX_PROMPT),
        passages=(
            *first,
            *others,
            Passage(AUTHORS, cleaned(item.get("truth", ""), _MAX_TEXT), "truth"),
        ),
        more=tuple(more),
        is_folded=is_folded,
    )


def _samples(found: Any) -> list[str]:
    """Return a model's texts; reports from before hold one."""
    return [found] if isinstance(found, str) else list(found or [])


def _passage(label: str, text: str, place: int, samples: Sequence[str]) -> Passage:
    told = cleaned(label, 60) if len(samples) < 2 else f"{cleaned(label, 60)}, sample {place + 1}"
    kind = f"dot {label}" if label in MODELS else "other"
    return Passage(told, cleaned(text, _MAX_TEXT) or "(nothing: the text ended at once)", kind)
