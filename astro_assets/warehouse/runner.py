"""Runs SQL models in an in-memory DuckDB: sources registered, parameters bound, memory bounded."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from astro_assets.warehouse.contracts import Contract
from astro_assets.warehouse.sql import Model, Project, literal, quoted, source_name

MEMORY_LIMIT = "256MB"
"""What DuckDB may hold before it spills to disk; the process is larger by Python and Arrow."""

_ROWS_PER_BATCH = 10_000
_ROWS_PER_FLUSH = 20_000
_ROWS_PER_GROUP = 2_048
# Both bound what DuckDB buffers, per thread and partition, while it writes a model's files.

_ORDINALS_PER_FILE = 1 << 40


class Runner:
    """One in-memory database with a project's models; make it with ``open_runner``."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        project: Project,
        parameters: Mapping[str, Any],
        folder: Path,
    ) -> None:
        """Hold the connection; ``parameters`` are bound in the models that name them."""
        self._connection, self._project, self._folder = connection, project, folder
        self._parameters = dict(parameters)
        self._built: set[str] = set()
        self._schemas: dict[str, pa.Schema] = {}

    def add_source(self, name: str, batches: pa.RecordBatchReader | pa.Table) -> None:
        """Register Arrow data as ``source(name)``; a reader can be read once."""
        self._schemas[name] = batches.schema
        self._connection.register(source_name(name), batches)

    def add_shards(self, relation: str, paths: Sequence[Path], contract: Contract) -> None:
        """Register Parquet files as a relation (no files: an empty table of the contract).

        Files registered before under the same name are replaced, also for views made of them.
        """
        if paths:
            files = [str(path) for path in paths]
            self._connection.read_parquet(files).create_view(relation, replace=True)
        else:
            nothing = f"empty_{relation}"
            self._connection.register(nothing, contract.arrow_schema.empty_table())
            self._connection.table(nothing).create_view(relation, replace=True)

    def supply(self, model: str, paths: Sequence[Path]) -> None:
        """Take a model's rows from files that were written of it before, in the order given.

        Ordinals count on from file to file: what is in a later one was read later.
        """
        parts = (
            f"select * replace (ordinal + {number * _ORDINALS_PER_FILE} as ordinal) "
            f"from read_parquet({literal(path)})"
            for number, path in enumerate(paths)
        )
        self._connection.execute(
            f"create temp view {quoted(model)} as {' union all by name '.join(parts)}"
        )
        self._built.add(model)

    def write(self, sql: str, path: Path) -> None:
        """Write the rows of a query to a Parquet file."""
        self._connection.execute(
            f"copy ({sql}) to {literal(path)} "
            f"(format parquet, compression zstd, row_group_size {_ROWS_PER_GROUP})"
        )

    def build(self, *names: str) -> None:
        """Make the named models and all they need."""
        for model in self._project.order(*names):
            if model.name not in self._built:
                self._create(model)
                self._built.add(model.name)

    def rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        """Run a query and return its rows; for small results."""
        cursor = self._connection.execute(sql, parameters)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def stream(self, sql: str, **parameters: Any) -> pa.RecordBatchReader:
        """Run a query and return its rows batch by batch."""
        relation = self._connection.sql(sql, params=parameters)
        return relation.to_arrow_reader(_ROWS_PER_BATCH)

    def _create(self, model: Model) -> None:
        bound = {name: self._parameters[name] for name in model.parameters}
        if model.kept == "files":
            if self._write_files(model, bound):
                return
            # No rows make no files; the readers are spent by now, so none is read again.
            for name in model.sources.keys() & self._schemas.keys():
                self._connection.register(source_name(name), self._schemas[name].empty_table())
        kept = "view" if model.kept == "view" else "table"
        statement = f"create temp {kept} {quoted(model.name)} as\n{model.render()}"
        self._connection.execute(statement, bound)

    def _write_files(self, model: Model, bound: Mapping[str, Any]) -> bool:
        """Keep a model as Parquet files; tell whether it had any row to be kept."""
        folder = self._folder / model.name
        self._connection.execute(
            f"copy (\n{model.render()}\n) to {literal(folder)} "
            f"(format parquet, partition_by ({quoted(model.header['partition'])}), "
            f"row_group_size {_ROWS_PER_GROUP})",
            bound,
        )
        files = sorted(folder.rglob("*.parquet"))
        if files:
            names = [str(path) for path in files]
            self._connection.read_parquet(names, hive_partitioning=False).create_view(model.name)
        return bool(files)


@contextmanager
def open_runner(
    project: Project,
    *,
    parameters: Mapping[str, Any] | None = None,
    scratch_folder: Path | None = None,
) -> Iterator[Runner]:
    """Open a database that spills below ``scratch_folder`` (default: the system's) and close it."""
    with tempfile.TemporaryDirectory(prefix=".duckdb.", dir=scratch_folder) as name:
        folder = Path(name)
        connection = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": MEMORY_LIMIT,
                "temp_directory": str(folder / "spill"),
                "autoinstall_known_extensions": False,
                "python_enable_replacements": False,
                # Order is asked for where it matters; keeping it elsewhere costs memory.
                "preserve_insertion_order": False,
                "partitioned_write_flush_threshold": _ROWS_PER_FLUSH,
            },
        )
        try:
            connection.execute("set TimeZone = 'UTC'")
            # Ours is shown by whoever runs this; DuckDB's own would be written across it.
            connection.execute("set enable_progress_bar = false")
            yield Runner(connection, project, parameters or {}, folder)
        finally:
            connection.close()
