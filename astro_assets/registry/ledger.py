"""The ledger of promotion decisions: append-only JSON Lines, whole lines or nothing.

MLflow knows where an alias points, not where it pointed; this file does. What does not belong here:
the rule itself (``promotion``).
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from astro_assets.errors import DamagedArtifactError


@dataclass(frozen=True)
class Entry:
    """One decision."""

    decided_at: str
    """UTC, ISO 8601."""
    release: str
    """``YYYY-MM``."""
    model_name: str
    candidate_version: int
    champion_before: int | None
    champion_after: int | None
    promoted: bool
    """Whether the candidate became champion."""
    reasons: tuple[str, ...]
    """Every rule with its figures."""
    failed: tuple[str, ...] = ()
    """Names of the rules that failed."""
    figures: dict[str, Any] = field(default_factory=dict)
    """The evidence as plain numbers; units in the names."""
    run_ids: dict[str, str] = field(default_factory=dict)
    """Who decided: {"dagster": …, "mlflow": …}."""
    opponent: int | None = None
    """The version the candidate was measured against; None: nobody."""


def append(path: Path, entry: Entry) -> None:
    """Add one line durably; when the disk refuses, the file stays as it was.

    Raises:
        OSError: the line could not be written.
        ValueError: a figure is not a finite number, which JSON cannot hold.
    """
    line = json.dumps(asdict(entry), sort_keys=True, allow_nan=False).encode() + b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        n_before = os.fstat(descriptor).st_size
        # A writer that was killed may have left half a line: it must not swallow ours.
        if n_before and os.pread(descriptor, 1, n_before - 1) != b"\n":
            line = b"\n" + line
        _write_whole(descriptor, line, n_before=n_before)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    _sync_folder(path.parent)


def entries(path: Path) -> tuple[Entry, ...]:
    """Return every decision, oldest first; none if there is no ledger. Half lines are left out.

    Raises:
        DamagedArtifactError: a whole line is JSON but no decision, so the file is not a ledger.
    """
    return tuple(entry for _, entry in _read(path) if entry is not None)


def damaged_lines(path: Path) -> tuple[int, ...]:
    """Return the numbers (from 1) of lines that killed writers left incomplete."""
    return tuple(number for number, entry in _read(path) if entry is None)


def _read(path: Path) -> Iterator[tuple[int, Entry | None]]:
    if not path.is_file():
        return
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except ValueError:
            yield number, None
            continue
        yield number, _entry(document, where=f"{path}, line {number}")


def _entry(document: Any, *, where: str) -> Entry:
    known = {item.name for item in fields(Entry)}
    try:
        # Fields that a later version may add are left aside, so that an old program reads on.
        given = {name: value for name, value in document.items() if name in known}
        given["reasons"] = tuple(given["reasons"])
        given["failed"] = tuple(given.get("failed", ()))
        return Entry(**given)
    except (AttributeError, KeyError, TypeError) as error:
        raise DamagedArtifactError(
            f"{where} is no promotion decision ({error}).",
            do="Put the ledger back from a copy, or move that line out of it.",
        ) from error


def _write_whole(descriptor: int, data: bytes, *, n_before: int) -> None:
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError:
        os.ftruncate(descriptor, n_before)
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
