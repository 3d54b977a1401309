"""Reports as rows and sentences of the page: plain values, nothing escaped yet.

What does not belong here: markup (templates) and the numbers' making (the reports).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from astro_assets.corpus.published import Comparison, Published
from astro_assets.evaluation.pages.text import number, percent

MODELS = ("base", "tuned", "champion")
WRITERS = ("base", "tuned", "truth")
MAX_COMPLETIONS = 12
MAX_EXAMPLES = 6
ALL_FELL = -0.3
"""From this fall of general perplexity on, the base had never seen such prose."""

REASONS = {
    "withdrawn": "withdrawn by the authors",
    "empty_abstract": "no abstract",
    "duplicate_text": "the text of an earlier paper",
    "copy_of_test": "a text that stands on the test side",
    "not_primary": "astro-ph not first among the categories",
}

MEASURES = {
    "mean_tokens": "tokens, mean",
    "repeated_4grams": "share of word 4-grams that repeat",
    "new_numbers": "share of numbers that the prompt does not hold",
}


@dataclass(frozen=True)
class PerplexityRow:
    """One model's figures on one field."""

    model: str
    perplexity: float | None
    bits_per_byte: float | None
    packed: float | None
    change: float | None
    """Share by which perplexity differs from the base's; None for the base and other tokenizers."""


def perplexity_rows(report: Mapping[str, Any], field: str) -> list[PerplexityRow]:
    """Return the rows of one field, base first."""
    measured = {name: report["models"].get(name) for name in MODELS}
    base = measured["base"][field]["per_document"]["perplexity"]
    rows = []
    for name, model in measured.items():
        if not model:
            continue
        figures, packed = model[field]["per_document"], model[field]["packed_blocks"]
        change = figures["perplexity"] / base - 1 if name == "tuned" else None
        packed_perplexity = packed["perplexity"] if packed else None
        bits, perplexity = figures["bits_per_byte"], figures["perplexity"]
        rows.append(PerplexityRow(name, perplexity, bits, packed_perplexity, change))
    return rows


def perplexity_values(report: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Return field -> model -> perplexity, for the figure."""
    return {
        field: {row.model: row.perplexity for row in perplexity_rows(report, field)
                if row.perplexity is not None}
        for field in ("astro", "general")
    }  # fmt: skip


def left_out_sentence(report: Mapping[str, Any]) -> str | None:
    """Return how many near copies a report left out; None where the report does not say."""
    if "near_copies_left_out" not in report:
        return None
    n = report["near_copies_left_out"]
    if n is None:
        return "Test papers with a near copy on the train side were kept (ASTRO_NEAR_COPIES=keep)."
    told = (
        " and ".join(f"{count:,} {field}" for field, count in n.items())
        if isinstance(n, Mapping)
        else f"{n:,}"
    )
    return (
        f"Left out: {told} test papers of whose words half or more stand, in runs of 13, in one"
        " paper of the train side."
    )


def general_fields_sentence(report: Mapping[str, Any]) -> str | None:
    """Return which fields the general side is of; None where the report does not say."""
    fields = report.get("general_fields")
    if not fields:
        return None
    return (
        f"General papers are of fields that no recipe replays ({', '.join(fields['measured'])}):"
        f" {fields['n_measured_papers']:,} of {fields['n_test_papers']:,} general test papers have"
        " no category outside them."
    )


def difference_sentences(report: Mapping[str, Any]) -> list[str]:
    """Return the paired differences on astro, tuned against base and champion."""
    sentences = []
    for other in ("base", "champion"):
        found = (report.get(f"tuned_minus_{other}") or {}).get("astro")
        if found:
            low, value, high = (
                number(found[name], "+.4f") for name in ("low", "nats_per_byte", "high")
            )
            sentences.append(
                f"Astro, tuned minus {other}: {value} nats per byte"
                f" (95 % interval {low} to {high}, {found['n_documents']:,} papers)."
            )
    return sentences


def forgetting_sentence(report: Mapping[str, Any], allowed_rise: float) -> str:
    """Return what the general side says about forgetting; ``allowed_rise`` is promotion's bound."""
    rise = report["rise_general"]
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
    return f"{told} Nothing was forgotten."


def knowledge_sentence(report: Mapping[str, Any]) -> str:
    """Return the verdict on the questions in words."""
    margin = percent(report["margin"], ".0%")
    return {
        "not worse": f"The tuned model is not worse than its base by more than {margin}.",
        "worse": f"The tuned model is worse than its base by more than {margin}.",
        "undecided": f"Whether the tuned model is worse by more than {margin} is not decided:"
        " so few questions cannot tell.",
        "not measurable": "The base does not answer better than by chance, so these questions"
        " cannot tell whether anything was forgotten.",
    }.get(report["verdict"], "The verdict is none that is known.")


def excluded_rows(excluded: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return why papers were left out and how many, most frequent first; zeros are left out."""
    rows = [(REASONS.get(name, name), count) for name, count in excluded.items() if count]
    return sorted(rows, key=lambda row: (-row[1], row[0]))


def corpus_rows(statistics: Mapping[str, Any], part: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the summaries of ``by_year`` or ``by_subfield``, by name."""
    return sorted(statistics[part].items())


def published_rows(published: Published) -> list[tuple[str, str, str, str]]:
    """Return what is compared, the paper's figure, ours, and what must be known to compare."""
    return [
        (row.what, _compared(row.paper, row), _compared(row.ours, row), row.note)
        for row in published.rows
    ]


def _compared(value: float, row: Comparison) -> str:
    return percent(value, ".1%") if row.paper < 1 else number(value, ",.0f")


def retrieval_rows(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return how often a title finds its own abstract, per encoder."""
    rows = []
    for name in ("base", "tuned", "baseline"):
        found = (report.get("retrieval") or {}).get(name)
        if found:
            label = report["baseline"] if name == "baseline" else name
            spearman = (report.get("spearman") or {}).get(name)
            rows.append({"name": label, "spearman": spearman, **found})
    return rows


def measure_rows(
    measures: Mapping[str, Mapping[str, Any]],
) -> list[tuple[str, list[float | None]]]:
    """Return one row per measure of the completions: its name, then base, tuned, and the truth."""
    names = sorted({name for writer in measures.values() for name in writer})
    return [
        (MEASURES.get(name, name), [measures.get(writer, {}).get(name) for writer in WRITERS])
        for name in names
    ]


def example_rows(report: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the pairs whose similarity training moved most: titles, base, tuned, baseline."""
    examples: Sequence[Mapping[str, Any]] = report.get("examples") or ()
    return examples[:MAX_EXAMPLES]


def shown_items(items: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Return the completions the page shows."""
    return items[:MAX_COMPLETIONS]
