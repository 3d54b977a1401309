"""A snapshot without an account anywhere: all of astro-ph by OAI-PMH, and a sample of the rest.

All of ``physics:astro-ph`` is harvested from the first day arXiv's server knows, audited like any
harvest (about 180 pages of 2,500); of every other field one page from each of a few days, which is
what forgetting is measured on (about 70 pages). Then the records are written into one file in
Kaggle's form, which is the snapshot; the pages stay beside it. A page of the sample that cannot be
had in two calls is left out and counted. Belongs here: which lists make a snapshot. Does not belong
here: how a list is harvested (``oai``).
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import msgspec

from astro_assets.artifacts import atomic
from astro_assets.errors import HarvestError, MissingArtifactError
from astro_assets.ingest.oai import EARLIEST, Order, harvest
from astro_assets.ingest.oai_held import built, held_harvest, read_records
from astro_assets.ingest.oai_http import PageError, Requester
from astro_assets.ingest.oai_journal import Beginning, Ending, Journal
from astro_assets.ingest.oai_walk import Cursor, Listing, Step, ask
from astro_assets.ingest.oai_xml import Page, ProtocolError, parse_page
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
_FAILED = "failed.txt"
"""Beside the sample's pages: queries that failed in an earlier call, one on a line."""
_MAX_EMPTY_ANSWERS = 3
_TOLD = ("n_pages", "n_papers", "n_unreadable", "n_broken", "n_recovered", "n_repaired_characters")


@dataclass(frozen=True)
class HarvestedSnapshot:
    """A snapshot made of harvested pages."""

    path: Path
    vintage: str
    """The day up to which nothing is missing, ISO."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """What its two harvests brought, added up, and ``n_left_out``: pages the sample lacks."""


def newest_finished(folder: Path) -> HarvestedSnapshot | None:
    """Return the newest snapshot in a folder whose harvest came to its end, or None."""
    made = map(finished, sorted(folder.glob(f"{KIND}-????-??-??"), reverse=True))
    return next((one for one in made if one is not None), None)


def newest_folder(folder: Path) -> Path | None:
    """Return the newest harvest begun in a folder, or None."""
    return max(folder.glob(f"{KIND}-????-??-??"), default=None)


def finished(folder: Path | None) -> HarvestedSnapshot | None:
    """Return the snapshot a harvest's folder holds, if it came to its end."""
    if folder is None or not (folder / FILE).is_file():
        return None
    astro, general = Journal.read(folder / "astro-ph"), Journal.read(folder / "general")
    if astro.ending is None or general.ending is None:
        return None
    counts = Counter({"n_left_out": len(_lacking(general)), **dict.fromkeys(_TOLD, 0)})
    for harvested in (built(astro), built(general)):
        counts.update({name: harvested.counts[name] for name in _TOLD})
    return HarvestedSnapshot(folder / FILE, astro.ending.complete_at[:10], dict(counts))


def harvest_snapshot(
    folder: Path, requester: Requester, *, progress: Progress
) -> HarvestedSnapshot:
    """Harvest a snapshot into a folder, or go on with it; a harvest killed anywhere is resumed.

    Raises:
        HarvestError: the server did not give it, or there is no room for it; the pages that came
            are kept.
    """
    order = Order("astro-ph", EARLIEST, subject=ASTRO)
    try:
        harvest(order, folder / "astro-ph", requester, progress=progress)
        harvest_sample(folder / "general", requester, progress=progress)
        _write(folder, progress=progress)
    except OSError as error:
        raise HarvestError(
            f"{folder} cannot be written: {error.strerror or error}.",
            expected="room for the pages of a harvest and one file of what they hold.",
            do="Make room and run again: whole pages are kept.",
        ) from error
    made = finished(folder)
    assert made is not None, f"{folder} is not finished right after it was written"
    return made


def harvest_sample(folder: Path, requester: Requester, *, progress: Progress) -> None:
    """Fetch one page of each field from each of a few days; pages that are kept are not asked for.

    A page that cannot be had is asked for again by the next call; if it fails then too, or if there
    is nothing to be had, it is left out.

    Raises:
        HarvestError: the server does not answer, or did not give pages it may give to the next
            call, or gave none of the pages.
    """
    journal = Journal.read(folder).without_damage()
    if journal.ending is not None:
        return
    if journal.beginning is None:
        first = min(GENERAL_FROM).isoformat()
        journal.begin(Beginning("general sample", first, None, _now(requester)))
    failed = _fetch_sample(journal, requester, progress=progress)
    if failed:
        raise HarvestError(
            f"{failed:,} of {len(_sample_queries())} pages of the general sample could not be had.",
            expected="every page; one that fails in the next call too is left out.",
            do="Run again later: the pages that came are kept.",
        )
    if not journal.pages:
        raise HarvestError(
            "The server gave no page of any field but astro-ph.",
            expected=f"records of {', '.join(GENERAL_SETS[:3])}, … for the general side.",
            do="Run again later: the astro-ph pages are kept.",
        )
    newest = max(page.newest for page in journal.pages)
    at = _now(requester)
    journal.end(Ending(at, at, journal.n_records, newest))


def _fetch_sample(journal: Journal, requester: Requester, *, progress: Progress) -> int:
    """Keep the pages that are not kept yet; return how many failed that never failed before."""
    note = journal.folder / _FAILED
    before = set(note.read_text("ascii", "replace").splitlines()) if note.is_file() else set()
    failed: list[str] = []
    queries = _lacking(journal)
    with progress.task("harvest general sample", total=len(queries), unit="pages") as task:
        for query in queries:
            try:
                step = _page(query, requester)
            except PageError:
                # is it this page, or is the server ill? Raises in the second case.
                requester.get("verb=Identify")
                failed.append(query)
                # at once: a killed call has asked too
                atomic.write_text(note, "\n".join(sorted({*before, *failed})), durable=True)
            else:
                if step is not None:
                    journal.keep(step.data, step.page, request=query, at=_now(requester))
            task.advance(1, records=f"{journal.n_records:,}")
    return len(set(failed) - before)


def _page(query: str, requester: Requester) -> Step[Page] | None:
    """Return a page of the sample, or None where the server says again and again: no records."""
    for n_failures in range(1, _MAX_EMPTY_ANSWERS + 1):
        try:
            return ask(query, parse_page, requester)
        except ProtocolError as error:
            if error.code != "noRecordsMatch":
                raise
        if n_failures < _MAX_EMPTY_ANSWERS:
            requester.wait(n_failures)  # error answers are cached, and may be old
    return None


def _lacking(journal: Journal) -> list[str]:
    """Return the sample's queries whose page is not kept."""
    kept = {page.request for page in journal.pages}
    return [query for query in _sample_queries() if query not in kept]


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
