"""A snapshot's papers as releases read them: a narrow file of keys, and rows month by month.

What does not belong here: how they are made, and what a release makes of them (papers.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from astro_assets.artifacts import atomic, fingerprint
from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.errors import DamagedArtifactError

KEYS_FILE = "keys.parquet"
"""Beside the shards: what a judgement needs of every paper, without any text."""

_ROWS_PER_GROUP = 50_000


@dataclass(frozen=True)
class SnapshotPapers:
    """What ``build_snapshot_papers`` made, and the bytes its files must have."""

    folder: Path
    shards: Sequence[Mapping[str, Any]]
    """``month`` and ``file`` of each, as in the manifest's facts."""
    files: Mapping[str, str]
    """File -> sha256, as in the manifest."""

    @classmethod
    def of(cls, store: Store, manifest: Manifest) -> SnapshotPapers:
        """Return what a manifest of snapshot_papers describes."""
        return cls(store.path_of(manifest), manifest.facts["shards"], manifest.files)

    def keys(self) -> Path:
        """Return the file of key columns.

        Raises:
            DamagedArtifactError: it is gone or its bytes changed.
        """
        return self._proven(KEYS_FILE)

    def rows_of(self, months: Collection[str]) -> list[Path]:
        """Return the shards of these months, of both tables.

        Raises:
            DamagedArtifactError: one is gone or its bytes changed.
        """
        return [self._proven(shard["file"]) for shard in self.shards if shard["month"] in months]

    def _proven(self, name: str) -> Path:
        """Return a file after reading it: rot must not be copied into what looks whole."""
        path, expected = self.folder / name, self.files.get(name)
        if expected is None or not path.is_file() or fingerprint.of_file(path) != expected:
            raise DamagedArtifactError(
                f"{path} is missing or has other bytes than when it was made.",
                do="Materialise snapshot_papers again (from the snapshot the release is bound to); "
                "the damaged file will be replaced.",
            )
        return path


def write_keys(path: Path, rows: pa.RecordBatchReader, schema: pa.Schema) -> None:
    """Write key columns in the order given, a row group at a time: equal rows give equal bytes."""
    with (
        atomic.replacing(path) as temporary,
        pq.ParquetWriter(
            temporary,
            schema,
            compression="zstd",
            use_dictionary=["submission_month", "side", "excluded_because"],
            write_page_checksum=True,
            store_schema=False,
        ) as writer,
    ):
        for group in _groups(rows):
            writer.write_table(group.cast(schema), row_group_size=_ROWS_PER_GROUP)


def _groups(rows: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """Cut rows into groups of one size, wherever the batches end."""
    held = rows.schema.empty_table()
    for batch in rows:
        held = pa.concat_tables([held, pa.Table.from_batches([batch])])
        while held.num_rows >= _ROWS_PER_GROUP:
            yield held.slice(0, _ROWS_PER_GROUP)
            held = held.slice(_ROWS_PER_GROUP)
    if held.num_rows:
        yield held
