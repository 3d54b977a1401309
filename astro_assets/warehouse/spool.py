"""Rows of a model on disk while a build lasts: Arrow batches, numbered, found again by a column.

Nearly all text of a snapshot passes through a spool, and little of it is needed at a time. The file
is mapped, not read: whoever asks for few columns or rows touches few of its pages. What does not
belong here: which model is kept so (its header says it) and the tables that stay (``shards``).
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_LARGEST_INDEX = 4_096
"""Values of the index that are remembered per batch; a batch with more may hold any."""


class Spool:
    """Batches that are appended first and read afterwards."""

    def __init__(
        self, path: Path, schema: pa.Schema, *, numbered: str | None, index: str | None
    ) -> None:
        """Open a file to append to.

        Args:
            path: A new file.
            schema: Of the batches.
            numbered: Column that is filled with the row's place, from 0; int64.
            index: Column by whose values rows are asked for later.
        """
        self.n_rows = 0
        self._path, self._schema = path, schema
        self._numbered = schema.get_field_index(numbered) if numbered else None
        self._index = index
        self._values: list[frozenset[str] | None] = []
        self._writer = pa.ipc.new_file(pa.OSFile(str(path), "wb"), schema)

    def append(self, batch: pa.RecordBatch) -> None:
        """Write a batch."""
        if self._numbered is not None:
            places = np.arange(self.n_rows, self.n_rows + batch.num_rows, dtype=np.int64)
            field = self._schema.field(self._numbered)
            batch = batch.set_column(self._numbered, field, pa.array(places))
        if self._index:
            values = pc.unique(batch.column(self._index)).to_pylist()
            self._values.append(frozenset(values) if len(values) <= _LARGEST_INDEX else None)
        self.n_rows += batch.num_rows
        self._writer.write_batch(batch)

    def finish(self) -> None:
        """Close the file; from now on it can be read."""
        self._writer.close()
        self._reader = pa.ipc.open_file(pa.memory_map(str(self._path)))

    def table(self, values: Collection[str] | None = None) -> pa.Table:
        """Return all rows, or at least those whose index is one of ``values``; nothing is read."""
        wanted = [
            number
            for number in range(self._reader.num_record_batches)
            if values is None or self._may_hold(number, values)
        ]
        return pa.Table.from_batches(map(self._reader.get_batch, wanted), self._schema)

    def _may_hold(self, number: int, values: Collection[str]) -> bool:
        held = self._values[number] if self._index else None
        return held is None or not held.isdisjoint(values)
