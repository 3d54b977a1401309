"""Knowledge: questions by every method, the verdict in words, and two probes.

What does not belong here: how the verdict is reached (``evaluation.knowledge``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from astro_assets.evaluation.figures import knowledge as figures
from astro_assets.evaluation.pages.blocks import (
    Block,
    Cell,
    Heading,
    Table,
    Words,
    notes,
    pictures,
    row,
    table,
)
from astro_assets.evaluation.pages.sections.shared import between, model_cell, share_cell
from astro_assets.evaluation.pages.text import cleaned, number, percent
from astro_assets.evaluation.pages.values import at, ends_at, in_order, measured, number_at

Report = Mapping[str, Any]


def knowledge_blocks(report: Report) -> list[Block]:
    """Return the section's blocks."""
    others = report.get("other_questions")
    return [
        Words(verdict_sentence(report), "lead"),
        *_questions(report, "knowledge"),
        *_outside(others),
        *_probes(report),
        *notes(*(cleaned(note, 300) for note in (report.get("notes") or [])[:20])),
    ]


def verdict_sentence(report: Report) -> str:
    """Return the verdict on the questions in words."""
    verdict = report.get("verdict")
    if verdict is None:
        return "The questions were asked of one model: there is nothing to compare it with."
    margin = percent(number_at(report, "margin"), ".0%")
    return {
        "not worse": f"The tuned model is not worse than its base by more than {margin}.",
        "worse": f"The tuned model is worse than its base by more than {margin}.",
        "undecided": f"Whether the tuned model is worse by more than {margin} is not decided:"
        " so few questions cannot tell.",
        "not measurable": "The base does not answer better than by chance, so these questions"
        " cannot tell whether anything was forgotten.",
    }.get(str(verdict), "The verdict is none that is known.")


def _questions(report: Report, name: str) -> list[Block]:
    n = number(number_at(report, "n_questions"), ",.0f")
    source = cleaned(report.get("source", "unknown source"), 120)
    return [
        Words(
            f"{n} multiple-choice questions ({source}), asked in several ways."
            f"{_left_out(report)}{_headline(report)}"
        ),
        *pictures(
            (
                figures.accuracies(report, name),
                "Share of right answers by method, with 95\u202f% intervals. The upright line is"
                " chance.",
            )
        ),
        *_method_table(report),
        *notes(*_methods_in_words(report)),
    ]


def _left_out(report: Report) -> str:
    n = number_at(report, "n_left_out")
    return f" {n:,.0f} too long for a model were asked of none." if n else ""


def _headline(report: Report) -> str:
    """Return which way leads, and why its figures are to be read with care."""
    if report.get("headline") is None:
        return ""
    name = f"“{figures.method_name(str(report['headline']))}”"
    if "base" not in (report.get("models") or {}):
        return f" The figures that lead are those of {name}, whatever the others give."
    return (
        f" The verdict rests on {name}, chosen on the base alone: the base’s figure is the best of"
        " its methods, and so a little too good."
    )


def _method_table(report: Report) -> list[Table]:
    methods = report.get("methods") or {"": report}
    labels = in_order({m for found in methods.values() for m in measured(at(found, "models"))})
    others = [("Tuned − champion", "tuned_minus_champion")] if "champion" in labels else []
    compared = [("Tuned − base", "difference"), *others]
    rows = [
        row(
            figures.method_name(key) if key else "right answers",
            *(
                share_cell(*(number_at(found, "models", m, k) for k in ("accuracy", "low", "high")))
                for m in labels
            ),
            *(_difference(at(found, key)) for _, key in compared),
            cleaned(at(found, "verdict") or "–", 40),
        )
        for key, found in methods.items()
    ]
    chance = percent(number_at(report, "chance"), ".1%")
    head = ("Asked for", *labels, *(name for name, _ in compared), "Verdict")
    return table(f"Right answers; chance is {chance}", head, rows)


def _difference(found: Any) -> Cell:
    value = number_at(found, "accuracy")
    return Cell(percent(value), between(*ends_at(found, scale=100), "+.1f"))


def _methods_in_words(report: Report) -> list[str]:
    return [
        f"{figures.method_name(key).capitalize()}: {cleaned(found['what'], 300)}"
        for key, found in (report.get("methods") or {}).items()
        if isinstance(found, Mapping) and found.get("what")
    ]


def _outside(others: Any) -> list[Block]:
    """Return the user's questions outside astronomy."""
    if not others:
        return []
    return [
        Heading("Questions outside astronomy"),
        Words(verdict_sentence(others)),
        *_questions(others, "other_questions"),
    ]


def _probes(report: Report) -> list[Block]:
    equations, constellations = report.get("equations"), report.get("constellations")
    parts: list[Block] = [*_equations(equations), *_constellations(constellations)]
    return [Heading("Probes"), *parts] if parts else []


def _equations(found: Any) -> list[Table]:
    models = at(found, "models") or {}
    rows = [
        row(
            model_cell(label),
            share_cell(*(number_at(models, label, key) for key in ("rank_1", "low", "high"))),
            number(number_at(models, label, "mrr"), ".3f"),
            number(number_at(models, label, "median_rank"), ",.3g"),
            number(number_at(models, label, "edit_distance"), ".3f"),
            number(number_at(models, label, "n_exact"), ",.0f"),
        )
        for label in measured(models)
    ]
    chance = percent(number_at(found, "chance_rank_1"), ".1%")
    n = number(number_at(found, "n"), ",.0f")
    head = ("Model", "First", "Mean recip. rank", "Median rank", "Edit distance", "Exact")
    return table(
        f"Named equations to LaTeX: the rank of the right one among {n} (first by chance:"
        f" {chance}), and the edit distance of a free answer",
        head,
        rows,
    )


def _constellations(found: Any) -> list[Table]:
    models = at(found, "models") or {}
    rows = [
        row(
            model_cell(label),
            share_cell(*(number_at(models, label, key) for key in ("right", "low", "high"))),
            number(number_at(models, label, "mrr"), ".3f"),
        )
        for label in measured(models)
    ]
    chance = percent(number_at(found, "chance"), ".1%")
    most = number_at(found, "most_frequent_share")
    always = "" if most is None else f"; always the most frequent one: {percent(most, '.1%')}"
    n = number(number_at(found, "n"), ",.0f")
    return table(
        f"Objects to their constellations, {n} of them (chance: {chance}{always}); an analogue of"
        " Galactica’s probe of galaxy clusters, not that probe",
        ("Model", "Right", "Mean recip. rank"),
        rows,
    )
