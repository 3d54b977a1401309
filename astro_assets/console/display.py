"""Progress in the terminal: a live bar per task for a person, sparse lines where nobody watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from astro_assets.progress import LineProgress, Task, readable_unit
from astro_assets.progress import Progress as ProgressProtocol

_LINES_EVERY_SECONDS = 15.0


class Display(Protocol):
    """Where a run shows itself: its tasks, and a line per asset."""

    def for_log(self, log: Callable[[str], None]) -> ProgressProtocol:
        """Return the progress an asset reports to (Dagster's log is not used here)."""
        ...

    def say(self, line: str) -> None:
        """Show one line that stays."""
        ...


class PlainDisplay:
    """Sparse lines: for pipes, logs and CI."""

    def __init__(self, console: Console) -> None:
        """Write to ``console``."""
        self._console = console

    def for_log(self, log: Callable[[str], None]) -> ProgressProtocol:
        """Return a line progress."""
        del log
        return LineProgress(lambda line: self.say(f"  {line}"), every_seconds=_LINES_EVERY_SECONDS)

    def say(self, line: str) -> None:
        """Write one line, as it is."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class LiveDisplay:
    """Live bars: stage, counts, rate, time left, and the figures a task tells."""

    def __init__(self, console: Console) -> None:
        """Draw on ``console``; use it inside ``with live_display(...)``."""
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[counts]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("[dim]{task.fields[figures]}"),
            console=console,
            transient=True,
        )

    def for_log(self, log: Callable[[str], None]) -> ProgressProtocol:
        """Return itself."""
        del log
        return self

    def say(self, line: str) -> None:
        """Show a line above the bars."""
        self._progress.console.print(escape(line), highlight=False)

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Draw until the block ends."""
        with self._progress:
            yield

    def task(
        self, name: str, *, total: float | None = None, unit: str = ""
    ) -> AbstractContextManager[Task]:
        """Open a bar."""
        return self._bar(name, total, unit)

    @contextmanager
    def _bar(self, name: str, total: float | None, unit: str) -> Iterator[Task]:
        number = self._progress.add_task(escape(name), total=total, counts="", figures="")
        try:
            yield _Bar(self._progress, number, unit)
        finally:
            self._progress.remove_task(number)


class _Bar:
    """One bar under way."""

    def __init__(self, progress: Progress, number: TaskID, unit: str) -> None:
        self._progress, self._number, self._unit = progress, number, unit
        self._figures: dict[str, float | str] = {}

    def advance(self, n: float, **figures: float | str) -> None:
        self._figures.update(figures)
        task = self._progress.tasks[self._progress.task_ids.index(self._number)]
        scale, unit = readable_unit(self._unit)
        done, elapsed = (task.completed + n) / scale, task.elapsed or 0.0
        rate = f" · {_short(done / elapsed)} {unit}/s" if elapsed > 0.5 else ""
        of_total = f"/{_short(task.total / scale)}" if task.total else ""
        self._progress.update(
            self._number,
            advance=n,
            counts=escape(f"{_short(done)}{of_total} {unit}{rate}"),
            figures=escape(" ".join(f"{k} {_figure(v)}" for k, v in self._figures.items())),
        )


@contextmanager
def open_display(console: Console) -> Iterator[Display]:
    """Return bars where a person watches, lines elsewhere."""
    if not console.is_terminal:
        yield PlainDisplay(console)
        return
    display = LiveDisplay(console)
    with display.drawing():
        yield display


def _short(n: float) -> str:
    """Return a count as a person reads it: 950, 12.3k, 4.56M.

    >>> [_short(n) for n in (950, 12_345, 4_560_000)]
    ['950', '12.3k', '4.56M']
    """
    if n < 1_000:
        return f"{n:,.0f}"
    if n < 1_000_000:
        return f"{n / 1_000:.1f}k"
    return f"{n / 1_000_000:.2f}M"


def _figure(value: float | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
