"""Runs SQL models in an in-memory DuckDB: sources registered, parameters bound, memory bounded."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from astro_assets.ingest.json_records import bounds
from astro_assets.warehouse.contracts import Contract
from astro_assets.warehouse.spool import Spool
from astro_assets.warehouse.sql import Model, Project, literal, quoted, source_name

_ROWS_PER_BATCH = 10_000
_ROWS_PER_GROUP = 2_048

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
        self._parts: dict[str, Iterable[str]] = {}
        self._spools: dict[str, Spool] = {}

    def add_source(self, name: str, batches: pa.RecordBatchReader | pa.Table) -> None:
        """Register Arrow data as ``source(name)``; a reader can be read once."""
        self._connection.register(source_name(name), batches)

    def add_parts(self, name: str, queries: Iterable[str]) -> None:
        """Register ``source(name)`` as queries end to end, each asked for when it is its turn.

        Only a model that is kept as a spool can read it.
        """
        self._parts[name] = queries

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

    def build(self, *names: str, spooled: Callable[[int], object] = lambda n_rows: None) -> None:
        """Make the named models and all they need; ``spooled`` is told of rows as they come in."""
        for model in self._project.order(*names):
            if model.name not in self._built:
                self._create(model, spooled)
                self._built.add(model.name)

    def narrow(self, model: str, values: Collection[str]) -> None:
        """Let a spooled model, and views of it, hold little more than rows of these index values.

        Does nothing where the model is kept in another way.
        """
        if model in self._spools:
            self._connection.register(_spool_name(model), self._spools[model].table(values))

    def rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        """Run a query and return its rows; for small results."""
        cursor = self._connection.execute(sql, parameters)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def stream(self, sql: str, **parameters: Any) -> pa.RecordBatchReader:
        """Run a query and return its rows batch by batch."""
        relation = self._connection.sql(sql, params=parameters)
        return relation.to_arrow_reader(_ROWS_PER_BATCH)

    def _create(self, model: Model, spooled: Callable[[int], object]) -> None:
        bound = {name: self._parameters[name] for name in model.parameters}
        if model.kept == "spool":
            self._spool(model, bound, spooled)
        else:
            statement = f"create temp {model.kept} {quoted(model.name)} as\n{model.render()}"
            self._connection.execute(statement, bound)

    def _spool(
        self, model: Model, bound: Mapping[str, Any], spooled: Callable[[int], object]
    ) -> None:
        """Compute a model into a spool, in the order its rows come in."""
        spool: Spool | None = None
        self._connection.execute("set preserve_insertion_order = true")
        for _ in self._each_part_of(model):
            # DuckDB hands batches over while it reads on: what is not taken yet is bounded
            reader = self._connection.sql(model.render(), params=bound).to_arrow_reader(
                _ROWS_PER_BATCH
            )
            if spool is None:
                path = self._folder / f"{model.name}.arrow"
                header = model.header
                spool = Spool(
                    path,
                    reader.schema,
                    numbered=header.get("numbered"),
                    index=header.get("index"),
                )
            for batch in reader:
                spool.append(batch)
                spooled(batch.num_rows)
        self._connection.execute("set preserve_insertion_order = false")
        if spool is None:
            raise ValueError(f"the sources of {model.name} came in no part at all")
        spool.finish()
        self._spools[model.name] = spool
        self._connection.register(_spool_name(model.name), spool.table())
        self._connection.table(_spool_name(model.name)).create_view(model.name)

    def _each_part_of(self, model: Model) -> Iterator[None]:
        """Register one part of the model's parted source after the other."""
        parted = model.sources.keys() & self._parts.keys()
        if not parted:
            yield
            return
        (name,) = parted
        for query in self._parts[name]:
            self._connection.execute(
                f"create or replace temp view {quoted(source_name(name))} as {query}"
            )
            yield


def _spool_name(model: str) -> str:
    return f"spool_{model}"


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
                **bounds(),
                "temp_directory": str(folder / "spill"),
                "autoinstall_known_extensions": False,
                "python_enable_replacements": False,
                # Order is asked for where it matters; keeping it elsewhere costs memory.
                "preserve_insertion_order": False,
            },
        )
        try:
            connection.execute("set TimeZone = 'UTC'")
            # Ours is shown by whoever runs this; DuckDB's own would be written across it.
            connection.execute("set enable_progress_bar = false")
            yield Runner(connection, project, parameters or {}, folder)
        finally:
            connection.close()
