"""Raw records on their way into DuckDB: from a snapshot's file, or in batches from elsewhere.

What does not belong here: where records come from (ingest) and what they mean (the SQL models).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import duckdb
import pyarrow as pa

from astro_assets.ingest.json_records import naming_long_lines, records_sql
from astro_assets.ingest.parts import text_parts
from astro_assets.ingest.records import RECORD_SCHEMA
from astro_assets.warehouse.runner import Runner

_SOURCE = "records"
_ORDINAL = "0::bigint as ordinal"  # the spool numbers the rows

Records = Path | Iterable[pa.RecordBatch]
"""A snapshot's file, which DuckDB reads by itself; or batches of RECORD_SCHEMA."""


def read_records(
    records: Records, runner: Runner, model: str, *, told: Callable[[int], object]
) -> int:
    """Build a model, and what it needs, of raw records; return how many records came in.

    Args:
        records: What is read, once.
        runner: Where the model is built.
        model: Name of a model that leads back to ``stg_records``.
        told: Called with the number of records that came in since the last call.

    Raises:
        AstroError: the named error that reading met with.
    """
    n_records = 0

    def count(n_rows: int) -> None:
        nonlocal n_records
        n_records += n_rows
        told(n_rows)

    if isinstance(records, Path):
        queries = (
            f"select *, {_ORDINAL} from ({records_sql(part)})" for part in text_parts(records)
        )
        runner.add_parts(_SOURCE, queries)
        with naming_long_lines(records):
            runner.build(model, spooled=count)
        return n_records
    stream = _Stream(records)
    runner.add_source(_SOURCE, stream.reader())
    try:
        runner.build(model, spooled=count)
    except (duckdb.Error, OSError):
        # DuckDB and Arrow turn what the batches raised into text; the person needs that error
        if stream.error is not None:
            raise stream.error from None
        raise
    return n_records


def no_records(runner: Runner) -> None:
    """Register a source without any record."""
    runner.add_source(_SOURCE, _Stream([]).reader())


class _Stream:
    """Batches that are read once; ``error`` tells afterwards what they raised."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._batches = batches
        self.error: BaseException | None = None

    def reader(self) -> pa.RecordBatchReader:
        """Return a reader with the column ``ordinal`` besides those of a record."""
        schema = RECORD_SCHEMA.append(pa.field("ordinal", pa.int64()))
        return pa.RecordBatchReader.from_batches(schema, self._with_ordinal(schema))

    def _with_ordinal(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._batches:
                ordinals = pa.repeat(pa.scalar(0, pa.int64()), batch.num_rows)
                yield pa.RecordBatch.from_arrays([*batch.columns, ordinals], schema=schema)
        except BaseException as error:
            self.error = error
            raise
