"""The snapshot: inspected once (digest, counts, vintage), then read in Arrow batches.

Belongs here: what a snapshot file is and how its lines become batches. Does not belong here: how
the file is opened (``lines``), and which of its papers a release holds (``warehouse``).
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from astro_assets.artifacts import atomic, fingerprint
from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Built
from astro_assets.errors import BadSettingError, BadSnapshotError
from astro_assets.ingest import synthetic
from astro_assets.ingest.lines import open_lines, text_bytes
from astro_assets.ingest.records import Record, decode_line, to_batch
from astro_assets.ingest.vintage import Vintage
from astro_assets.months import Month
from astro_assets.progress import Progress

MEMBER = "arxiv-metadata-oai-snapshot.json"
_PREFIX = "synthetic:"
_MAX_BROKEN_SHARE = 0.01
_N_LINES_ON_TRIAL = 100
_REPORT_EVERY_LINES = 5_000
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


def inspect_snapshot(source: str, home: Home, *, until: Month, progress: Progress) -> Built:
    """Find a snapshot, or generate it, and read it once from end to end.

    Args:
        source: A path, or ``synthetic:N`` for N generated records.
        home: Where a generated snapshot is written; a file stays where it lies.
        until: The newest month of generated records; a file takes no notice of it.
        progress: Who is told how far it is.

    Returns:
        The file; its fingerprint is the sha256 of its bytes. Facts: origin, source, vintage (ISO
        day), vintage_from, path.

    Raises:
        BadSettingError: ``synthetic:`` without a number that can be used.
        BadSnapshotError: no snapshot, a damaged one, or more than 1 % of its lines broken.
    """
    path = locate_snapshot(source, home, until=until, progress=progress)
    built = _inspect_file(path, source, progress=progress)
    if not source.startswith(_PREFIX):
        return built
    facts = {
        **built.facts,
        "origin": "synthetic",
        "vintage": until.end.date().isoformat(),
        "vintage_from": "generator",
    }
    return Built(built.fingerprint, path, built.counts, built.files, facts)


def locate_snapshot(source: str, home: Home, *, until: Month, progress: Progress) -> Path:
    """Return where a snapshot lies, generated if that is asked for; it is opened, but not read.

    Raises:
        BadSettingError: ``synthetic:`` without a number that can be used.
        BadSnapshotError: no file there, an empty one, or a zip that cannot be opened.
    """
    if not source.startswith(_PREFIX):
        path = Path(source).expanduser().absolute()
        text_bytes(path)
        return path
    n = _n_synthetic(source)
    synthetic.check_size(n, until=until)
    path = home.snapshots / f"synthetic-{n}-{until}.zip"
    if not _is_ours(path):
        _write_synthetic(path, n, until=until, progress=progress)
    return path


def read_batches(
    path: Path, *, progress: Progress, rows: int = 20_000, counts: ReadCounts | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield a snapshot's records as batches of RECORD_SCHEMA, in the file's order.

    Broken lines are left out and counted in ``counts``; whether they are too many was decided when
    the snapshot was inspected.

    Raises:
        BadSnapshotError: the file is missing or damaged.
    """
    records: list[Record] = []
    for record in _read_records(path, counts or ReadCounts(), "read snapshot", progress=progress):
        records.append(record)
        if len(records) == rows:
            yield to_batch(records)
            records.clear()
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


def _inspect_file(path: Path, source: str, *, progress: Progress) -> Built:
    counts, vintage = ReadCounts(), Vintage()
    n_with_categories = 0
    for record in _read_records(path, counts, "inspect snapshot", progress=progress):
        vintage.see(record)
        n_with_categories += record.categories is not None
        if counts.n_lines >= _N_LINES_ON_TRIAL and not n_with_categories:
            raise _no_snapshot(path, f"none of its first {_N_LINES_ON_TRIAL} lines has categories")
    _judge(path, counts, n_with_categories)
    newest = vintage.newest()
    if newest is None:
        raise _no_snapshot(path, "no record tells a day: no dates, and ids that are not arXiv's")
    digest = fingerprint.of_file(path)
    return Built(
        fingerprint=digest,
        path=path,
        counts={
            "n_lines": counts.n_lines,
            "n_records": counts.n_records,
            "n_broken_lines": counts.n_broken_lines,
            "n_bytes": path.stat().st_size,
            "n_text_bytes": counts.n_bytes,
        },
        files={path.name: digest},
        facts={
            "origin": "file",
            "source": source,
            "vintage": newest[0],
            "vintage_from": newest[1],
            "path": path.as_posix(),
        },
    )


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


def _n_synthetic(source: str) -> int:
    text = source.removeprefix(_PREFIX)
    # isascii: other scripts' digits pass isdigit, and some of them fail in int()
    n = int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0
    if n < 1:
        raise BadSettingError(
            f"The snapshot cannot be {source[:60]!r}.",
            expected="synthetic:N with a whole number N of at least 1, as in synthetic:12000.",
        )
    return n


def _is_ours(path: Path) -> bool:
    """Tell whether a whole generated snapshot of this generator's version lies there."""
    if not path.is_file():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.comment == _comment() and archive.testzip() is None
    except (zipfile.BadZipFile, OSError):
        return False


def _comment() -> bytes:
    return f"astro-assets generator {synthetic.GENERATOR_VERSION}".encode()


def _write_synthetic(path: Path, n: int, *, until: Month, progress: Progress) -> None:
    """Write n generated records in Kaggle's form; the same bytes whenever it is done."""
    member = zipfile.ZipInfo(MEMBER, date_time=(1980, 1, 1, 0, 0, 0))
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    with (
        progress.task("generate snapshot", total=n, unit="records") as task,
        atomic.replacing(path) as temporary,
        zipfile.ZipFile(temporary, "w") as archive,
    ):
        archive.comment = _comment()
        with archive.open(member, "w", force_zip64=True) as out:
            for number, record in enumerate(synthetic.generate(n, until=until), start=1):
                out.write(json.dumps(record).encode() + b"\n")
                if number % 1_000 == 0:
                    task.advance(1_000)
        task.advance(n % 1_000)
