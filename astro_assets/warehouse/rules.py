"""What a contract promises, rule by rule, as SQL that finds the rows which break it.

What does not belong here: running it (quality.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from astro_assets.warehouse.contract import Column, Contract
from astro_assets.warehouse.sql_file import quoted


@dataclass(frozen=True)
class Rule:
    """One promise of a contract."""

    name: str
    """``not_null``, ``accepted``, ``pattern`` or ``key``, and the column it is about."""
    promise: str
    """What holds, as a person reads it."""
    broken: str
    """Condition (SQL) of a row that breaks it; empty for the key, which is no matter of one row."""
    columns: tuple[str, ...]
    """What a broken row is shown with, besides the key."""


def row_rules(contract: Contract) -> list[Rule]:
    """Return the rules that are decided row by row, in the order of the columns."""
    return [rule for column in contract.columns for rule in _rules_of(column)]


def key_rule(contract: Contract) -> Rule:
    """Return the rule that no two rows agree in the key."""
    key = ", ".join(contract.key)
    return Rule(f"key {key}", f"no two rows have the same {key}", "", ())


def _rules_of(column: Column) -> Iterator[Rule]:
    name = quoted(column.name)
    if not column.nullable:
        yield _rule("not_null", column, "is never null", f"{name} is null")
    if column.accepted:
        values = ", ".join(_literal(value) for value in column.accepted)
        yield _rule("accepted", column, f"is one of {values}", f"{name} not in ({values})")
    if column.pattern:
        matches = f"regexp_full_match({name}, {_literal(column.pattern)})"
        yield _rule("pattern", column, f"matches {column.pattern}", f"not {matches}")


def _rule(kind: str, column: Column, promise: str, broken: str) -> Rule:
    return Rule(f"{kind} {column.name}", f"{column.name} {promise}", broken, (column.name,))


def _literal(value: str | bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "'" + value.replace("'", "''") + "'"
