"""Month shards: one Parquet file per submission month, named by the content of its rows.

What a release shares with an earlier one is found by name, and not written again where its bytes
are on record (``artifacts.proofs``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from astro_assets.artifacts import atomic
from astro_assets.warehouse.contracts import ASTRO_PH_PAPERS, Contract

_ROWS_PER_GROUP = 20_000
_ZSTD_LEVEL = 3


@dataclass(frozen=True)
class Shard:
    """One submission month of one table."""

    table: str
    """``astro`` or ``general``."""
    month: str
    """``YYYY-MM``."""
    file: str
    """Name relative to the folder the table was built in."""
    n_papers: int
    """Rows whose text is used."""
    n_rows: int
    """All rows."""
    content: str
    """sha256 of the rows."""

    def as_fact(self) -> dict[str, Any]:
        """Return it as plain JSON values, for a manifest."""
        return asdict(self)


def file_name(month: str, content: str) -> str:
    """Return the name of the shard of a month with this content."""
    return f"{month}-{content[:16]}.parquet"


def write_shard(path: Path, rows: pa.Table) -> None:
    """Write a month's rows: equal rows give equal bytes (one version of pyarrow)."""
    with atomic.replacing(path) as temporary:
        pq.write_table(
            rows.combine_chunks(),
            temporary,
            compression="zstd",
            compression_level=_ZSTD_LEVEL,
            row_group_size=_ROWS_PER_GROUP,
            write_page_checksum=True,
            store_schema=False,
        )


def by_month(reader: pa.RecordBatchReader, contract: Contract) -> Iterator[tuple[str, pa.Table]]:
    """Cut rows sorted by submission month into one table per month, holding one month at a time."""
    month, parts = "", list[pa.RecordBatch]()
    schema = contract.arrow_schema
    for batch in reader:
        runs = pc.run_end_encode(batch.column("submission_month"))
        begin = 0
        for value, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
            if value != month and parts:
                yield month, pa.Table.from_batches(parts).cast(schema)
                parts = []
            month = value
            parts.append(batch.slice(begin, end - begin))
            begin = end
    if parts:
        yield month, pa.Table.from_batches(parts).cast(schema)


def read_table(shard_paths: Sequence[Path]) -> pl.DataFrame:
    """Return the rows of shards, in the order of the paths and by id within each.

    Raises:
        DamagedArtifactError: a shard has other columns than declared.
    """
    if not shard_paths:
        return pl.DataFrame(pl.from_arrow(ASTRO_PH_PAPERS.arrow_schema.empty_table()))
    for path in shard_paths:
        ASTRO_PH_PAPERS.check(pq.read_schema(path), path)
    return pl.read_parquet(list(shard_paths))


def fingerprint_lines(shards: Sequence[Shard]) -> list[Mapping[str, str]]:
    """Return what a table's fingerprint is taken over: which month holds which content."""
    return [{"table": s.table, "month": s.month, "content": s.content} for s in shards]
