"""Whose turn it is to ask arXiv: one request at a time, three seconds apart, over the machine.

arXiv counts requests by address, not by process, so the processes of a machine take turns through
the lock of one file. It also says when the last request was under way, and until when the server
asked to be left alone, both in seconds since the machine started: nobody sets that clock. Belongs
here: waiting for the turn. Does not belong here: what is asked (``oai``) and how long one goes on
asking a server that is busy (``oai_http``).
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from astro_assets.errors import BadSettingError
from astro_assets.ingest.oai_address import server_of

SECONDS_BETWEEN_REQUESTS = 3.0
MAX_SECONDS_AWAY = 3_600.0
"""A server may ask all processes to stay away for so long; then they see for themselves."""
_MARGIN_SECONDS = 0.2
# What lies between noting a request and its arrival: it would be missing from the pause after a
# process that was killed while it waited for an answer.
_SHARED_FOLDER = Path("/tmp")
# Linux goes on counting while the machine sleeps; where that clock is missing, another must do.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Turn:
    """The turn at a server, while it is held."""

    seconds_away: float = 0.0
    """How long the server asked to be left alone; set before the turn ends."""


@dataclass(frozen=True)
class Pace:
    """Turns at one server; equal paths take turns, in whatever process."""

    path: Path
    """The file that is locked; it holds what every process must know of the last request."""
    clock: Callable[[], datetime] = _utc_now
    sleep: Callable[[float], None] = time.sleep
    seconds: float = SECONDS_BETWEEN_REQUESTS
    """Least pause between the end of one request and the start of the next."""
    ticks: Callable[[], float] | None = None
    """Measures pauses, in seconds. None: ``clock`` if one is given, or the machine's."""

    @classmethod
    def of(cls, base_url: str) -> Pace:
        """Return the pace every process of this machine keeps towards a server.

        Raises:
            BadSettingError: no address of a server.
        """
        folder = _SHARED_FOLDER if _SHARED_FOLDER.is_dir() else Path(tempfile.gettempdir())
        server = hashlib.sha256(server_of(base_url).encode()).hexdigest()
        return cls(folder / f"astro-assets-{server[:16]}.pace")

    def seconds_now(self) -> float:
        """Return the time pauses are measured by; only differences of it mean something."""
        if self.ticks is not None:
            return self.ticks()
        if self.clock is not _utc_now:
            return self.clock().timestamp()
        return time.clock_gettime(_CLOCK)

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """Wait for the turn and the pause; hold the turn until the request is done.

        The lock is the kernel's: it is free again when its process ends, however it ends.

        Raises:
            BadSettingError: the file cannot be used, say because it is another user's.
        """
        descriptor = self._opened()
        turn = Turn()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._wait(descriptor)
            self._note(descriptor)
            try:
                yield turn
            finally:
                self._note(descriptor, seconds_away=turn.seconds_away)
        finally:
            os.close(descriptor)

    def _wait(self, descriptor: int) -> None:
        now, pause = self.seconds_now(), self.seconds + _MARGIN_SECONDS
        last, until = _noted(descriptor)
        if last > now:  # the machine started anew since, or nothing readable stands there
            last, until = now, now
        seconds = max(last + pause, min(until, now + MAX_SECONDS_AWAY)) - now
        if seconds > 0:
            self.sleep(seconds)

    def _note(self, descriptor: int, *, seconds_away: float = 0.0) -> None:
        now = self.seconds_now()
        until = now + min(seconds_away, MAX_SECONDS_AWAY)
        try:
            os.pwrite(descriptor, f"{now:017.6f} {until:017.6f}\n".encode(), 0)
        except OSError as error:
            raise self._unusable(f"cannot be written: {error.strerror}") from error

    def _opened(self) -> int:
        """Open the file, made writable for all users of the machine; never through a link."""
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            try:
                # without O_CREAT first: it is refused for another user's file in a shared folder
                descriptor = os.open(self.path, flags)
            except FileNotFoundError:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(self.path, flags | os.O_CREAT, 0o666)
                os.fchmod(descriptor, 0o666)  # whatever the umask
        except OSError as error:
            raise self._unusable(f"cannot be opened: {error.strerror}") from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise self._unusable("is no regular file")
        return descriptor

    def _unusable(self, why: str) -> BadSettingError:
        return BadSettingError(
            f"{self.path} {why}.",
            expected="a file every process may write: through it they take turns at arXiv.",
            do="Remove it, or let its owner make it writable for all.",
        )


def _noted(descriptor: int) -> tuple[float, float]:
    """Return when a request was last under way, and until when the server wants none.

    Long ago in a file that is new; never yet, which costs a pause, where nothing readable stands.
    """
    data = os.pread(descriptor, 64, 0)
    if not data:
        return -math.inf, -math.inf
    try:
        last, until = map(float, data.split())
    except ValueError:
        return math.inf, math.inf
    # NaN is no time either
    return (last, until) if math.isfinite(last) and math.isfinite(until) else (math.inf, math.inf)
