"""``docs/tables.md``: every table and view with its columns, promises, lineage and data tests.

Made of contracts and SQL headers by ``python -m astro_assets.warehouse.tables_page``; a test holds
the committed page against them. What does not belong here: anything said nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import astro_assets
from astro_assets.warehouse.contract import Column, Contract
from astro_assets.warehouse.contracts import CONTRACTS, SNAPSHOT_KEYS, SNAPSHOT_PAPERS
from astro_assets.warehouse.inputs import EARLIER, RECORD_COLUMNS, TABLES
from astro_assets.warehouse.lineage import SourceColumn, column_lineage
from astro_assets.warehouse.mart_contracts import MART_CONTRACTS
from astro_assets.warehouse.rules import key_rule, row_rules
from astro_assets.warehouse.sql import Model, Project, load_data_tests, load_project

PAGE = Path(astro_assets.__file__).parent.parent / "docs" / "tables.md"

_INTRODUCTION = """\
# Tables

Generated from the contracts and the SQL headers by `python -m astro_assets.warehouse.tables_page`;
do not edit by hand. How to ask them: [dbt_like_sql/README.md](../dbt_like_sql/README.md).

A *contract* declares each table once. Its rules are checked whenever the table is made, with the
data tests of [dbt_like_sql/tests](../dbt_like_sql/tests): a rule or test that finds rows fails the
check of its name in Dagster, which counts them and shows a few."""

_VIEWS = """\
# Views

One view per kept release and `…_latest` in `warehouse.duckdb`, computed when it is read. *Made of*
names columns of the release's tables; `earlier` are those of the kept release before."""


def page() -> str:
    """Return the page's text."""
    project = load_project()
    tests = load_data_tests(project)
    marts = project.over(TABLES, sources=EARLIER)
    parts = [_INTRODUCTION, *_raw()]
    for name in (SNAPSHOT_PAPERS.name, SNAPSHOT_KEYS.name, *TABLES[1:]):
        parts += _section(CONTRACTS[name], project.models.get(name), {})
        parts += _tests(name, tests, project)
    parts.append(_VIEWS)
    for contract in MART_CONTRACTS:
        lineage = column_lineage(contract.name, marts)
        parts += _section(contract, project.models[contract.name], lineage)
        parts += _tests(contract.name, tests, project)
    return "\n\n".join(parts) + "\n"


def _raw() -> Iterator[str]:
    yield "## raw records"
    yield "What `arxiv_snapshot` and `arxiv_updates` hold, as it came; nothing is cleaned."
    yield _table(
        ("column", "type", "what it is"),
        [(f"`{c.name}`", f"`{c.type}`", c.description) for c in RECORD_COLUMNS],
    )


def _section(
    contract: Contract, model: Model | None, lineage: Mapping[str, Sequence[SourceColumn]]
) -> Iterator[str]:
    yield f"## {contract.name}"
    yield contract.description
    if model is not None:
        yield f"- grain: {model.header['grain']}\n- why: {model.header['why']}"
    head = ["column", "type", "what it is", "promised"]
    rows = [
        [f"`{c.name}`", f"`{c.type}`", c.description, _promised(contract, c)]
        for c in contract.columns
    ]
    if lineage:
        head.append("made of")
        for row, column in zip(rows, contract.columns, strict=True):
            row.append(_made_of(lineage[column.name]))
    yield _table(head, rows)


def _promised(contract: Contract, column: Column) -> str:
    said = ["key"] if column.name in contract.key else []
    said += [
        rule.promise.removeprefix(f"{column.name} ")
        for rule in row_rules(contract)
        if column.name in rule.columns
    ]
    return "; ".join(said)


def _made_of(sources: Sequence[SourceColumn]) -> str:
    """Return columns as they are named in both tables: once, and apart for the release before."""
    now = dict.fromkeys(column for table, column in sources if table not in EARLIER)
    before = dict.fromkeys(column for table, column in sources if table in EARLIER)
    said = [f"`{name}`" for name in now] + [f"earlier `{name}`" for name in before]
    return ", ".join(said) or "which table, how many rows"


def _tests(table: str, tests: Sequence[Model], project: Project) -> Iterator[str]:
    lines = [
        f"- `{test.name}`: {test.header['why']}"
        for test in tests
        if table in (*test.tables, *test.refs) and (test.tables or table != TABLES[1])
    ]
    if table in TABLES:
        lines.insert(0, f"- `contract`: {key_rule(CONTRACTS[table]).promise}; all that is promised")
    if lines:
        yield "Checked by:\n\n" + "\n".join(lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(c.replace('|', '&#124;') for c in line)} |" for line in lines)


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
