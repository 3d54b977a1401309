"""What a piece of work costs when it runs alone in a fresh process: CPU, wall, private memory."""

from __future__ import annotations

import multiprocessing
import re
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

_EVERY_SECONDS = 0.05
_RSS_ANON = re.compile(r"^RssAnon:\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True)
class Cost:
    """One run, imports included."""

    cpu_seconds: float
    """User and system, all threads and children."""
    wall_seconds: float
    private_bytes: int
    """Peak of what the process holds without page cache and mapped files: anonymous memory, and
    files that lie in memory alone."""
    value: Any
    """What the work returned."""


def cost_of(work: Callable[..., Any], *arguments: Any) -> Cost:
    """Run ``work(*arguments)`` in a new process and measure it.

    Raises:
        SystemExit: the work failed; its error was printed.
    """
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe(duplex=False)
    child = context.Process(target=_run, args=(its, work, *arguments))
    began = time.monotonic()
    child.start()
    its.close()
    private_bytes = _watch(child, mine)
    try:
        cpu_seconds, value = mine.recv()
    except EOFError:
        child.join()
        raise SystemExit(f"{work.__name__} ended with {child.exitcode}") from None
    child.join()
    return Cost(cpu_seconds, time.monotonic() - began, private_bytes, value)


def table(rows: list[tuple[str, ...]]) -> str:
    """Return rows as Markdown, the first one as the head; all but the first column to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| "
        + " | ".join(
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        + " |"
        for row in rows
    ]
    marks = ["-" * width if n == 0 else "-" * (width - 1) + ":" for n, width in enumerate(widths)]
    return "\n".join([lines[0], "| " + " | ".join(marks) + " |", *lines[1:]])


def _watch(child: BaseProcess, answer: Connection) -> int:
    """Return the peak of private memory in bytes until the child has answered or ended."""
    peak, process = 0, Path(f"/proc/{child.pid}")
    while child.is_alive() and not answer.poll(_EVERY_SECONDS):
        try:
            found = _RSS_ANON.search((process / "status").read_text())
            n_bytes = int(found[1]) * 1024 if found else 0
            peak = max(peak, n_bytes + _in_memory_files(process))
        except OSError:
            continue  # a file was closed, or the process ended, while we looked
    return peak


def _in_memory_files(process: Path) -> int:
    """Return the bytes of a process's anonymous files, which no RSS of it shows."""
    return sum(
        link.stat().st_blocks * 512
        for link in (process / "fd").iterdir()
        if link.readlink().as_posix().startswith("/memfd:")
    )


def _run(answer: Connection, work: Callable[..., Any], *arguments: Any) -> None:
    value = work(*arguments)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    answer.send((sum(u.ru_utime + u.ru_stime for u in used), value))
