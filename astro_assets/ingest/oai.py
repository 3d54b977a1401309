"""A harvest: every record of a list, held against the server's own list until nothing is missing.

A list takes minutes and arXiv goes on changing: a paper edited meanwhile moves to the list's end,
every later page shifts by one, and one record is lost without a word. So a harvest goes in rounds::

    list from the first day ──▶ ┌ audit: ListIdentifiers against what is held; what is missing or
                                │        older is fetched by GetRecord
                                └ list again from the day the harvest began: what changed meanwhile
                                                    │ until a round finds nothing new
                                                    ▼ end

Every page is kept as it came (``oai_journal``), so a harvest killed anywhere goes on after the last
one. The same paper may come several times; the latest day of change counts, then the higher
version, then what came later (``warehouse`` merges). Does not belong here: requests
(``oai_http``), the order of pages (``oai_walk``), which windows a release needs (``windows``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import msgspec
import pyarrow as pa

from astro_assets.artifacts import fingerprint
from astro_assets.artifacts.manifest import Built
from astro_assets.errors import HarvestError, MissingArtifactError
from astro_assets.ingest.oai_http import PageError, Requester
from astro_assets.ingest.oai_journal import Beginning, Ending, Journal, KeptPage
from astro_assets.ingest.oai_walk import Cursor, Listing, Step, ask, walk
from astro_assets.ingest.oai_xml import Header, Page, ProtocolError, parse_headers, parse_page
from astro_assets.ingest.records import Record, to_batch
from astro_assets.months import Month
from astro_assets.progress import Progress, Task

OVERLAP = timedelta(days=2)
EARLIEST = date(2005, 9, 16)
"""Before this day arXiv's server refuses ``from``."""
MAX_ROUNDS = 10
MAX_SINGLE_RECORDS = 2_500
"""Fetched one by one in a round (two hours); more are listed again."""
_MAX_TRIES_OF_A_RECORD = 4
_MAX_UNREADABLE_SHOWN = 100
MAX_SILENCE = timedelta(days=7)
"""arXiv never stands still so long; a window that seems to is not complete yet."""


@dataclass(frozen=True)
class Order:
    """What to harvest."""

    name: str
    asked_from: date
    subject: str | None = None
    """An OAI-PMH set; None: all of arXiv."""
    through: date | None = None
    """The day up to which there must be changes; None: as they come."""

    @classmethod
    def of_window(cls, month: Month) -> Order:
        """Return the order for what changed since a month began.

        Without ``until`` and without a set: a paper that leaves a subject leaves its set too. The
        two days before the month are there because a harvest's last day is never complete.
        """
        first = max(month.start.date() - OVERLAP, EARLIEST)
        return cls(str(month), first, through=month.end.date() - timedelta(days=1))


def harvest(order: Order, folder: Path, requester: Requester, *, progress: Progress) -> Built:
    """Harvest what was ordered, or go on with it, to the end.

    Returns:
        The folder; its fingerprint is over the pages' sha256 in order.

    Raises:
        HarvestError: no answer, no OAI-PMH, nothing yet, another harvest's folder. Pages are kept.
        BadSettingError: turns at the server cannot be taken.
        DamagedArtifactError: the journal cannot be read.
    """
    journal = Journal.read(folder).without_damage()
    _refuse_other(journal, order)
    if journal.ending is None:
        with progress.task(f"harvest {order.name}", unit="pages") as task:
            _Harvest(order, journal, requester, task).to_the_end()
    return built(journal)


def held_harvest(folder: Path) -> Built | None:
    """Return a harvest that came to its end and is whole, else None; asks nobody.

    Raises:
        DamagedArtifactError: the journal cannot be read.
    """
    journal = Journal.read(folder)
    return built(journal) if journal.ending is not None and journal.is_whole() else None


def harvest_fingerprint(folder: Path) -> str:
    """Return the fingerprint of a harvest by its journal; its pages are not read.

    Raises:
        MissingArtifactError: it did not come to its end.
    """
    return built(_ended(folder)).fingerprint


def read_window(folder: Path) -> Iterator[pa.RecordBatch]:
    """Yield the records of a harvest, one batch of RECORD_SCHEMA a page, in the order they came.

    Raises:
        MissingArtifactError: it did not come to its end.
        DamagedArtifactError: a page is gone or is not what the server sent.
    """
    return map(to_batch, read_records(folder))


def read_records(folder: Path) -> Iterator[list[Record]]:
    """Yield the records of a harvest page by page; raises as ``read_window``."""
    journal = _ended(folder)
    for kept in journal.pages:
        yield journal.read_page(kept).records


def _ended(folder: Path) -> Journal:
    journal = Journal.read(folder)
    if journal.ending is None:
        raise MissingArtifactError(
            f"The harvest in {folder} has not come to its end.",
            do="Materialise arxiv_updates for its month (or arxiv_snapshot) again.",
        )
    return journal


class _Harvest:
    """One harvest under way."""

    def __init__(self, order: Order, journal: Journal, requester: Requester, task: Task) -> None:
        self._order, self._journal = order, journal
        self._requester, self._task = requester, task
        self._records = Listing("ListRecords", parse_page, order.subject)
        self._headers = Listing("ListIdentifiers", parse_headers, order.subject)
        self._held: dict[str, tuple[str, bytes]] = {}
        for kept in journal.pages:
            self._hold(journal.read_page(kept))

    def to_the_end(self) -> None:
        """List what is not listed yet, then go round until nothing is new."""
        if self._journal.beginning is None:
            name, subject = self._order.name, self._order.subject
            asked_from = self._order.asked_from.isoformat()
            self._journal.begin(Beginning(name, asked_from, subject, self._now()))
        cursor = self._listed_up_to()
        if cursor is not None:
            self._list(cursor)
        changed_since = self._first_day()
        for _ in range(MAX_ROUNDS):
            complete_at = self._now()
            n_missing = self._audit()
            n_pages = len(self._journal.pages)
            n_new = self._list(
                Cursor(changed_since), may_be_empty=max(self._days(), default="") < changed_since
            )
            if not n_missing and not n_new:
                self._end(complete_at)
                return
            changed_since = _day_of(self._journal.pages[n_pages:][:1]) or changed_since
        raise HarvestError(
            f"The harvest {self._order.name} found something new in each of {MAX_ROUNDS} rounds.",
            expected="an hour in which arXiv stands still.",
            do="Run again later: whole pages are kept.",
        )

    def _listed_up_to(self) -> Cursor | None:
        """Return where the list goes on, or None if it was listed to its end."""
        listed = [p for p in self._journal.pages if p.request.startswith("verb=ListRecords")]
        if not listed:
            return Cursor(self._order.asked_from.isoformat())
        if listed[-1].next_token is None:
            return None
        newest = max(p.newest for p in listed)
        return Cursor(newest or self._order.asked_from.isoformat(), listed[-1].next_token)

    def _list(self, cursor: Cursor, *, may_be_empty: bool = False) -> int:
        """Keep page after page from a cursor on; return how many records were new."""
        pages = walk(
            self._records, cursor, self._requester, may_be_empty=may_be_empty, may_skip=True
        )
        return sum(self._keep(step) for step in pages)

    def _audit(self) -> int:
        """Compare the server's list with what is held; fetch and count what is missing or older."""
        start = Cursor(self._order.asked_from.isoformat())
        listed = {
            header.id: header
            for step in walk(self._headers, start, self._requester)
            for header in step.page.headers
        }
        missing = [header for header in listed.values() if self._lacks(header)]
        self._journal.note_audit(at=self._now(), n_listed=len(listed), n_missing=len(missing))
        if len(missing) > MAX_SINGLE_RECORDS:
            self._list(Cursor(min(header.datestamp for header in missing)))
        else:
            for header in missing:
                self._fetch(header)
        return len(missing)

    def _lacks(self, header: Header) -> bool:
        held = self._held.get(header.id)
        return (held is None or held[0] < header.datestamp) and not self._is_unreadable(header.id)

    def _is_unreadable(self, paper: str) -> bool:
        return paper in self._journal.unreadable

    def _fetch(self, header: Header) -> None:
        """Fetch one paper; one the server lists and cannot give is written down."""
        identifier = quote(f"oai:arXiv.org:{header.id}", safe="")
        query = f"verb=GetRecord&identifier={identifier}&metadataPrefix=arXivRaw"
        for n_failures in range(1, _MAX_TRIES_OF_A_RECORD + 1):
            try:
                step = ask(query, parse_page, self._requester)
            except ProtocolError as error:
                if error.code not in ("idDoesNotExist", "cannotDisseminateFormat"):
                    raise
                self._requester.wait(n_failures)  # error answers are cached, and may be old
            except PageError:
                break
            else:
                self._keep(step)
                break
        if self._lacks(header):
            self._journal.note_unreadable(header.id)

    def _keep(self, step: Step[Page]) -> int:
        """Keep a page; return how many of its records are new or other than those held."""
        self._journal.keep(step.data, step.page, request=step.query, at=self._now())
        n_new = self._hold(step.page)
        self._task.advance(
            1, papers=f"{len(self._held):,}", through=max(self._days(step.page), default="–")
        )
        return n_new

    def _hold(self, page: Page) -> int:
        n_new = 0
        for record in page.records:
            digest = hashlib.blake2b(msgspec.json.encode(record), digest_size=16).digest()
            day, before = record.datestamp or "", self._held.get(record.id)
            if before is None or (day >= before[0] and before != (day, digest)):
                self._held[record.id] = day, digest
                n_new += 1
        return n_new

    def _end(self, complete_at: str) -> None:
        """Write down that the harvest is complete, if it can be.

        Raises:
            HarvestError: nothing changed for days: the server does not tell all yet.
        """
        newest, through = max(self._days()), self._order.through
        if through is not None and date.fromisoformat(newest) < through - MAX_SILENCE:
            raise HarvestError(
                f"The server knows of no change after {newest}, asked for {self._order.name}.",
                expected=f"changes up to {through}.",
                do="Run again later: the pages are kept, and the harvest asks for what is new.",
            )
        self._journal.end(Ending(complete_at, self._now(), len(self._held), newest))

    def _first_day(self) -> str:
        """Return the server's day when the harvest began: from there, things may have changed."""
        return _day_of(self._journal.pages[:1]) or self._order.asked_from.isoformat()

    def _days(self, page: Page | None = None) -> list[str]:
        return [day for day, _ in self._held.values()] if page is None else page.datestamps

    def _now(self) -> str:
        return _utc(self._requester.now)


def _refuse_other(journal: Journal, order: Order) -> None:
    begun = journal.beginning
    if begun is not None and (begun.name, begun.subject) != (order.name, order.subject):
        raise HarvestError(
            f"{journal.folder} holds the harvest {begun.name}, not {order.name}.",
            expected="a folder of its own for each harvest.",
        )


def built(journal: Journal) -> Built:
    """Return what a harvest that came to its end has brought."""
    pages, begun, ending = journal.pages, journal.beginning, journal.ending
    assert begun is not None and ending is not None, "asked of a harvest that has not ended"
    n_records = journal.n_records
    return Built(
        fingerprint=fingerprint.of_value([kept.sha256 for kept in pages]),
        path=journal.folder.absolute(),
        counts={
            "n_pages": len(pages),
            "n_records": n_records,
            "n_papers": ending.n_papers,
            "n_repeated": n_records - ending.n_papers,
            "n_deleted": sum(kept.n_deleted for kept in pages),
            "n_broken": sum(kept.n_broken for kept in pages),
            "n_repaired_characters": sum(kept.n_repaired for kept in pages),
            "n_recovered": sum(kept.request.startswith("verb=GetRecord") for kept in pages),
            "n_unreadable": len(journal.unreadable),
            "n_rounds": len(journal.audits),
        },
        files={kept.file: kept.file_sha256 for kept in pages},
        facts={
            "window": begun.name,
            "from": begun.asked_from,
            "harvested_at": ending.complete_at,
            "ended_at": ending.at,
            "newest": ending.newest,
            "unreadable": sorted(journal.unreadable)[:_MAX_UNREADABLE_SHOWN],
        },
    )


def _day_of(pages: list[KeptPage]) -> str:
    """Return the server's day when the first of some pages came; empty where it does not say."""
    day = pages[0].response_date[:10] if pages else ""
    try:
        return date.fromisoformat(day).isoformat()
    except ValueError:
        return ""


def _utc(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
