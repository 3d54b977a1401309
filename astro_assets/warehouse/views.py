"""``warehouse.duckdb``: a file of views over Parquet, for people with a SQL client.

It holds no data, so nobody who opens it can lock the pipeline out, and it is always made anew. Per
kept release there is a view of each table and of each mart that needs nothing but those tables;
``…_latest`` are those of the newest that is whole. What does not belong here: what a mart says (its
SQL file).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from astro_assets.artifacts import atomic
from astro_assets.artifacts.manifest import Store
from astro_assets.errors import DamagedArtifactError
from astro_assets.warehouse.contracts import ASTRO_PH_PAPERS, CONTRACTS, GENERAL_PAPERS
from astro_assets.warehouse.inputs import EARLIER
from astro_assets.warehouse.sql import Model, literal, load_project, quoted

STORAGE_VERSION = "v1.2.0"
"""DuckDB clients from 1.2 on can open the file."""

RELEASE_TABLES = (ASTRO_PH_PAPERS.name, GENERAL_PAPERS.name)

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_MONTH = re.compile(r"\d{4}-\d{2}")
_CATALOG = "warehouse"
_MAGIC = b"PAR1"
"""First and last bytes of a Parquet file."""
_N_END_BYTES = 4 + len(_MAGIC)
"""The length of the footer, then the magic bytes."""


@dataclass(frozen=True)
class ReleaseViews:
    """The tables of one release, and those of the kept release before it."""

    suffix: str
    """``2026_06`` or ``latest``."""
    tables: Mapping[str, Sequence[Path]]
    """Table -> its Parquet files; a table that was not made is not there."""
    earlier: Mapping[str, str] = field(default_factory=dict)
    """Table -> the view of it that the release before has; empty for the first release."""

    def view_of(self, table: str) -> str:
        """Return the name of this release's view of a table or mart."""
        return f"{table}_{self.suffix}"


def write_views(path: Path, releases: Sequence[ReleaseViews]) -> None:
    """Write the views of these releases, each after the one before it; paths become absolute.

    The file replaces an older one in a single rename; whoever has that open keeps reading it.

    Raises:
        duckdb.Error: a table cannot be read, or the file cannot be written.
    """
    with atomic.replacing(path) as temporary:
        temporary.unlink()
        connection = duckdb.connect(":memory:")
        try:
            connection.execute(f"attach ':memory:' as {_CATALOG}")
            # Marts are made over empty tables, which are replaced then: DuckDB opens files of the
            # tables below a view when it is made.
            for statements in (_empty_tables_and_marts, _tables):
                for release in releases:
                    for statement in statements(release):
                        connection.execute(statement)
            connection.execute(
                f"attach {literal(temporary)} as target (storage_version '{STORAGE_VERSION}')"
            )
            connection.execute(f"copy from database {_CATALOG} to target (schema)")
            # so that a full disk is told here, and not found in what was renamed
            connection.execute("detach target")
        finally:
            connection.close()
            temporary.with_name(f"{temporary.name}.wal").unlink(missing_ok=True)


def publish_views(store: Store) -> tuple[str, ...]:
    """Write the home's warehouse file: the views of each kept release, and ``…_latest``.

    A release is kept as long as its manifests are current. A table that cannot be read gets no
    view, so no view points to nothing; returned is a sentence for each that was left out.

    Raises:
        OSError: the file cannot be written.
        DamagedArtifactError: DuckDB refuses to write it.
    """
    releases, left_out = list[ReleaseViews](), list[str]()
    try:
        with duckdb.connect(":memory:") as connection:
            files = _Files(store, connection)
            for folder in sorted(store.home.releases.glob("????-??")):
                if _MONTH.fullmatch(folder.name):
                    tables, faults = files.of_release(folder.name)
                    left_out += faults
                    if tables:
                        suffix = folder.name.replace("-", "_")
                        releases.append(ReleaseViews(suffix, tables, _earlier(releases)))
        write_views(store.home.warehouse, [*releases, *_latest(releases)])
    except duckdb.Error as error:
        raise DamagedArtifactError(
            f"The views of {store.home.warehouse} cannot be written: {_first_line(error)}",
            do="Materialise a table of papers again; the file of views is then made anew.",
        ) from error
    return tuple(left_out)


@cache
def _marts() -> tuple[Model, ...]:
    """Return the models that need nothing but a release's tables, each after what it refers to."""
    offered = load_project().over(RELEASE_TABLES, sources=EARLIER)
    return tuple(offered.order(*offered.models))


def _empty_tables_and_marts(release: ReleaseViews) -> Iterator[str]:
    """Yield one statement per view: tables of the declared columns without rows, marts over them.

    What a mart reads of the release before must have been made.
    """
    for table in release.tables:
        yield _view(release.view_of(table), _nothing(table), table)
    offered = set(release.tables)
    for mart in _marts():
        earlier = {EARLIER[name] for name in mart.sources}
        if mart.refs.keys() <= offered and earlier <= release.earlier.keys():
            sql = mart.render(lambda kind, name: _relation(release, kind, name))
            yield _view(release.view_of(mart.name), sql, mart.name)
            offered.add(mart.name)


def _tables(release: ReleaseViews) -> Iterator[str]:
    """Yield one statement per table that has files."""
    for table, files in release.tables.items():
        if files:
            yield _view(release.view_of(table), _rows(files), table)


def _relation(release: ReleaseViews, kind: str, name: str) -> str:
    view = release.view_of(name) if kind == "ref" else release.earlier[EARLIER[name]]
    return f"{_CATALOG}.main.{quoted(view)}"


def _view(name: str, sql: str, described_as: str) -> str:
    """Return the statements for one view; nothing can be bound in it, so names are checked."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no table name")
    view = f"{_CATALOG}.main.{quoted(name)}"
    said = "'" + CONTRACTS[described_as].description.replace("'", "''") + "'"
    return f"create or replace view {view} as\n{sql};\ncomment on view {view} is {said}"


def _rows(files: Sequence[Path]) -> str:
    """Return a query of all rows of some Parquet files."""
    return f"from read_parquet([{', '.join(literal(file.absolute()) for file in files)}])"


def _nothing(table: str) -> str:
    """Return a query with the columns of a table and no row."""
    columns = CONTRACTS[table].columns
    nulls = ", ".join(f"null::{column.type} as {quoted(column.name)}" for column in columns)
    return f"select {nulls} where false"


def _earlier(releases: Sequence[ReleaseViews]) -> dict[str, str]:
    """Return table -> view of the newest release that has been listed."""
    if not releases:
        return {}
    return {table: releases[-1].view_of(table) for table in releases[-1].tables}


def _latest(releases: Sequence[ReleaseViews]) -> list[ReleaseViews]:
    """Return what ``…_latest`` shows: the newest release with both tables, else with the first.

    A release that is being made, or whose second table fails, must not take its marts away.
    """
    if not releases:
        return []
    whole = [r for r in releases if r.tables.keys() >= set(RELEASE_TABLES)]
    astro = [r for r in releases if ASTRO_PH_PAPERS.name in r.tables]
    newest = (whole or astro or releases)[-1]
    return [ReleaseViews("latest", newest.tables, newest.earlier)]


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


class _Files:
    """Which tables can be read: each file is looked at once, however many releases share it."""

    def __init__(self, store: Store, connection: duckdb.DuckDBPyConnection) -> None:
        self._store, self._connection = store, connection
        self._faults: dict[Path, str] = {}

    def of_release(self, release: str) -> tuple[dict[str, Sequence[Path]], list[str]]:
        """Return the tables of a release with their files, and a sentence per unreadable one."""
        tables: dict[str, Sequence[Path]] = {}
        left_out = []
        for name in RELEASE_TABLES:
            try:
                manifest = self._store.current(name, release)
                if manifest is None:
                    continue
                folder = self._store.path_of(manifest)
                files = [folder / shard["file"] for shard in manifest.facts["shards"]]
                self._check(name, files)
                tables[name] = files
            except (DamagedArtifactError, OSError, pa.ArrowException, duckdb.Error) as error:
                left_out.append(f"{name} of {release} has no view: {_first_line(error)}")
        return tables, left_out

    def _check(self, table: str, files: Sequence[Path]) -> None:
        """Refuse a table that cannot be read as its contract says, with whatever found that."""
        for file in files:
            if file not in self._faults:
                self._faults[file] = _fault_of_end(file)
            if self._faults[file]:
                raise DamagedArtifactError(self._faults[file])
        # DuckDB takes the columns of all from the first; the last was written last.
        for file in dict.fromkeys([*files[:1], *files[-1:]]):
            CONTRACTS[table].check(pq.read_schema(file), file)
        if files:
            self._connection.execute(f"describe {_rows(files)}")


def _fault_of_end(path: Path) -> str:
    """Return why a file is no whole Parquet file, by its last bytes; empty if it may be one.

    Reading the columns of hundreds of files costs fifteen times as much, for each run of a table.
    """
    try:
        with path.open("rb") as file:
            n_bytes = file.seek(0, os.SEEK_END)
            file.seek(max(n_bytes - _N_END_BYTES, 0))
            end = file.read()
    except FileNotFoundError:
        return f"{path.name} is gone."
    n_footer_bytes = int.from_bytes(end[:4], "little")
    if end[4:] != _MAGIC or n_footer_bytes + _N_END_BYTES + len(_MAGIC) > n_bytes:
        return f"{path.name} is cut or overwritten."
    return ""
