"""The `astro-assets` command in processes that can be killed and cost next to nothing to start.

They are forked off a server that has imported everything and started nothing (the standard
library's ``forkserver``), so a hundred runs pay for the imports once.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.e2e.children_imports"])

PATIENCE_SECONDS = 180.0
"""A run that takes longer has stopped for good."""

CHANGES = frozenset(
    ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod", "sqlite3.connect")
)
"""Audit events of calls that change the disk, besides opening a file to write to it."""

_TO_WRITE = os.O_WRONLY | os.O_RDWR


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    """Exit status; negative: the signal that ended it."""
    out: str
    err: str
    n_changes: int
    """How often it was about to change something below its home."""

    @property
    def told(self) -> dict[str, Any]:
        """What ``--json`` printed."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Child:
    """One command that was started."""

    process: ForkServerProcess
    folder: Path

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def kill_after(self, seconds: float) -> bool:
        """Send SIGKILL after a while; tell whether that is what ended it."""
        self.process.join(seconds)
        self.process.kill()
        self.process.join()
        return self.process.exitcode == -signal.SIGKILL

    def wait(self) -> Said:
        self.process.join(PATIENCE_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
            raise AssertionError(f"no end within {PATIENCE_SECONDS} s: {self._text('err')}")
        assert self.process.exitcode is not None
        n_changes = int(self._text("changes") or 0)
        return Said(self.process.exitcode, self._text("out"), self._text("err"), n_changes)

    def _text(self, name: str) -> str:
        path = self.folder / name
        return path.read_text() if path.is_file() else ""


def start(
    folder: Path, environment: dict[str, str], *arguments: str, dies_before: int | None = None
) -> Child:
    """Start the command; what it prints goes to ``out`` and ``err`` in ``folder``.

    With ``dies_before`` it is killed the moment it is about to change its home that many times.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("out", "err", "changes"):
        (folder / name).unlink(missing_ok=True)
    given = (folder, environment, arguments, dies_before)
    process = _SERVER.Process(target=_command, args=given, daemon=True)
    process.start()
    return Child(process, folder)


def run(folder: Path, environment: dict[str, str], *arguments: str) -> Said:
    """Run the command to its end."""
    return start(folder, environment, *arguments).wait()


class _Watch:
    """Counts the changes a process is about to make below a folder; ends it before one of them."""

    def __init__(self, folder: str, dies_before: int | None) -> None:
        self.n_changes = 0
        self._folder, self._dies_before = folder, dies_before

    def see(self, event: str, given: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(given[2], int) and given[2] & _TO_WRITE
        if not writes and event not in CHANGES:
            return
        if str(given[0]).startswith(self._folder):
            self.n_changes += 1
            if self.n_changes == self._dies_before:
                os.kill(os.getpid(), signal.SIGKILL)


def _command(
    folder: Path, environment: dict[str, str], arguments: tuple[str, ...], dies_before: int | None
) -> None:
    """Be the command: in the child, with nothing of the test's environment but what is given."""
    for name in [n for n in os.environ if n.startswith(("ASTRO_", "DAGSTER_", "MLFLOW_"))]:
        del os.environ[name]
    os.environ.update(environment)
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)

    from sqlalchemy import Engine, event

    from astro_assets import cli
    from astro_assets.ingest.oai_pace import Pace

    # Nobody cuts the power here, and what was written outlives a killed process without a sync.
    event.listen(Engine, "connect", lambda made, _: made.execute("pragma synchronous = off"))

    # The fake server needs no pauses; the turns are taken all the same.
    pace = Pace(folder / "turns.pace", sleep=lambda _seconds: None)
    Pace.of = classmethod(lambda _cls, _url: pace)  # type: ignore[method-assign,assignment]
    watch = _Watch(environment["ASTRO_HOME"], dies_before)
    sys.addaudithook(watch.see)
    try:
        cli.app(list(arguments))
    finally:
        (folder / "changes").write_text(str(watch.n_changes))
