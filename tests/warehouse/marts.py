"""A home with kept releases made of records written by hand, and its views."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Store, Work
from astro_assets.warehouse.counts import TABLES
from astro_assets.warehouse.views import publish_views
from tests.warehouse.tables import release


@dataclass(frozen=True)
class Kept:
    """A home that releases can be put into."""

    root: Path

    @property
    def store(self) -> Store:
        return Store(Home(self.root))

    @property
    def file(self) -> Path:
        return self.store.home.warehouse

    def add(
        self,
        month: str,
        records: Iterable[dict[str, Any]],
        *,
        tables: Iterable[str] = TABLES,
        n_left_out: int = 0,
    ) -> None:
        """Make a release of a snapshot and publish the views."""
        listed = list(records)
        for table in tables:
            out = self.root / "papers" / f"{month}-{table}"
            built = release(out, listed, table=table, month=month)  # type: ignore[arg-type]
            self.store.commit(Work(table, month, {"release": month}, {}), built)
        assert len(publish_views(self.store)) == n_left_out

    def shards(self, month: str, table: str = "astro_ph_papers") -> list[Path]:
        """Return the files of a release's table, by submission month."""
        manifest = self.store.require(table, month)
        folder = self.store.path_of(manifest)
        return [folder / shard["file"] for shard in manifest.facts["shards"]]

    def views(self) -> set[str]:
        """Return the names of all views, each of which can be read to its end."""
        with duckdb.connect(str(self.file), read_only=True) as connection:
            found = connection.sql("select view_name from duckdb_views() where not internal")
            names = {name for (name,) in found.fetchall()}
            for name in names:
                connection.sql(f"from {name}").fetchall()
        return names

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Ask the views."""
        with duckdb.connect(str(self.file), read_only=True) as connection:
            asked = connection.sql(sql)
            return [dict(zip(asked.columns, row, strict=True)) for row in asked.fetchall()]

    def by_id(self, view: str, *columns: str) -> Mapping[str, Any]:
        """Return id -> the columns' values (one value alone if one is asked for)."""
        rows = self.rows(f"select id, {', '.join(columns)} from {view}")
        return {
            row["id"]: row[columns[0]] if len(columns) == 1 else tuple(row[c] for c in columns)
            for row in rows
        }
