"""What became of every record: outcomes, judgements, and the counts made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from astro_assets.warehouse.runner import Runner

TableName = Literal["astro_ph_papers", "general_papers"]

TABLES: Mapping[TableName, str] = {"astro_ph_papers": "astro", "general_papers": "general"}
"""Table -> the outcome of the records it holds."""

REASONS = ("withdrawn", "empty_abstract", "copy_of_test", "duplicate_text")
"""Values of ``excluded_because``, in the order of their test."""

DROPS = ("superseded", "deleted", "no_category", "no_month")
"""Outcomes of records that are no paper of any table."""


@dataclass(frozen=True)
class Judged:
    """What papers are counted by."""

    table_name: str
    is_primary: bool
    side: str
    excluded_because: str | None


def read_outcomes(runner: Runner) -> Counter[str]:
    """Return outcome -> records; every record that came in has exactly one."""
    rows = runner.rows("select outcome, count(*) as n from record_outcomes group by outcome")
    return Counter({row["outcome"]: row["n"] for row in rows})


def read_judgements(runner: Runner) -> Counter[Judged]:
    """Return what papers are counted by -> papers."""
    rows = runner.rows(
        "select table_name, is_primary, side, excluded_because, count(*) as n "
        "from paper_judgements group by all"
    )
    return Counter({Judged(**{k: row[k] for k in row if k != "n"}): row["n"] for row in rows})


def snapshot_counts(outcomes: Counter[str], judged: Counter[Judged]) -> dict[str, int]:
    """Return the counts of a snapshot; their sum over outcomes is ``n_records_in``."""
    return {
        "n_records_in": outcomes.total(),
        "n_astro": outcomes["astro"],
        "n_astro_primary": sum(n for key, n in judged.items() if key.is_primary),
        "n_general_kept": outcomes["general"],
        "n_general_left_out": outcomes["general_left_out"],
        **{f"dropped_{why}": outcomes[why] for why in DROPS},
    }


def release_counts(
    table: TableName, outcomes: Counter[str], judged: Counter[Judged]
) -> dict[str, int]:
    """Return the counts of a table; ``papers`` are rows whose text is used."""

    def papers(**wanted: Any) -> int:
        return sum(
            n
            for key, n in judged.items()
            if all(getattr(key, name) == value for name, value in wanted.items())
        )

    name = TABLES[table]
    used = {"table_name": name, "excluded_because": None}
    counts = {
        "papers": papers(**used),
        "n_rows": papers(table_name=name),
        "n_train": papers(**used, side="train"),
        "n_test": papers(**used, side="test"),
        **{f"excluded_{why}": papers(table_name=name, excluded_because=why) for why in REASONS},
        "n_other_table": outcomes["astro"] + outcomes["general"] - outcomes[name],
        "not_primary": outcomes["not_primary"],
        "n_general_left_out": outcomes["general_left_out"],
        "dropped_after_release": outcomes["after_release"],
        **{f"dropped_{why}": outcomes[why] for why in DROPS},
    }
    if table == "astro_ph_papers":
        counts["papers_any"] = papers(**used) + papers(
            table_name="not_primary", excluded_because=None
        )
        counts["papers_primary"] = papers(is_primary=True, excluded_because=None)
    return counts


def check_balance(n_in: int, outcomes: Counter[str]) -> None:
    """Every record that came in has exactly one outcome; anything else is a defect of ours."""
    if n_in != outcomes.total():
        raise RuntimeError(f"{n_in} records came in, {outcomes.total()} were accounted for.")


def told(counts: Mapping[str, int]) -> str:
    """Return why papers are not in a table, as text."""
    left_out = ("excluded_", "dropped_", "not_primary")
    return ", ".join(f"{k} {n:,}" for k, n in counts.items() if n and k.startswith(left_out))
