"""What tests of the harvester share: a harvest against the fake server, and what it brought."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from astro_assets.artifacts.manifest import Built
from astro_assets.ingest.oai import Order, harvest
from astro_assets.ingest.oai_held import read_records
from astro_assets.ingest.oai_http import Requester
from astro_assets.ingest.oai_pace import Pace
from astro_assets.ingest.records import Record
from astro_assets.months import Month
from astro_assets.progress import NO_PROGRESS
from tests.builders import record
from tests.fakes.arxiv_oai import FakeArxiv
from tests.fakes.clock import FakeClock

JUNE = Month(2026, 6)


def paper(number: int, day: str, **fields: Any) -> dict[str, Any]:
    """Return a record of the server, changed on a day of 2026 given as ``06-15``."""
    return {**record(f"2606.{number:05d}", **fields), "datestamp": f"2026-{day}"}


@contextmanager
def asking(url: str, folder: Path, time: FakeClock, *, seed: int = 0) -> Iterator[Requester]:
    """Open a requester whose clock only waiting moves; it takes turns through a file in folder."""
    with httpx.Client(timeout=httpx.Timeout(5.0, read=0.25)) as client:
        pace = Pace(folder / "turns.pace", time.clock, time.sleep)
        yield Requester(
            url, contact="me@example.org", client=client, pace=pace, jitter=random.Random(seed)
        )


def harvest_june(
    fake: FakeArxiv, folder: Path, time: FakeClock, *, month: Month = JUNE, seed: int = 0
) -> Built:
    """Harvest a window from a fake server."""
    with asking(fake.url, folder.parent, time, seed=seed) as requester:
        return harvest(Order.of_window(month), folder, requester, progress=NO_PROGRESS)


def merged(folder: Path) -> dict[str, Record]:
    """Return what a harvest holds of each paper: latest day, then higher version, then later."""
    held: dict[str, Record] = {}
    for records in read_records(folder):
        for one in records:
            before = held.get(one.id)
            if before is None or _rank(one) >= _rank(before):
                held[one.id] = one
    return held


def _rank(one: Record) -> tuple[str, int]:
    return one.datestamp or "", len(one.versions or ())
