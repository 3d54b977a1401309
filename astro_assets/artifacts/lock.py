"""One writer at a time: an exclusive lock that dies with its process and names its holder.

What does not belong here: what is done with whoever holds it (the callers know).
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from astro_assets.errors import AstroError, BadSettingError, HomeTakenError, TrainingError

_HELD: set[Path] = set()
"""Locks this process holds: the command takes one, and the run it starts inside takes it again."""


@dataclass(frozen=True)
class Guarded:
    """What a lock guards, as its refusals word it."""

    refusal: type[AstroError]
    """Raised where another process holds the lock."""
    doing: str
    """What the holder does to the folder: ``is being written to by``."""
    expected: str
    """What should be."""
    do: str
    """What the refused can do."""
    use: str
    """What the folder is to be used as: ``home``."""
    mend: str
    """What to do where the folder cannot be written to."""


HOME = Guarded(
    HomeTakenError,
    "is being written to by",
    expected="one run at a time in one home.",
    do="Wait for that run to end, end it, or give another ASTRO_HOME.",
    use="home",
    mend="Correct ASTRO_HOME.",
)
TRAINING = Guarded(
    TrainingError,
    "is being trained in by",
    expected="one trainer at a time in one work folder.",
    do="Wait for that trainer to end, or end it (SIGTERM: it saves and stops), and run this again.",
    use="work folder of a training",
    mend="Give a folder that can be written to.",
)


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, as far as it told."""

    told: str
    """``run 1a2b… of release 2023-07``; empty if it has not said yet."""
    pid: int | None

    def __str__(self) -> str:
        return f"{self.told} (process {self.pid})" if self.told else "another process"


@contextmanager
def exclusive(path: Path, *, holder: str, guarded: Guarded = HOME) -> Iterator[None]:
    """Hold the lock at ``path`` or refuse at once, naming who holds it; re-entrant in a process.

    The kernel frees the lock when the process ends, however it ends, so there are no stale locks.
    ``holder`` is what others are told: "run 1a2b… of release 2023-07".

    Raises:
        AstroError: another process holds it; of the class that ``guarded`` names.
        BadSettingError: its folder cannot be made or written to.
    """
    if path in _HELD:
        yield
        return
    descriptor = _opened(path, guarded)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise refusal(path, guarded=guarded) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps({"pid": os.getpid(), "holder": holder}).encode())
        _HELD.add(path)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        _HELD.discard(path)
        os.close(descriptor)


def refusal(path: Path, *, guarded: Guarded) -> AstroError:
    """Return the error that says who holds the lock at ``path``."""
    return guarded.refusal(
        f"{path.parent} {guarded.doing} {_told(path)}.", expected=guarded.expected, do=guarded.do
    )


def holder_of(path: Path) -> Holder | None:
    """Return who holds the lock at ``path`` at this moment, or None where nobody does."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        # Shared, and given back at once: two that only look do not see each other.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _told(path)
    finally:
        os.close(descriptor)
    return None


def _opened(path: Path, guarded: Guarded) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise BadSettingError(
            f"{path.parent} cannot be used as {guarded.use}: {error.strerror}.",
            expected="a folder that can be made and written to.",
            do=guarded.mend,
        ) from None


def _told(path: Path) -> Holder:
    """Return what the holder wrote about itself; it may not have written yet."""
    try:
        note = json.loads(path.read_text())
        return Holder(str(note["holder"]), int(note["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Holder("", None)
