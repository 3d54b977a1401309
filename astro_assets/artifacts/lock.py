"""One writer per home: an exclusive lock that dies with its process and names its holder."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from astro_assets.errors import BadSettingError, HomeTakenError

_HELD: set[Path] = set()
"""Locks this process holds: the command takes one, and the run it starts inside takes it again."""


@contextmanager
def exclusive(path: Path, *, holder: str) -> Iterator[None]:
    """Hold the lock at ``path`` or refuse at once, naming who holds it; re-entrant in a process.

    The kernel frees the lock when the process ends, however it ends, so there are no stale locks.
    ``holder`` is what others are told: "run 1a2b… of release 2023-07".

    Raises:
        HomeTakenError: another process holds it.
        BadSettingError: its folder cannot be made or written to.
    """
    if path in _HELD:
        yield
        return
    descriptor = _opened(path)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HomeTakenError(
                f"{path.parent} is being written to by {_told(path)}.",
                expected="one run at a time in one home.",
                do="Wait for that run to end, end it, or give another ASTRO_HOME.",
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps({"pid": os.getpid(), "holder": holder}).encode())
        _HELD.add(path)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        _HELD.discard(path)
        os.close(descriptor)


def _opened(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise BadSettingError(
            f"{path.parent} cannot be used as home: {error.strerror}.",
            expected="a folder that can be made and written to.",
            do="Correct ASTRO_HOME.",
        ) from None


def _told(path: Path) -> str:
    """Return what the holder wrote about itself; it may not have written yet."""
    try:
        note = json.loads(path.read_text())
        return f"{note['holder']} (process {note['pid']})"
    except (ValueError, KeyError, TypeError):
        return "another process"
