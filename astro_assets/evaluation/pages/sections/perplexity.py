"""Perplexity: how well held-out abstracts are read, by whom, the paper's way beside it, and where.

What does not belong here: years, subfields and places (``strata``), ``near_copies``, the papers
after the cut (``forward``) and forgetting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from astro_assets.evaluation.figures import perplexity as figures
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
from astro_assets.evaluation.pages.sections.forward import ABOUT_FORWARD
from astro_assets.evaluation.pages.sections.near_copies import near_copies_blocks
from astro_assets.evaluation.pages.sections.shared import (
    NOT_MEASURED,
    between,
    left_out_sentence,
    model_cell,
)
from astro_assets.evaluation.pages.sections.strata import strata_blocks
from astro_assets.evaluation.pages.text import cleaned, number, percent, perplexity
from astro_assets.evaluation.pages.values import (
    at,
    ends_at,
    interval_at,
    measured,
    number_at,
)

TITLES = {"astro": "Astronomy, held out", "general": "Everything else, held out"}
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
        *notes(_split_sentence(report)),
        *_differences(report),
        *notes(_few(report)),
        *notes(_used(report), general_fields_sentence(report), left_out_sentence(report)),
        *_paper_s_way(report),
        *strata_blocks(report),
        *near_copies_blocks(report),
        *notes(*_own_notes(report)),
    ]


def _own_notes(report: Report) -> list[str]:
    """Return the report's notes but those of the section ``forward``."""
    found = [str(note) for note in report.get("notes") or []]
    own = [note for note in found if not note.startswith(ABOUT_FORWARD)]
    return [cleaned(note, 300) for note in own[:_MAX_NOTES]]


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
        is_comparable = label == "tuned" or _reads_as_base(report, label, field)
        change = value / base - 1 if value and base and is_comparable else None
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


def _reads_as_base(report: Report, label: str, field: str) -> bool:
    """Tell whether a champion cuts the papers into the base's tokens; else perplexities differ."""
    n_tokens, n_of_base = (
        number_at(report, "models", name, field, "per_document", "n_tokens")
        for name in (label, "base")
    )
    return label == "champion" and n_tokens is not None and n_tokens == n_of_base


def _split_sentence(report: Report) -> str | None:
    """Return how many papers a model's context does not hold, and how these are read."""
    told = []
    for label in measured(report.get("models")):
        found = [
            number_at(report, "models", label, field, "per_document", "n_split_documents")
            for field in TITLES
        ]
        n = sum(value for value in found if value)
        told += [f"{cleaned(label, 40)} {n:,.0f}"] if n else []
    if not told:
        return None
    return (
        f"Papers longer than a model’s context ({', '.join(told)}) are read in windows, each after"
        " a fresh [BOS] in the middle of the text, and so look less likely than they are."
    )


def _interval(found: Any, key: str, form: str) -> str:
    ends = interval_at(found, "interval", key)
    return between(*ends, form) if ends else ""


def _differences(report: Report) -> list[Block]:
    """Return tuned against base and champion, paired by paper: only like is compared with like."""
    found = {
        other: told
        for other in ("base", "champion")
        if (told := report.get(f"tuned_minus_{other}"))
    }
    rows = [
        row(f"tuned − {other}", *(_difference(at(told, field)) for field in TITLES))
        for other, told in found.items()
    ]
    head = ("Paper by paper", "Astronomy", "Everything else")
    return [*table("Differences in nats per byte, with 95\u202f% intervals", head, rows)]


def _few(report: Report) -> str | None:
    """Return why an interval is missing of those that are kept; None where none is."""
    differences = [
        ends_at(report, f"tuned_minus_{other}", field)
        for other in ("base", "champion")
        if report.get(f"tuned_minus_{other}")
        for field in TITLES
    ]
    alone = [
        at(report, "models", label, field, "per_document", "interval", "bits_per_byte") or ()
        for label in measured(report.get("models"))
        for field in TITLES
    ]
    if any(None in ends for ends in (*differences, *alone)):
        return "Too few papers were measured for an interval where none stands."
    return None


def _difference(found: Any) -> Cell:
    return Cell(number(number_at(found, "nats_per_byte"), "+.4f"), between(*ends_at(found), "+.4f"))


def _used(report: Report) -> str | None:
    """Return how many tokens were measured, and how many of each are allowed."""
    used = report.get("n_tokens_used")
    cap = number_at(report, "max_tokens")
    if not isinstance(used, Mapping) or not used:
        return None
    told = ", ".join(f"{cleaned(name, 40)} {count:,}" for name, count in used.items())
    bounds = [
        f"{bound:,.0f} of {what}"
        for what, bound in (
            ("held-out astronomy (ASTRO_MAX_EVAL_TOKENS)", cap),
            ("later papers (forward in time)", number_at(report, "max_later_tokens")),
            ("every other set", number_at(report, "max_other_tokens")),
        )
        if bound is not None
    ]
    allowed = f" At most {', '.join(bounds)}." if bounds else ""
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
        *notes(
            "Packed blocks are measured as they were cut, with all papers.", _trained_on(report)
        ),
    ]


def _trained_on(report: Report) -> str | None:
    """Return how many of the training blocks the training has read; None where there are none."""
    if not at(report, "reductions", "astro_train_packed"):
        return None
    share = number_at(report, "reductions", "train_share_read")
    if share is None:
        return "Training blocks are of the whole train side: some may never have been trained on."
    return f"Training blocks are of the whole train side: {percent(share, '.1%')} were trained on."


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
