"""From records written by hand to built tables, in one call each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from astro_assets.artifacts.manifest import Built
from astro_assets.artifacts.proofs import Proofs
from astro_assets.ingest.records import Record, to_batch
from astro_assets.months import Month
from astro_assets.progress import NO_PROGRESS
from astro_assets.warehouse.papers import (
    Rules,
    TableName,
    build_release_table,
    build_snapshot_papers,
    build_window_rows,
)
from astro_assets.warehouse.shards import read_table
from astro_assets.warehouse.sides import side_of
from astro_assets.warehouse.snapshot_papers import SnapshotPapers
from tests.builders import decoded

SALT = "pepper"


def batch(records: Iterable[dict[str, Any] | Record]) -> pa.RecordBatch:
    """Return records (tests.builders.record, maybe with a datestamp) as ingest would."""
    return to_batch([r if isinstance(r, Record) else decoded(r) for r in records])


def snapshot(out: Path, records: Iterable[dict[str, Any]], share: float = 1.0) -> Built:
    return build_snapshot_papers(
        [batch(records)], out, general_share=share, salt=SALT, progress=NO_PROGRESS
    )


def shard_paths(built: Built, table: str | None = None) -> list[Path]:
    return [
        built.path / shard["file"]
        for shard in built.facts["shards"]
        if table in (None, shard["table"])
    ]


def papers_of(built: Built) -> SnapshotPapers:
    """Return a built snapshot as releases read it."""
    return SnapshotPapers(built.path, built.facts["shards"], built.files)


def window_file(path: Path, records: Iterable[dict[str, Any] | Record], rules: Rules) -> Path:
    """Write the rows of a window."""
    build_window_rows([batch(records)], path, rules=rules, progress=NO_PROGRESS)
    return path


def release(
    out: Path,
    records: Iterable[dict[str, Any]],
    *,
    table: TableName = "astro_ph_papers",
    windows: Sequence[Sequence[dict[str, Any] | Record]] = (),
    month: str = "2023-07",
    share: float = 1.0,
    rule: str = "any",
) -> Built:
    """Build a snapshot below ``out`` and one release table from it."""
    rules = Rules(SALT, share, rule)
    return build_release_table(
        table,
        papers_of(snapshot(out / "snapshot", records, share)),
        [
            window_file(out / f"window-{number}.parquet", window, rules)
            for number, window in enumerate(windows)
        ],
        release=Month.parse(month),
        out=out / "release",
        rules=rules,
        progress=NO_PROGRESS,
        proofs=Proofs(out / "release", out / "proofs.json"),
    )


def rows(built: Built, table: str | None = None) -> dict[str, dict[str, Any]]:
    """Return the table's rows by id."""
    frame: pl.DataFrame = read_table(shard_paths(built, table))
    return {row["id"]: row for row in frame.to_dicts()}


def ids_on(side: str, n: int, yymm: str = "2307") -> list[str]:
    """Return the first ``n`` ids of a month that fall on a side."""
    ids = (f"{yymm}.{number:05d}" for number in range(1, 100_000))
    found: list[str] = []
    while len(found) < n:
        candidate = next(ids)
        if side_of(candidate, SALT) == side:
            found.append(candidate)
    return found
