"""A snapshot without an account anywhere: all of astro-ph by OAI-PMH, and a sample of the rest.

All of ``physics:astro-ph`` is harvested from the first day arXiv's server knows, audited like any
harvest (about 180 pages of 2,500); of every other field one page from each of a few days, which is
what forgetting is measured on (about 70 pages). Then the records are written into one file in
Kaggle's form, which is the snapshot; the pages stay beside it. Belongs here: which lists make a
snapshot. Does not belong here: how a list is harvested (``oai``).
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec

from astro_assets.artifacts import atomic
from astro_assets.errors import HarvestError, MissingArtifactError
from astro_assets.ingest.oai import EARLIEST, Order, harvest, held_harvest, read_records
from astro_assets.ingest.oai_http import PageError, Requester
from astro_assets.ingest.oai_journal import Beginning, Ending, Journal
from astro_assets.ingest.oai_walk import Cursor, Listing, ask
from astro_assets.ingest.oai_xml import ProtocolError, parse_page
from astro_assets.progress import Progress

KIND = "oai"
FILE = "arxiv-oai.jsonl.gz"
ASTRO = "physics:astro-ph"
GENERAL_SETS = (
    "cs", "econ", "eess", "math", "q-bio", "q-fin", "stat",
    "physics:cond-mat", "physics:gr-qc", "physics:hep-ex", "physics:hep-lat", "physics:hep-ph",
    "physics:hep-th", "physics:math-ph", "physics:nlin", "physics:nucl-ex", "physics:nucl-th",
    "physics:physics", "physics:quant-ph",
)  # fmt: skip
"""Every field of arXiv but astro-ph, as OAI-PMH sets."""
GENERAL_FROM = (date(2007, 6, 1), date(2012, 6, 1), date(2017, 6, 1), date(2022, 6, 1))
"""One page of each set from each of these days: old texts and new."""
_GZIP_LEVEL = 6


@dataclass(frozen=True)
class HarvestedSnapshot:
    """A snapshot made of harvested pages."""

    path: Path
    vintage: str
    """The day up to which nothing is missing, ISO."""


def newest_folder(folder: Path) -> Path | None:
    """Return the newest harvest begun in a folder, or None."""
    return max(folder.glob(f"{KIND}-????-??-??"), default=None)


def finished(folder: Path | None) -> HarvestedSnapshot | None:
    """Return the snapshot a harvest's folder holds, if it came to its end."""
    if folder is None or not (folder / FILE).is_file():
        return None
    astro = Journal.read(folder / "astro-ph")
    if astro.ending is None:
        return None
    return HarvestedSnapshot(folder / FILE, astro.ending.complete_at[:10])


def harvest_snapshot(
    folder: Path, requester: Requester, *, progress: Progress
) -> HarvestedSnapshot:
    """Harvest a snapshot into a folder, or go on with it; a harvest killed anywhere is resumed.

    Raises:
        HarvestError: the server did not give it; the pages that came are kept.
    """
    order = Order("astro-ph", EARLIEST, subject=ASTRO)
    harvest(order, folder / "astro-ph", requester, progress=progress)
    harvest_sample(folder / "general", requester, progress=progress)
    _write(folder, progress=progress)
    made = finished(folder)
    assert made is not None, f"{folder} is not finished right after it was written"
    return made


def harvest_sample(folder: Path, requester: Requester, *, progress: Progress) -> None:
    """Fetch one page of each field from each of a few days; pages that are kept are not asked for.

    Raises:
        HarvestError: the server does not answer, or gave none of the pages.
    """
    journal = Journal.read(folder).without_damage()
    if journal.ending is not None:
        return
    if journal.beginning is None:
        first = min(GENERAL_FROM).isoformat()
        journal.begin(Beginning("general sample", first, None, _now(requester)))
    queries = _sample_queries()
    with progress.task("harvest general sample", total=len(queries), unit="pages") as task:
        kept = {page.request for page in journal.pages}
        for query in queries:
            if query not in kept:
                _keep_page(query, journal, requester)
            task.advance(1, records=f"{journal.n_records:,}")
    if not journal.pages:
        raise HarvestError(
            "The server gave no page of any field but astro-ph.",
            expected=f"records of {', '.join(GENERAL_SETS[:3])}, … for the general side.",
            do="Run again later: the astro-ph pages are kept.",
        )
    newest = max(page.newest for page in journal.pages)
    at = _now(requester)
    journal.end(Ending(at, at, journal.n_records, newest))


def _keep_page(query: str, journal: Journal, requester: Requester) -> None:
    """Keep one page of a sample; one that cannot be had is left out: another says as much."""
    try:
        step = ask(query, parse_page, requester)
    except PageError:
        return
    except ProtocolError as error:
        if error.code != "noRecordsMatch":
            raise
        return
    journal.keep(step.data, step.page, request=query, at=_now(requester))


def _sample_queries() -> list[str]:
    return [
        Listing("ListRecords", parse_page, subject).query(Cursor(day.isoformat()))
        for subject in GENERAL_SETS
        for day in GENERAL_FROM
    ]


def _write(folder: Path, *, progress: Progress) -> None:
    """Write all records as JSON Lines, in the order they came: equal pages give equal bytes."""
    with (
        progress.task("write snapshot", unit="records") as task,
        atomic.replacing(folder / FILE) as temporary,
        temporary.open("wb") as raw,
        gzip.GzipFile("", "wb", _GZIP_LEVEL, raw, mtime=0) as out,
    ):
        for page in _lines(folder):
            out.write(b"".join(page))
            task.advance(len(page))


def _lines(folder: Path) -> Iterator[list[bytes]]:
    for name in ("astro-ph", "general"):
        if held_harvest(folder / name) is None:
            raise MissingArtifactError(
                f"The harvest in {folder / name} is not whole.",
                do="Materialise arxiv_snapshot again: it harvests what is missing.",
            )
        for records in read_records(folder / name):
            yield [msgspec.json.encode(record) + b"\n" for record in records]


def _now(requester: Requester) -> str:
    return requester.now.isoformat(timespec="seconds")
