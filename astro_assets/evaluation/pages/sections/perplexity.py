"""Perplexity: how well held-out abstracts are read, by whom, the paper's way beside it, and where.

What does not belong here: the papers after the cut (``forward``) and forgetting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from astro_assets.evaluation.figures import perplexity as figures
from astro_assets.evaluation.figures import strata
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
from astro_assets.evaluation.pages.sections.shared import (
    NOT_MEASURED,
    between,
    left_out_sentence,
    model_cell,
)
from astro_assets.evaluation.pages.text import cleaned, number, percent, perplexity
from astro_assets.evaluation.pages.values import (
    at,
    ends_at,
    in_order,
    interval_at,
    measured,
    number_at,
)

TITLES = {"astro": "Astronomy, held out", "general": "Everything else, held out"}
STRATA = {"year": "Year", "subfield": "Subfield", "place": "Place of astro-ph"}
_MAX_NOTES = 20
_PAPER_S_WAY = (
    "The paper packs abstracts into blocks, [BOS] and [EOS] around each, and reports the"
    " perplexity of the blocks it trains on: 32.5\u202f% below its start"
    " (arXiv:2309.06126, figure\u00a01). That is a training number. Beside it stand the"
    " same measure on blocks never trained on, and the one above. With another base and"
    " another corpus they are not the same number."
)

Report = Mapping[str, Any]


def perplexity_blocks(report: Report) -> list[Block]:
    """Return the section's blocks."""
    return [
        Words(_lead(report), "lead"),
        *pictures(
            (
                figures.bits_per_byte(report),
                "Held-out abstracts, one at a time: fresh beginning, text tokens only. Bars are"
                " 95\u202f% intervals over documents. Bits per byte compare models of any"
                " tokenizer.",
            )
        ),
        *[part for field in TITLES for part in _field_table(report, field)],
        *_differences(report),
        *notes(_used(report), general_fields_sentence(report), left_out_sentence(report)),
        *_paper_s_way(report),
        *_strata(report),
        *_near_copies(report),
        *notes(*(cleaned(note, 300) for note in (report.get("notes") or [])[:_MAX_NOTES])),
    ]


def general_fields_sentence(report: Report) -> str | None:
    """Return which fields the general side is of; None where the report does not say."""
    fields = report.get("general_fields")
    if not fields:
        return None
    names = cleaned(", ".join(fields["measured"]), 400)
    return (
        f"General papers are of fields that no recipe replays ({names}):"
        f" {fields['n_measured_papers']:,} of {fields['n_test_papers']:,} general test papers have"
        " no category outside them."
    )


def _lead(report: Report) -> str:
    told = []
    for key, name, written in (
        ("bits_per_byte", "bits per byte", lambda value: number(value, ".4f")),
        ("perplexity", "perplexity", perplexity),
    ):
        values = {
            label: number_at(report, "models", label, "astro", "per_document", key)
            for label in measured(report.get("models"))
        }
        base, tuned = values.get("base"), values.get("tuned")
        if base and tuned:
            change = percent(tuned / base - 1)
            told.append(f"{name} from {written(base)} to {written(tuned)} ({change})")
        else:
            told += [f"{label} {written(value)} {name}" for label, value in values.items()]
    both = " and ".join(told) if len(told) == 2 else "; ".join(told)
    is_compared = any(" from " in part for part in told)
    start = "Tuning took held-out astronomy abstracts: " if is_compared else "Held-out astronomy: "
    return f"{start}{both or NOT_MEASURED}."


def _field_table(report: Report, field: str) -> list[Table]:
    rows = []
    base = number_at(report, "models", "base", field, "per_document", "perplexity")
    for label in measured(report.get("models")):
        found = at(report, "models", label, field, "per_document")
        value = number_at(found, "perplexity")
        change = value / base - 1 if value and base and label == "tuned" else None
        n = number_at(found, "n_documents")
        rows.append(
            row(
                model_cell(label),
                Cell(
                    number(number_at(found, "bits_per_byte"), ".4f"),
                    _interval(found, "bits_per_byte", ".4f"),
                ),
                Cell(perplexity(value), _interval(found, "perplexity", ",.2f")),
                percent(change),
                number(n, ",.0f"),
            )
        )
    head = ("Model", "Bits per byte", "Perplexity", "Change", "Papers")
    return table(f"{TITLES[field]}; beneath, 95\u202f% intervals", head, rows)


def _interval(found: Any, key: str, form: str) -> str:
    ends = interval_at(found, "interval", key)
    return between(*ends, form) if ends else ""


def _differences(report: Report) -> list[Table]:
    """Return tuned against base and champion, paired by paper: only like is compared with like."""
    rows = [
        row(f"tuned − {other}", *(_difference(at(found, field)) for field in TITLES))
        for other in ("base", "champion")
        if (found := report.get(f"tuned_minus_{other}"))
    ]
    head = ("Paper by paper", "Astronomy", "Everything else")
    return table("Differences in nats per byte, with 95\u202f% intervals", head, rows)


def _difference(found: Any) -> Cell:
    return Cell(number(number_at(found, "nats_per_byte"), "+.4f"), between(*ends_at(found), "+.4f"))


def _used(report: Report) -> str | None:
    """Return how many tokens were measured, and how many the setting allows."""
    used = report.get("n_tokens_used")
    cap = number_at(report, "max_tokens")
    if not isinstance(used, Mapping) or not used:
        return None
    told = ", ".join(f"{cleaned(name, 40)} {count:,}" for name, count in used.items())
    allowed = "" if cap is None else f" At most {cap:,.0f} are measured of each (a setting)."
    return f"Tokens measured: {told}.{allowed}"


def _paper_s_way(report: Report) -> list[Block]:
    """Return the paper's measure: packed blocks, training and held-out, each labelled."""
    rows = [
        row(
            name,
            perplexity(number_at(report, "reductions", key, "base")),
            perplexity(number_at(report, "reductions", key, "tuned")),
            Cell(
                percent(number_at(report, "reductions", key, "reduction"), ".1%"),
                _ends(report, key),
            ),
        )
        for key, name in figures.REDUCTIONS.items()
        if at(report, "reductions", key)
    ] or [_packed_row(report)]  # fmt: skip
    paper = row(
        "the paper: training blocks, Llama-2-7B",
        "9.70",
        "6.55",
        percent(figures.PAPER_REDUCTION, ".1%"),
    )
    return [
        Heading("The paper’s way"),
        Words(_PAPER_S_WAY),
        *pictures(
            (
                figures.reductions(report),
                "By how much perplexity fell from base to tuned, from the paper’s way to ours.",
            )
        ),
        *table(
            "Perplexity of base and tuned by which way",
            ("Measured on", "Base", "Tuned", "Fall"),
            [paper, *rows],
        ),
        *notes("Packed blocks are measured as they were cut, with all papers."),
    ]


def _packed_row(report: Report) -> tuple[Cell, ...]:
    """Return the held-out blocks of a report from before reductions were kept."""
    base, tuned = (
        number_at(report, "models", label, "astro", "packed_blocks", "perplexity")
        for label in ("base", "tuned")
    )
    fall = percent(1 - tuned / base, ".1%") if base and tuned else percent(None)
    return row("ours, held-out blocks", perplexity(base), perplexity(tuned), fall)


def _ends(report: Report, key: str) -> str:
    return between(*ends_at(report, "reductions", key, scale=100), ".1f")


def _strata(report: Report) -> list[Block]:
    """Return where the difference lies: years, subfields, and how far astro-ph is a paper's own."""
    if not report.get("strata"):
        return []
    left_out = report.get("strata_left_out") or {}
    told = ", ".join(f"{n} by {cleaned(kind, 40)}" for kind, n in left_out.items() if n)
    return [
        Heading("By year, subfield and place"),
        *pictures(
            (
                strata.by_year(report),
                "Bits per byte by year of submission; below, tuned minus base with its 95\u202f%"
                " interval.",
            ),
            (
                strata.by_subfield(report),
                "Bits per byte by first subfield, and of papers that have astro-ph first or are"
                " cross-listed.",
            ),
        ),
        *[part for kind in STRATA for part in _stratum_table(report, kind)],
        *notes(f"Groups of fewer than 200 papers are not shown: {told}." if told else None),
    ]


def _stratum_table(report: Report, kind: str) -> list[Table]:
    found = strata.strata_of(report, kind)
    labels = in_order({label for s in found for label in s.get("models") or {}})
    rows = [
        row(
            cleaned(s.get("name", ""), 40),
            number(number_at(s, "n_documents"), ",.0f"),
            *(number(number_at(s, "models", label), ".4f") for label in labels),
            Cell(
                number(number_at(s, "tuned_minus_base", "bits_per_byte"), "+.4f"),
                between(*ends_at(s, "tuned_minus_base"), "+.4f"),
            ),
        )
        for s in found
    ]
    name = STRATA[kind]
    head = (name, "Papers", *labels, "Tuned − base")
    return table("Bits per byte", head, rows, folded=f"{name}: the numbers")


def _near_copies(report: Report) -> list[Block]:
    """Return what leaving near copies out changes."""
    kept = report.get("with_near_copies")
    if not kept:
        return []
    rows = [
        row(
            model_cell(label),
            number(number_at(report, "models", label, "astro", "per_document", key), ".4f"),
            number(number_at(kept, label, key), ".4f"),
        )
        for label in measured(kept)
        for key in ("bits_per_byte",)
    ]
    return [
        Heading("Near copies"),
        *table(
            "Bits per byte of held-out astronomy, near copies of training papers out and in",
            ("Model", "Left out", "Kept in"),
            rows,
        ),
    ]
