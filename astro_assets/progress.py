"""How long work tells how far it is; who shows it (terminal, Dagster log, nobody) is decided above.

Domain code opens a task and advances it::

    with progress.task("pretrain scratch base", total=400_000, unit="tokens") as task:
        task.advance(16_384, loss=3.2)
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from time import monotonic
from types import TracebackType
from typing import Protocol


class Task(Protocol):
    """One piece of work under way."""

    def advance(self, n: float, **figures: float | str) -> None:
        """Count ``n`` more units done; ``figures`` are shown beside (loss=…, papers=…)."""
        ...


class Progress(Protocol):
    """Whoever shows progress."""

    def task(
        self, name: str, *, total: float | None = None, unit: str = ""
    ) -> AbstractContextManager[Task]:
        """Open a task of ``total`` units (None: unknown)."""
        ...


def readable_unit(unit: str) -> tuple[float, str]:
    """Return by what counts are divided to be read, and the unit they then have.

    >>> readable_unit("bytes"), readable_unit("papers")
    ((1000000.0, 'MB'), (1.0, 'papers'))
    """
    return (1e6, "MB") if unit == "bytes" else (1.0, unit)


class _LineTask:
    """A task that now and then hands one line to ``write``."""

    def __init__(
        self,
        name: str,
        total: float | None,
        unit: str,
        *,
        write: Callable[[str], None],
        every_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._name, self._total, self._unit = name, total, unit
        self._write, self._every, self._clock = write, every_seconds, clock
        self._done = 0.0
        self._figures: dict[str, float | str] = {}

    def __enter__(self) -> _LineTask:
        self._began = self._last = self._clock()
        return self

    def advance(self, n: float, **figures: float | str) -> None:
        self._done += n
        self._figures.update(figures)
        if self._clock() - self._last >= self._every:
            self._last = self._clock()
            self._write(self._line())

    def _line(self) -> str:
        seconds = max(self._clock() - self._began, 1e-9)
        rate = self._done / seconds
        scale, unit = readable_unit(self._unit)
        of_total = f" of {self._total / scale:,.0f}" if self._total else ""
        words = [f"{self._name}: {self._done / scale:,.0f}{of_total} {unit}".rstrip()]
        if self._done:
            per_second = rate / scale
            shown = f"{per_second:,.0f}" if per_second >= 10 else f"{per_second:.2g}"
            words.append(f"{shown} {unit}/s")
        if self._total and self._done and self._done < self._total:
            words.append(f"{(self._total - self._done) / rate:,.0f} s left")
        words += [
            f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in self._figures.items()
        ]
        return " · ".join(words)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and self._done:
            self._write(f"{self._line()} · {self._clock() - self._began:,.1f} s")


class LineProgress:
    """Progress as sparse lines: for logs, where one event per record would drown everything."""

    def __init__(
        self,
        write: Callable[[str], None],
        *,
        every_seconds: float = 10.0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Write at most one line per ``every_seconds`` and task, and one at its end."""
        self._write, self._every, self._clock = write, every_seconds, clock

    def task(
        self, name: str, *, total: float | None = None, unit: str = ""
    ) -> AbstractContextManager[Task]:
        """Open a task."""
        return _LineTask(
            name, total, unit, write=self._write, every_seconds=self._every, clock=self._clock
        )


NO_PROGRESS = LineProgress(lambda _line: None)
"""Shows nothing: for tests and library use."""
