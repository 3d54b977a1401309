"""The snapshot: inspected once (counts, vintage), then read in Arrow batches.

Belongs here: what a snapshot file is and how its lines become batches. Does not belong here: where
it comes from (``sources``), how the file is opened (``lines``), and which of its papers a release
holds (``warehouse``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from astro_assets.artifacts.manifest import Built
from astro_assets.errors import BadSnapshotError
from astro_assets.ingest.lines import open_lines, text_bytes
from astro_assets.ingest.records import Record, decode_line, to_batch
from astro_assets.ingest.sources import Located, stamp_of
from astro_assets.ingest.vintage import Vintage
from astro_assets.progress import Progress

_MAX_BROKEN_SHARE = 0.01
_N_LINES_ON_TRIAL = 100
_REPORT_EVERY_LINES = 5_000
_MAX_BATCH_BYTES = 256 << 20
_EXPECTED = "JSON Lines of arXiv records, each with id, title, categories, abstract."


@dataclass
class ReadCounts:
    """What reading saw; grows while it reads. Blank lines count nowhere."""

    n_lines: int = 0
    n_records: int = 0
    n_broken_lines: int = 0
    n_bytes: int = 0
    """Bytes of text, newlines included."""
    first_broken_line: int = 0
    """Its number in the file, from 1; 0 while there is none."""


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
    n_with_categories = 0
    for record in _read_records(path, counts, "inspect snapshot", progress=progress):
        vintage.see(record)
        n_with_categories += record.categories is not None
        if counts.n_lines >= _N_LINES_ON_TRIAL and not n_with_categories:
            raise _no_snapshot(path, f"none of its first {_N_LINES_ON_TRIAL} lines has categories")
    _judge(path, counts, n_with_categories)
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


def read_batches(
    path: Path, *, progress: Progress, rows: int = 5_000, counts: ReadCounts | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield a snapshot's records as batches of RECORD_SCHEMA, in the file's order.

    A batch has ``rows`` records, or fewer where lines are so long that they would fill the memory:
    its records are held until it is used. Broken lines are left out and counted in ``counts``;
    whether they are too many was decided when the snapshot was inspected.

    Raises:
        BadSnapshotError: the file is missing or damaged.
    """
    records: list[Record] = []
    counts, n_bytes_given = counts or ReadCounts(), 0
    for record in _read_records(path, counts, "read snapshot", progress=progress):
        records.append(record)
        if len(records) == rows or counts.n_bytes - n_bytes_given >= _MAX_BATCH_BYTES:
            yield to_batch(records)
            records.clear()
            n_bytes_given = counts.n_bytes
    if records:
        yield to_batch(records)


def _read_records(
    path: Path, counts: ReadCounts, name: str, *, progress: Progress
) -> Iterator[Record]:
    """Yield what decodes, counting lines, broken lines and bytes into ``counts``."""
    told_bytes = 0
    with progress.task(name, total=text_bytes(path), unit="bytes") as task:
        for number, line in enumerate(open_lines(path), start=1):
            counts.n_bytes += len(line) + 1
            if number % _REPORT_EVERY_LINES == 0:
                task.advance(counts.n_bytes - told_bytes, records=counts.n_records)
                told_bytes = counts.n_bytes
            record = decode_line(line)
            if record is not None:
                counts.n_records += 1
                counts.n_lines += 1
                yield record
            elif line.strip():
                counts.n_lines += 1
                counts.n_broken_lines += 1
                counts.first_broken_line = counts.first_broken_line or number
                _judge_trial(path, counts)
        task.advance(counts.n_bytes - told_bytes, records=counts.n_records)


def _judge_trial(path: Path, counts: ReadCounts) -> None:
    """Give up early on a file that starts with a hundred lines of something else."""
    if counts.n_records == 0 and counts.n_lines >= _N_LINES_ON_TRIAL:
        raise _no_snapshot(path, f"none of its first {_N_LINES_ON_TRIAL} lines is a record")


def _judge(path: Path, counts: ReadCounts, n_with_categories: int) -> None:
    """Refuse a file that is no snapshot, or one with too many broken lines."""
    if counts.n_lines == 0:
        raise _no_snapshot(path, "it has no line that is not blank")
    if counts.n_records == 0:
        raise _no_snapshot(path, f"none of its {counts.n_lines:,} lines is a record")
    if n_with_categories == 0:
        raise _no_snapshot(path, "no record has categories")
    if counts.n_broken_lines > _MAX_BROKEN_SHARE * counts.n_lines:
        raise BadSnapshotError(
            f"{counts.n_broken_lines:,} of {counts.n_lines:,} lines of {path} are broken; "
            f"the first is line {counts.first_broken_line:,}.",
            expected=f"at most {_MAX_BROKEN_SHARE:.0%} broken lines (no JSON, no id, wrong types).",
            do="Look at that line; fetch the snapshot again if the file was cut or edited.",
        )


def _no_snapshot(path: Path, why: str) -> BadSnapshotError:
    return BadSnapshotError(
        f"{path} is no arXiv metadata snapshot: {why}.",
        expected=_EXPECTED,
        do="Give Kaggle's arxiv-metadata-oai-snapshot.json, zipped or not.",
    )
