"""The snapshot: inspected once (counts, vintage), then read in Arrow batches.

Belongs here: what a snapshot file is and how its lines become batches. Does not belong here: where
it comes from (``sources``), how the file is opened (``lines``), and which of its papers a release
holds (``warehouse``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from astro_assets.artifacts.manifest import Built
from astro_assets.errors import BadSnapshotError
from astro_assets.ingest.json_records import bounds, naming_long_lines, records_sql, signs_sql
from astro_assets.ingest.lines import open_lines
from astro_assets.ingest.parts import text_parts
from astro_assets.ingest.records import RECORD_SCHEMA
from astro_assets.ingest.sources import Located, stamp_of
from astro_assets.ingest.vintage import Vintage
from astro_assets.progress import Progress

_MAX_BROKEN_SHARE = 0.01
_N_LINES_ON_TRIAL = 100
_LINES_AT_ONCE = 20_000
_EXPECTED = "JSON Lines of arXiv records, each with id, title, categories, abstract."


@dataclass
class ReadCounts:
    """What reading saw; grows while it reads. Blank lines count nowhere."""

    n_lines: int = 0
    n_records: int = 0
    n_broken_lines: int = 0
    n_with_categories: int = 0
    """Records that have any."""
    n_bytes: int = 0
    """Bytes of text, newlines included."""
    first_broken_line: int = 0
    """Its number among the lines that are not blank, from 1; 0 while there is none."""

    def see(self, batch: pa.RecordBatch) -> None:
        """Count a batch of lines."""
        is_record = batch["is_record"]
        n_records = is_record.true_count
        if n_records < batch.num_rows and not self.first_broken_line:
            self.first_broken_line = self.n_lines + is_record.index(False).as_py() + 1
        self.n_lines += batch.num_rows
        self.n_records += n_records
        self.n_broken_lines += batch.num_rows - n_records
        self.n_with_categories += batch["has_categories"].true_count


def inspect_snapshot(located: Located, *, sha256: str, today: date, progress: Progress) -> Built:
    """Read a snapshot once from end to end: count its lines and find out how new it is.

    Args:
        located: The snapshot.
        sha256: The digest of its bytes, taken after it was located.
        today: The present day (UTC); records that speak of later ones are not believed.
        progress: Who is told how far it is.

    Returns:
        The file; its fingerprint is ``sha256``. Facts: origin, source, vintage (ISO day),
        vintage_from, path, and what the source itself told (``kaggle_version``). Of a harvested
        one, the counts of its harvests are among the counts.

    Raises:
        BadSnapshotError: a damaged snapshot, or none at all, more than 1 % of its lines broken, or
            a file that changes under our eyes.
    """
    path = located.path
    counts, vintage = ReadCounts(), Vintage(today=today)
    for _ in _look(path, counts, vintage, progress=progress):
        if counts.n_lines >= _N_LINES_ON_TRIAL and not counts.n_with_categories:
            raise _no_snapshot(path, f"none of its first {counts.n_lines:,} lines has categories")
    _judge(path, counts)
    if stamp_of(path) != located.stamp:
        raise BadSnapshotError(
            f"{path} changed while it was read.",
            expected="a file that nobody writes to.",
            do="Wait until it has been written, then run this again.",
        )
    return Built(
        fingerprint=sha256,
        path=path,
        counts={
            "n_lines": counts.n_lines,
            "n_records": counts.n_records,
            "n_broken_lines": counts.n_broken_lines,
            "n_bytes": located.stamp[0],
            "n_text_bytes": counts.n_bytes,
            "n_future_dates": vintage.n_future_dates,
            **located.told,
        },
        files={path.name: sha256},
        facts=_facts(located, vintage.newest(), today=today),
    )


def _facts(located: Located, seen: tuple[str, str] | None, *, today: date) -> dict[str, Any]:
    """Return what is kept of a snapshot.

    Its source's word on its vintage counts first, unless that day lies ahead too. An upload may
    come days after what it holds, so of Kaggle's day and the newest record's the earlier counts:
    that asks for a harvest window too many at most.
    """
    if seen is None:
        raise _no_snapshot(
            located.path, "no record tells a believable day: no dates, and ids that are not arXiv's"
        )
    told = located.vintage
    if told is not None and date.fromisoformat(told[0]) <= today + timedelta(days=1):
        is_upload = located.origin == "kaggle" and seen[1] == "update_date"
        seen = min(seen, told) if is_upload else told
    return {
        "origin": located.origin,
        "source": located.source,
        "vintage": seen[0],
        "vintage_from": seen[1],
        "path": located.path.as_posix(),
        **located.identity,
    }


def read_batches(path: Path, *, progress: Progress, rows: int = 5_000) -> Iterator[pa.RecordBatch]:
    """Yield a snapshot's records as batches of at most ``rows``, in the file's order.

    Broken lines are left out; whether they are too many was decided when it was inspected.

    Raises:
        BadSnapshotError: the file is missing or damaged.
    """
    with progress.task("read snapshot", unit="records") as task:
        for part in text_parts(path):
            for batch in _batches(path, records_sql(part), rows):
                task.advance(batch.num_rows)
                yield batch.cast(RECORD_SCHEMA)


def _batches(path: Path, sql: str, rows: int) -> Iterator[pa.RecordBatch]:
    """Yield what a query of one part gives, in order."""
    connection = duckdb.connect(config=bounds())
    try:
        with naming_long_lines(path):
            connection.execute("set enable_progress_bar = false")
            yield from connection.sql(sql).to_arrow_reader(rows)
    finally:
        connection.close()


def _look(
    path: Path, counts: ReadCounts, vintage: Vintage, *, progress: Progress
) -> Iterator[None]:
    """Count and date what a snapshot holds; yield after every few thousand lines."""
    with progress.task("inspect snapshot", unit="records") as task:
        for part in text_parts(path):
            counts.n_bytes += part.n_bytes
            for batch in _batches(path, signs_sql(part), _LINES_AT_ONCE):
                counts.see(batch)
                records = batch.filter(batch.column("is_record"))
                vintage.see(
                    records["update_date"].unique().to_pylist(), partial(_older_signs, records)
                )
                task.advance(batch.num_rows)
                yield


def _older_signs(records: pa.RecordBatch) -> Iterator[tuple[str, list[str | None] | None]]:
    """Yield id and version dates of each record."""
    return zip(records["id"].to_pylist(), records["created"].to_pylist(), strict=True)


def _judge(path: Path, counts: ReadCounts) -> None:
    """Refuse a file that is no snapshot, or one with too many broken lines."""
    if counts.n_lines == 0:
        raise _no_snapshot(path, "it has no line that is not blank")
    if counts.n_records == 0:
        raise _no_snapshot(path, f"none of its {counts.n_lines:,} lines is a record")
    if counts.n_with_categories == 0:
        raise _no_snapshot(path, "no record has categories")
    if counts.n_broken_lines > _MAX_BROKEN_SHARE * counts.n_lines:
        raise BadSnapshotError(
            f"{counts.n_broken_lines:,} of {counts.n_lines:,} lines of {path} are broken; "
            f"the first is line {_place_in_file(path, counts.first_broken_line):,}.",
            expected=f"at most {_MAX_BROKEN_SHARE:.0%} broken lines (no JSON, no UTF-8, no id).",
            do="Look at that line; fetch the snapshot again if the file was cut or edited.",
        )


def _place_in_file(path: Path, number: int) -> int:
    """Return the number of a line of the file, blank ones counted as well."""
    is_text = (bool(line.strip()) for line in open_lines(path))
    for place, counted in enumerate(accumulate(is_text), start=1):
        if counted == number:
            return place
    return number


def _no_snapshot(path: Path, why: str) -> BadSnapshotError:
    return BadSnapshotError(
        f"{path} is no arXiv metadata snapshot: {why}.",
        expected=_EXPECTED,
        do="Give Kaggle's arxiv-metadata-oai-snapshot.json, zipped or not.",
    )
