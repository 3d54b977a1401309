"""Raw records on their way into DuckDB: numbered, counted, and their error remembered.

What does not belong here: where records come from (ingest) and what they mean (the SQL models).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from astro_assets.ingest.records import RECORD_SCHEMA


class RecordStream:
    """Batches that are read once; ``n_records`` and ``error`` tell afterwards how it went."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Hold the batches; nothing is read yet."""
        self._batches = batches
        self.n_records = 0
        self.error: BaseException | None = None

    def reader(self) -> pa.RecordBatchReader:
        """Return a reader that adds the column ``ordinal``, the record's place in the stream."""
        schema = RECORD_SCHEMA.append(pa.field("ordinal", pa.int64()))
        return pa.RecordBatchReader.from_batches(schema, self._numbered(schema))

    def _numbered(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._batches:
                ordinals = pa.array(range(self.n_records, self.n_records + batch.num_rows))
                self.n_records += batch.num_rows
                yield pa.RecordBatch.from_arrays([*batch.columns, ordinals], schema=schema)
        except BaseException as error:
            self.error = error
            raise
