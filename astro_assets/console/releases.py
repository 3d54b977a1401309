"""Releases as versions in the terminal: verify one, compare two, remove what none of them names.

Text of papers comes from outside: it is cut, stripped of control characters, and escaped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from astro_assets.artifacts import lock
from astro_assets.artifacts.disk import full_disk_named
from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Store
from astro_assets.console.display import open_display
from astro_assets.months import Month
from astro_assets.releases.diff import Paper, ReleaseDiff, TableDiff, diff_releases
from astro_assets.releases.garbage import Garbage, find_garbage, remove
from astro_assets.releases.verify import ABSENT, Difference, Verification, verify_release
from astro_assets.settings import Settings

_MAX_DIFFERENCES = 50
_MAX_TITLE_CHARACTERS = 90
_N_EXAMPLES = 3


def verify(
    settings: Settings, release: str, console: Console, *, from_papers: bool
) -> Verification:
    """Verify a release of the home, progress on ``console``; takes no lock, for it only reads."""
    with full_disk_named(settings.home), open_display(console) as display:
        return verify_release(
            Store(Home(settings.home)),
            str(Month.parse(release)),
            from_papers=from_papers,
            progress=display.for_log(display.say),
        )


def diff(settings: Settings, before: str, after: str) -> ReleaseDiff:
    """Compare two releases of the home."""
    store = Store(Home(settings.home))
    return diff_releases(store, str(Month.parse(before)), str(Month.parse(after)))


def collect_garbage(
    settings: Settings, forget: Sequence[str], console: Console, *, delete: bool, now: datetime
) -> Garbage:
    """Find what may go and, with ``delete``, remove it under the home's lock."""
    from astro_assets.registry.tracking import Tracking
    from astro_assets.releases.registered import registered_in

    home = Home(settings.home)
    store = Store(home)
    tracking = Tracking.of(settings.tracking_uri, home)
    months = [str(Month.parse(release)) for release in forget]
    if not delete:
        return find_garbage(store, registered_in(tracking, store), forget=months, now=now)
    with full_disk_named(home.root), lock.exclusive(home.lock, holder="`astro-assets gc`"):
        garbage = find_garbage(store, registered_in(tracking, store), forget=months, now=now)
        with open_display(console) as display:
            remove(store, garbage, progress=display.for_log(display.say))
    return garbage


def verification_as_json(found: Verification) -> dict[str, Any]:
    """Return a verification as plain values."""
    return {"clean": found.is_clean, **asdict(found)}


def garbage_as_json(garbage: Garbage, *, deleted: bool) -> dict[str, Any]:
    """Return what may go, or went, as plain values."""
    return {"deleted": deleted, "n_bytes": garbage.n_bytes, **asdict(garbage)}


def show_verification(found: Verification, console: Console) -> None:
    """Print what was compared, what differs, and what was not done."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("asset", "files rebuilt", "differences"):
        table.add_column(heading, justify="left" if heading == "asset" else "right")
    differing = Counter(difference.asset for difference in found.differences)
    for asset in {**found.compared, **differing}:
        n_files = found.compared.get(asset)
        rebuilt = "–" if n_files is None else f"{n_files:,}"
        table.add_row(escape(asset), rebuilt, str(differing[asset]))
    console.print(table)
    for difference in found.differences[:_MAX_DIFFERENCES]:
        _print(console, f"[red]✗[/] {escape(_told(difference))}")
    if len(found.differences) > _MAX_DIFFERENCES:
        _print(console, f"… and {len(found.differences) - _MAX_DIFFERENCES:,} more (--json).")
    for note in found.notes:
        _print(console, f"[dim]{escape(note)}[/]")
    said = "is what it was, byte for byte." if found.is_clean else "is not what it was."
    _print(
        console, f"[{'green' if found.is_clean else 'bold red'}]Release {found.release} {said}[/]"
    )


def _told(difference: Difference) -> str:
    where = " ".join(part for part in (difference.asset, difference.month) if part)
    what = f"{difference.what} {difference.name}".strip()
    expected, found = (
        text if text == ABSENT else f"{text[:12]}…"
        for text in (difference.expected, difference.found)
    )
    return f"{where}: {_plain(what)}: expected {expected}, found {found}."


def show_diff(found: ReleaseDiff, console: Console, *, limit: int) -> None:
    """Print both tables' figures, at most ``limit`` papers of each kind, and the tokens gained."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "before", "after", "added", "revised", "withdrawn", "lost"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, part in (("astro-ph", found.astro), ("general", found.general)):
        if part is not None:
            counts = (part.n_before, part.n_after, *(len(papers) for _, papers in _kinds(part)))
            table.add_row(name, *(f"{count:,}" for count in counts))
    _print(console, f"[bold]{found.before} → {found.after}[/], papers whose text is used")
    console.print(table)
    for name, part in (("astro-ph", found.astro), ("general", found.general)):
        for change, count in part.exclusions.items() if part else ():
            _print(console, f"{name}: {escape(change)}: {count:,}")
    for kind, papers in _kinds(found.astro):
        _show_papers(kind, papers, console, limit=limit)
    for side, tokens in (found.tokens_gained or {}).items():
        _print(console, f"{side.replace('_', ' ')} tokens {tokens:+,}")
    for note in found.notes:
        _print(console, f"[dim]{escape(note)}[/]")


def _kinds(part: TableDiff) -> tuple[tuple[str, tuple[Paper, ...]], ...]:
    return (
        ("added", part.added),
        ("revised", part.revised),
        ("withdrawn", part.withdrawn),
        ("lost", part.lost),
    )


def _show_papers(kind: str, papers: Sequence[Paper], console: Console, *, limit: int) -> None:
    if not papers or not limit:
        return
    table = Table(box=None, pad_edge=False, title=f"{kind}, {len(papers):,}", title_justify="left")
    for heading in ("id", "month", "side", "title", ""):
        table.add_column(heading, overflow="fold")
    for paper in papers[:limit]:
        cells = (paper.id, paper.month, paper.side, paper.title or "", paper.detail)
        table.add_row(*(escape(_plain(cell)) for cell in cells))
    console.print(table)
    if len(papers) > limit:
        _print(console, f"… and {len(papers) - limit:,} more (--limit, --json).")
    console.print()


def _plain(text: str) -> str:
    """Return text from outside as one bounded line without control characters.

    >>> _plain("Red" + chr(27) + "[31m giants" + chr(10) + " of the bulge")
    'Red [31m giants of the bulge'
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _MAX_TITLE_CHARACTERS else line[: _MAX_TITLE_CHARACTERS - 1] + "…"


def show_garbage(garbage: Garbage, console: Console, *, deleted: bool) -> None:
    """Print by kind how many and how large, with a few names."""
    for link in garbage.links:
        _print(console, f"[yellow]{escape(link)} is a link: what lies behind it is left alone.[/]")
    if not garbage.items:
        _print(console, "Nothing to remove: a kept manifest names everything.")
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("kind", "number", "MB", "such as"):
        table.add_column(heading, justify="right" if heading in ("number", "MB") else "left")
    for kind in dict.fromkeys(item.kind for item in garbage.items):
        items = [item for item in garbage.items if item.kind == kind]
        names = ", ".join(item.path for item in items[:_N_EXAMPLES])
        more = ", …" if len(items) > _N_EXAMPLES else ""
        n_bytes = sum(item.n_bytes for item in items)
        table.add_row(kind, f"{len(items):,}", f"{n_bytes / 1e6:,.1f}", escape(names + more))
    console.print(table)
    said = f"{len(garbage.items):,} items, {garbage.n_bytes / 1e6:,.1f} MB"
    _print(console, f"Removed: {said}." if deleted else f"{said} would go; --delete removes them.")


def _print(console: Console, line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True)
