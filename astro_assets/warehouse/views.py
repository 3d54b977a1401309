"""``warehouse.duckdb``: a file of views over Parquet, for people with a SQL client.

It holds no data, so nobody who opens it can lock the pipeline out, and it is always made anew.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from astro_assets.artifacts import atomic
from astro_assets.artifacts.manifest import Store
from astro_assets.warehouse.contracts import ASTRO_PH_PAPERS, CONTRACTS, GENERAL_PAPERS
from astro_assets.warehouse.sql import literal, quoted

STORAGE_VERSION = "v1.2.0"
"""DuckDB clients from 1.2 on can open the file."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def write_views(path: Path, tables: Mapping[str, Sequence[Path]]) -> None:
    """Write one view per table over its Parquet files (absolute paths); a table may have none.

    The file replaces an older one in a single rename; whoever has that open keeps reading it.
    """
    with atomic.replacing(path) as temporary:
        temporary.unlink()
        connection = duckdb.connect(":memory:")
        try:
            connection.execute(
                f"attach {literal(temporary)} as warehouse (storage_version '{STORAGE_VERSION}')"
            )
            for name, files in sorted(tables.items()):
                connection.execute(_view(name, files))
        finally:
            connection.close()


def publish_views(store: Store) -> None:
    """Write the home's warehouse file: each table of each release, and ``…_latest``.

    ``astro_ph_papers_2026_06`` is the table of one release, ``astro_ph_papers_latest`` that of the
    newest release made.
    """
    tables: dict[str, list[Path]] = {}
    for folder in sorted(store.home.releases.glob("????-??")):
        for table in (ASTRO_PH_PAPERS.name, GENERAL_PAPERS.name):
            manifest = store.current(table, folder.name)
            if manifest is not None:
                files = [store.path_of(manifest) / s["file"] for s in manifest.facts["shards"]]
                tables[f"{table}_{folder.name.replace('-', '_')}"] = files
                tables[f"{table}_latest"] = files
    write_views(store.home.warehouse, tables)


def _view(name: str, files: Sequence[Path]) -> str:
    """Return the statement for one view; nothing can be bound in it, so names are checked."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no table name")
    view = f"create view warehouse.{quoted(name)} as"
    if files:
        return f"{view} from read_parquet([{', '.join(literal(f.absolute()) for f in files)}])"
    columns = CONTRACTS.get(name, ASTRO_PH_PAPERS).columns
    nothing = ", ".join(f"null::{column.type} as {quoted(column.name)}" for column in columns)
    return f"{view} select {nothing} where false"
