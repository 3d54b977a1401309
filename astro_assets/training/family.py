"""A trainer's processes: all that descend from it, whatever sessions they have moved to.

torchrun gives each worker a session of its own, so ending the trainer's process group leaves them
alive. A token in the environment is inherited by all and tells whose they are. What does not belong
here: asking for a graceful end (``launcher``).
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

TOKEN = "ASTRO_TRAINER_TOKEN"
"""Environment variable: one value per started trainer."""

_PROCESSES = Path("/proc")
"""Linux's; elsewhere only the process group is ended."""
_BURIAL_SECONDS = 30.0
"""A killed process that hangs in a driver is left to the kernel after this long."""


def end(leader: subprocess.Popen[bytes], token: str) -> None:
    """Kill whatever lives of a trainer and collect its leader.

    Args:
        leader: The process that was started, leader of its session.
        token: The value of ``TOKEN`` it was given.
    """
    # A number that was collected may be somebody else's by now; where tokens cannot be read, the
    # group is all there is to go by.
    if leader.poll() is None or not _PROCESSES.is_dir():
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(leader.pid, signal.SIGKILL)
    leader.wait()
    deadline = time.monotonic() + _BURIAL_SECONDS
    # Again and again: one that was being forked meanwhile shows at the next look.
    while (members := list(members_of(token))) and time.monotonic() < deadline:
        for pid in members:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def members_of(token: str) -> Iterator[int]:
    """Yield the processes that live with this token in their environment, ourselves left out."""
    wanted = f"{TOKEN}={token}".encode()
    for folder in _PROCESSES.glob("[0-9]*"):
        pid = int(folder.name)
        if pid != os.getpid() and wanted in _environment(pid):
            yield pid


def has_lifeline(pid: int | None, variable: str) -> bool:
    """Tell whether a process was started with a lifeline; where nobody can tell, it was."""
    if pid is None or not _PROCESSES.is_dir():
        return True
    return any(entry.startswith(f"{variable}=".encode()) for entry in _environment(pid))


def _environment(pid: int) -> list[bytes]:
    """Return what a process was started with; nothing for one that is gone, dead or another's."""
    try:
        return (_PROCESSES / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []
