"""Column lineage of the marts: which source columns a mart's column is computed from.

Read off the SQL models by sqlglot (seconds per mart: not for import time), so it cannot drift from
what runs. What a value is made of counts, conditions within it included; joins and filters do not.
"""

from __future__ import annotations

from sqlglot import exp, parse_one
from sqlglot.lineage import Node, lineage

from astro_assets.ingest.records import RECORD_SCHEMA
from astro_assets.warehouse.contracts import CONTRACTS, SNAPSHOT_KEYS, SNAPSHOT_PAPERS
from astro_assets.warehouse.sql import Project, source_name

SourceColumn = tuple[str, str]
"""Source (``records``, ``snapshot_rows`` or ``snapshot_keys``) and its column."""

_DIALECT = "duckdb"


def column_lineage(mart: str, project: Project) -> dict[str, tuple[SourceColumn, ...]]:
    """Return column of the mart -> the source columns it comes from, sorted."""
    *upstream, model = project.order(mart)
    sources = {m.name: parse_one(m.render(), dialect=_DIALECT) for m in upstream}
    query = parse_one(model.render(), dialect=_DIALECT)
    # all columns in one walk: qualifying the query anew for each costs twenty times as much
    nodes = lineage(None, query, schema=_source_schema(), sources=sources, dialect=_DIALECT)
    return {column.name: _sources_of(nodes[column.name]) for column in CONTRACTS[mart].columns}


def _sources_of(node: Node) -> tuple[SourceColumn, ...]:
    found = set()
    for part in node.walk():
        if not part.downstream and isinstance(part.expression, exp.Table):
            source = part.expression.name.removeprefix(source_name(""))
            found.add((source, part.name.rpartition(".")[2].strip('"')))
    return tuple(sorted(found))


def _source_schema() -> dict[str, dict[str, str]]:
    records = {name: "VARCHAR" for name in [*RECORD_SCHEMA.names, "ordinal"]}
    kept = {"snapshot_rows": SNAPSHOT_PAPERS, "snapshot_keys": SNAPSHOT_KEYS}
    return {
        source_name("records"): records,
        **{source_name(n): {c.name: c.type for c in of.columns} for n, of in kept.items()},
    }
