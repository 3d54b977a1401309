"""Whose turn it is to ask arXiv: one request at a time, three seconds apart, over the machine.

arXiv counts requests by address, not by process, so the processes of a machine take turns through
the lock of one file, which also says when the last request was under way. Belongs here: waiting for
the turn. Does not belong here: what is asked (``oai``) and answers that say when to come back
(``oai_http``).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from astro_assets.errors import BadSettingError

SECONDS_BETWEEN_REQUESTS = 3.0
_MARGIN_SECONDS = 0.2
# What lies between noting a request and its arrival: it would be missing from the pause after a
# process that was killed while it waited for an answer.
_SHARED_FOLDER = Path("/tmp")


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Pace:
    """Turns at one server; equal paths take turns, in whatever process."""

    path: Path
    """The file that is locked; it holds when a request was last under way, in seconds (Unix)."""
    clock: Callable[[], datetime] = _utc_now
    sleep: Callable[[float], None] = time.sleep
    seconds: float = SECONDS_BETWEEN_REQUESTS
    """Least pause between the end of one request and the start of the next."""

    @classmethod
    def of(cls, base_url: str) -> Pace:
        """Return the pace every process of this machine keeps towards a server."""
        folder = _SHARED_FOLDER if _SHARED_FOLDER.is_dir() else Path(tempfile.gettempdir())
        server = hashlib.sha256(urlsplit(base_url).netloc.lower().encode()).hexdigest()
        return cls(folder / f"astro-assets-{server[:16]}.pace")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the turn and the pause; hold the turn until the request is done.

        The lock is the kernel's: it is free again when its process ends, however it ends.

        Raises:
            BadSettingError: the file cannot be opened, say because it is another user's.
        """
        descriptor = self._opened()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._wait(descriptor)
            self._note(descriptor)
            try:
                yield
            finally:
                self._note(descriptor)
        finally:
            os.close(descriptor)

    def _wait(self, descriptor: int) -> None:
        pause = self.seconds + _MARGIN_SECONDS
        passed = self.clock().timestamp() - _noted(descriptor)
        if passed < 0:  # the machine's clock was set back
            passed = 0.0
        if passed < pause:
            self.sleep(pause - passed)

    def _note(self, descriptor: int) -> None:
        os.pwrite(descriptor, f"{self.clock().timestamp():017.6f}\n".encode(), 0)

    def _opened(self) -> int:
        """Open the file, made writable for all users of the machine; never through a link."""
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            try:
                # without O_CREAT first: it is refused for another user's file in a shared folder
                return os.open(self.path, flags)
            except FileNotFoundError:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(self.path, flags | os.O_CREAT, 0o666)
                os.fchmod(descriptor, 0o666)  # whatever the umask
                return descriptor
        except OSError as error:
            raise BadSettingError(
                f"{self.path} cannot be opened: {error.strerror}.",
                expected="a file every process may write: through it they take turns at arXiv.",
                do="Remove it, or let its owner make it writable for all.",
            ) from error


def _noted(descriptor: int) -> float:
    """Return when a request was last under way; long ago where nothing readable stands."""
    try:
        return float(os.pread(descriptor, 32, 0))
    except ValueError:
        return 0.0
