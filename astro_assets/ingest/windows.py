"""Which harvest windows a release needs, which are held, and harvesting what is missing.

A window is asked without ``until``, so one harvest from the first missing month holds everything
since: missing months cost one harvest, not one each. What does not belong here: the pages of a
window (``oai``) and what a release makes of them (``warehouse``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import httpx

from astro_assets.artifacts import fingerprint
from astro_assets.artifacts.manifest import Built
from astro_assets.ingest.oai import Order
from astro_assets.ingest.oai import harvest as harvest_order
from astro_assets.ingest.oai_held import held_harvest
from astro_assets.ingest.oai_http import TIMEOUT, Requester
from astro_assets.ingest.oai_pace import Pace
from astro_assets.months import Month
from astro_assets.progress import Progress

Harvest = Callable[[Month, Path], Built]
"""Harvests the window that begins with a month into a folder."""


@dataclass(frozen=True)
class Coverage:
    """The windows a release is made from."""

    windows: tuple[Built, ...]
    """In the order they were completed."""
    missing: tuple[Month, ...]
    """Months it needs that no window covers."""


def needed_months(vintage: date, release: Month) -> list[Month]:
    """Return the months whose changes the snapshot may lack: from its vintage to the release.

    >>> [str(m) for m in needed_months(date(2026, 5, 20), Month(2026, 6))]
    ['2026-05', '2026-06']
    >>> needed_months(date(2026, 7, 1), Month(2026, 6))
    []
    """
    return list(Month.of(vintage).through(release))


def cover(folder: Path, needed: list[Month]) -> Coverage:
    """Choose, from the windows held in ``folder``, those that cover the needed months.

    A window covers the months from its own to the last that had ended when it was harvested. Of
    several the one harvested first is taken, so that later harvests do not change old releases.
    """
    held = [held_harvest(path) for path in sorted(folder.glob("????-??"))]
    windows = [window for window in held if window is not None]
    chosen: list[Built] = []
    missing: list[Month] = []
    for month in needed:
        covering = [window for window in windows if _covers(window, month)]
        if not covering:
            missing.append(month)
        elif (first := min(covering, key=_harvested)) not in chosen:
            chosen.append(first)
    chosen.sort(key=lambda window: str(window.facts["harvested_at"]))
    return Coverage(tuple(chosen), tuple(missing))


def build_updates(
    vintage: date,
    release: Month,
    folder: Path,
    *,
    harvest: Harvest | None,
) -> Built:
    """List the windows of a release, harvesting the missing ones first where that is allowed.

    Args:
        vintage: The day the snapshot was made.
        release: The release month.
        folder: Where all windows lie.
        harvest: How to harvest, or None where the network is not to be asked.

    Returns:
        Facts: windows (folder names), missing (months), updates_through (month), text_vintage (the
        newest day any text is from).

    Raises:
        HarvestError: the server did not give the window; what came is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    needed = needed_months(vintage, release)
    coverage = cover(folder, needed)
    if coverage.missing and harvest is not None:
        first = coverage.missing[0]
        harvest(first, folder / str(first))
        coverage = cover(folder, needed)
    days = [vintage, *(_ended(window).date() for window in coverage.windows)]
    through = coverage.missing[0].plus(-1) if coverage.missing else release
    return Built(
        fingerprint=fingerprint.of_value(
            [[window.path.name, window.fingerprint] for window in coverage.windows]
        ),
        path=folder,
        counts={
            "n_windows": len(coverage.windows),
            **{
                name: sum(window.counts[name] for window in coverage.windows)
                for name in ("n_records", "n_papers", "n_recovered", "n_unreadable")
            },
        },
        files={
            f"{window.path.name}/{name}": digest
            for window in coverage.windows
            for name, digest in window.files.items()
        },
        facts={
            "windows": [window.path.name for window in coverage.windows],
            "missing": [str(month) for month in coverage.missing],
            "updates_through": str(through),
            "text_vintage": max(days).isoformat(),
        },
    )


def network_harvest(base_url: str, contact: str, progress: Progress) -> Harvest:
    """Return a harvest of windows that asks an OAI-PMH server over the network."""

    def harvest(month: Month, folder: Path) -> Built:
        with open_requester(base_url, contact) as requester:
            return harvest_order(Order.of_window(month), folder, requester, progress=progress)

    return harvest


@contextmanager
def open_requester(base_url: str, contact: str) -> Iterator[Requester]:
    """Open the one connection a harvest asks over, at the pace of the whole machine.

    Raises:
        BadSettingError: the address or the contact cannot be used.
    """
    with httpx.Client(timeout=TIMEOUT, limits=httpx.Limits(max_connections=1)) as client:
        yield Requester(base_url, contact=contact, client=client, pace=Pace.of(base_url))


def _covers(window: Built, month: Month) -> bool:
    return Month.parse(window.path.name) <= month and _harvested(window) >= month.end


def _harvested(window: Built) -> datetime:
    return datetime.fromisoformat(window.facts["harvested_at"])


def _ended(window: Built) -> datetime:
    return datetime.fromisoformat(window.facts["ended_at"])
