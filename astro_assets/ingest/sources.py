"""Where a snapshot comes from: a file, Kaggle, OAI-PMH, or the generator; told by its form.

Belongs here: turning what a person asked for into a file. Does not belong here: what the file says
(``snapshot``), and how others are asked (``kaggle``, ``oai_snapshot``).
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from astro_assets.artifacts import atomic
from astro_assets.artifacts.home import Home
from astro_assets.errors import BadSettingError
from astro_assets.ingest import kaggle, oai_snapshot, synthetic
from astro_assets.ingest.kaggle_api import FILE
from astro_assets.ingest.lines import text_bytes
from astro_assets.ingest.oai_http import Requester
from astro_assets.months import Month
from astro_assets.progress import Progress

Server = Callable[[], AbstractContextManager[Requester]]
"""Opens the way to an OAI-PMH server."""
_SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class Located:
    """A snapshot that was found, fetched or generated: a file, and what its source tells of it."""

    path: Path
    """Absolute."""
    source: str
    """What was asked for."""
    origin: str
    """``file``, ``kaggle``, ``oai`` or ``synthetic``."""
    stamp: tuple[int, int]
    """``stamp_of`` its file when it was located."""
    vintage: tuple[str, str] | None = None
    """(ISO day, who says so) where the source tells it; else the records must."""
    identity: Mapping[str, Any] = field(default_factory=dict)
    """What tells it from another snapshot beside path and bytes, as plain JSON values."""
    told: Mapping[str, int] = field(default_factory=dict)
    """Counts its source tells of how it came; they do not tell it from another snapshot."""


def locate_snapshot(
    source: str,
    home: Home,
    *,
    until: Month,
    progress: Progress,
    force: bool = False,
    server: Server | None = None,
) -> Located:
    """Return where a snapshot lies, fetched or generated if need be; it is opened, but not read.

    Args:
        source: A path, ``kaggle``, ``kaggle:VERSION``, ``oai``, or ``synthetic:N`` for N made-up
            records.
        home: Where a generated or fetched snapshot is written; a file stays where it lies.
        until: The newest month of generated records; the others take no notice of it.
        progress: Who is told how far it is.
        force: Ask Kaggle for its newest version even if this home holds one, and fetch a version
            again whose bytes have changed since; harvest anew on another day than the last time,
            or go on with such a harvest. Until that is whole, the one held before is used.
        server: The way to arXiv's OAI-PMH server, for ``oai``.

    Raises:
        BadSettingError: a source that cannot be used, or Kaggle wants (other) credentials.
        BadSnapshotError: no file there, an empty one, a zip that cannot be opened, or Kaggle did
            not deliver.
        HarvestError: the OAI-PMH server did not deliver; what came is kept.
    """
    kind = source.partition(":")[0]
    if kind == _SYNTHETIC:
        return _locate_synthetic(source, home, until=until, progress=progress)
    if kind == kaggle.KIND:
        return _locate_kaggle(source, home, progress=progress, force=force)
    if source == oai_snapshot.KIND:
        return _locate_harvest(home.snapshots, server, progress=progress, force=force)
    path = Path(source).expanduser().absolute()
    text_bytes(path)
    return Located(path, source, "file", stamp_of(path))


def stamp_of(path: Path) -> tuple[int, int]:
    """Return what changes when a file is written to: its size and its time of change."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _locate_kaggle(source: str, home: Home, *, progress: Progress, force: bool) -> Located:
    version = kaggle.version_of(source)
    held = kaggle.fetch(version, home.snapshots / "kaggle", progress=progress, force=force)
    text_bytes(held.path)
    return Located(
        held.path,
        source,
        "kaggle",
        stamp_of(held.path),
        vintage=(held.created, "kaggle") if held.created else None,
        identity={"kaggle_version": held.version},
    )


def _locate_harvest(
    folder: Path, server: Server | None, *, progress: Progress, force: bool
) -> Located:
    made = oai_snapshot.newest_finished(folder)
    if made is None or force:
        if server is None:
            raise BadSettingError(
                "The snapshot cannot be 'oai' here: no server was named.",
                expected="the address of an OAI-PMH server.",
            )
        with server() as requester:
            begun = oai_snapshot.newest_folder(folder)
            if begun is None or oai_snapshot.finished(begun) is not None:
                begun = folder / f"{oai_snapshot.KIND}-{requester.now.date()}"
            made = oai_snapshot.harvest_snapshot(begun, requester, progress=progress)
    return Located(
        made.path,
        oai_snapshot.KIND,
        "oai",
        stamp_of(made.path),
        vintage=(made.vintage, "harvest"),
        told=made.counts,
    )


def _locate_synthetic(source: str, home: Home, *, until: Month, progress: Progress) -> Located:
    n = _n_synthetic(source)
    synthetic.check_size(n, until=until)
    path = home.snapshots / f"synthetic-{n}-{until}.zip"
    if not _is_ours(path):
        _write_synthetic(path, n, until=until, progress=progress)
    vintage = until.end.date().isoformat(), "generator"
    return Located(path, source, "synthetic", stamp_of(path), vintage=vintage)


def _n_synthetic(source: str) -> int:
    text = source.removeprefix(f"{_SYNTHETIC}:")
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
    member = zipfile.ZipInfo(FILE, date_time=(1980, 1, 1, 0, 0, 0))
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
