"""Column lineage of SQL models: which source columns a model's column is computed from.

Read off the SQL by sqlglot (a second per table: not for import time), so it cannot drift from what
runs. What a value is made of counts, conditions within it included; joins and filters do not: which
rows there are is told by columns of their own (``is_astro``, ``excluded_because``, ``side``).
"""

from __future__ import annotations

from sqlglot import exp, parse_one
from sqlglot.lineage import Node, lineage

from astro_assets.warehouse.contracts import CONTRACTS
from astro_assets.warehouse.inputs import SOURCES, TABLES
from astro_assets.warehouse.sql import Project, source_name

SourceColumn = tuple[str, str]
"""Source (``inputs.SOURCES``) or table that is no model of the project, and its column."""

_DIALECT = "duckdb"


def column_lineage(name: str, project: Project) -> dict[str, tuple[SourceColumn, ...]]:
    """Return column of a model -> the source columns it comes from, sorted.

    Of ``project.over(tables)`` the walk ends at those tables, else at the sources.
    """
    *upstream, model = project.order(name)
    sources = {m.name: parse_one(m.render(), dialect=_DIALECT) for m in upstream}
    query = parse_one(model.render(), dialect=_DIALECT)
    # all columns in one walk: qualifying the query anew for each costs twenty times as much
    nodes = lineage(None, query, schema=_schema(), sources=sources, dialect=_DIALECT)
    return {column.name: _sources_of(nodes[column.name]) for column in CONTRACTS[name].columns}


def _sources_of(node: Node) -> tuple[SourceColumn, ...]:
    found = set()
    for part in node.walk():
        if not part.downstream and isinstance(part.expression, exp.Table):
            source = part.expression.name.removeprefix(source_name(""))
            found.add((source, part.name.rpartition(".")[2].strip('"')))
    return tuple(sorted(found))


def _schema() -> dict[str, dict[str, str]]:
    """Return the columns the walk can end on, by relation."""
    ends = {source_name(name): source.columns for name, source in SOURCES.items()}
    ends |= {name: CONTRACTS[name].columns for name in TABLES}
    return {relation: {c.name: c.type for c in columns} for relation, columns in ends.items()}
