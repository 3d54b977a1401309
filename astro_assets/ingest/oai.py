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
import math
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import msgspec

from astro_assets.artifacts.manifest import Built
from astro_assets.errors import HarvestError
from astro_assets.ingest.oai_held import built
from astro_assets.ingest.oai_http import PageError, Requester
from astro_assets.ingest.oai_journal import Beginning, Ending, Journal, KeptPage
from astro_assets.ingest.oai_walk import Cursor, Listing, Step, ask, walk
from astro_assets.ingest.oai_xml import Header, Page, ProtocolError, parse_headers, parse_page
from astro_assets.months import Month, newest_ended
from astro_assets.progress import Progress, Task

OVERLAP = timedelta(days=2)
EARLIEST = date(2005, 9, 16)
"""Before this day arXiv's server refuses ``from``."""
MAX_ROUNDS = 10
MAX_SINGLE_RECORDS = 2_500
"""Fetched one by one (two hours); more are listed again first, for as long as that helps."""
MAX_UNREADABLE_SHARE = 0.01
"""Of the papers listed; a server that cannot give more is not well."""
_MAX_FAILURES_OF_A_RECORD = 2
MAX_SILENCE = timedelta(days=7)
"""arXiv never stands still so long; a window that seems to is not complete yet."""


@dataclass(frozen=True)
class Order:
    """What to harvest."""

    name: str
    asked_from: date
    subject: str | None = None
    """An OAI-PMH set; None: all of arXiv."""
    window: Month | None = None
    """The month it is the window of: it must have ended, and changes must come up to its end."""

    @classmethod
    def of_window(cls, month: Month) -> Order:
        """Return the order for what changed since a month began.

        Without ``until`` and without a set: a paper that leaves a subject leaves its set too. The
        two days before the month are there because a harvest's last day is never complete.
        """
        first = max(month.start.date() - OVERLAP, EARLIEST)
        return cls(str(month), first, window=month)


def harvest(order: Order, folder: Path, requester: Requester, *, progress: Progress) -> Built:
    """Harvest what was ordered, or go on with it, to the end.

    Returns:
        The folder; its fingerprint is over the pages' sha256 in order.

    Raises:
        HarvestError: no answer, no OAI-PMH, nothing yet, another harvest's folder, no room on the
            disk. Pages are kept.
        BadSettingError: turns at the server cannot be taken.
        DamagedArtifactError: the journal cannot be read.
    """
    try:
        journal = Journal.read(folder).without_damage()
        _refuse_other(journal, order)
        if journal.ending is None:
            with progress.task(f"harvest {order.name}", unit="pages") as task:
                _Harvest(order, journal, requester, task).to_the_end()
        return built(journal)
    except OSError as error:
        raise HarvestError(
            f"{folder} cannot be written: {error.strerror}.",
            expected="room for the pages of a harvest.",
            do="Make room and run again: whole pages are kept.",
        ) from error


class _Harvest:
    """One harvest under way."""

    def __init__(self, order: Order, journal: Journal, requester: Requester, task: Task) -> None:
        self._order, self._journal = order, journal
        self._requester, self._task = requester, task
        self._records = Listing("ListRecords", parse_page, order.subject)
        self._headers = Listing("ListIdentifiers", parse_headers, order.subject)
        self._held: dict[str, tuple[str, bytes]] = {}
        self._n_failures: Counter[str] = Counter()
        """Id -> how often it could not be had, though the server was well."""
        self._n_before_relisting = 0
        self._listed: dict[str, Header] = {}
        """What the last audit was told."""
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
            complete_at, n_missing = self._audit()
            n_pages = len(self._journal.pages)
            n_new = self._list(
                Cursor(changed_since), may_be_empty=max(self._days(), default="") < changed_since
            )
            if not n_missing and not n_new:
                self._end(complete_at)
                return
            changed_since = self._day_of(self._journal.pages[n_pages:][:1]) or changed_since
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

    def _audit(self) -> tuple[datetime, int]:
        """Compare the server's list with what is held; fetch what is missing or older.

        Returns:
            The instant up to which the list was complete, and how many papers were missing.
        """
        listed: dict[str, Header] = {}
        self._listed = listed
        complete_at = self._requester.now
        start = Cursor(self._order.asked_from.isoformat())
        for step in walk(self._headers, start, self._requester):
            if not listed:
                # whichever clock is behind: a month must have ended by both
                complete_at = min(complete_at, _instant(step.page.response_date) or complete_at)
            listed.update((header.id, header) for header in step.page.headers)
        missing = [header for header in listed.values() if self._lacks(header)]
        self._journal.note_audit(at=self._now(), n_listed=len(listed), n_missing=len(missing))
        # a list that helped little the last time runs into the same bad page again
        helps = len(missing) < 0.9 * (self._n_before_relisting or math.inf)
        if len(missing) > MAX_SINGLE_RECORDS and helps:
            self._n_before_relisting = len(missing)
            self._list(Cursor(min(header.datestamp for header in missing)))
        else:
            for header in missing:
                self._fetch(header, n_listed=len(listed))
        return complete_at, len(missing)

    def _holds(self, header: Header) -> bool:
        held = self._held.get(header.id)
        return held is not None and held[0] >= header.datestamp

    def _lacks(self, header: Header) -> bool:
        may_come = self._n_failures[header.id] < _MAX_FAILURES_OF_A_RECORD
        return may_come and not self._holds(header)

    def _unreadable(self) -> list[str]:
        """Return the ids of papers that could not be had as they are now, however often asked."""
        return sorted(
            paper
            for paper, n in self._n_failures.items()
            if n >= _MAX_FAILURES_OF_A_RECORD
            and paper in self._listed
            and not self._holds(self._listed[paper])
        )

    def _fetch(self, header: Header, *, n_listed: int) -> None:
        """Fetch one paper; one the server lists and cannot give is tried again next round."""
        identifier = quote(f"oai:arXiv.org:{header.id}", safe="")
        query = f"verb=GetRecord&identifier={identifier}&metadataPrefix=arXivRaw"
        try:
            self._keep(ask(query, parse_page, self._requester))
        except ProtocolError as error:
            if error.code not in ("idDoesNotExist", "cannotDisseminateFormat"):
                raise
        except PageError:
            # is it this paper, or is the server ill? Raises in the second case.
            self._requester.get("verb=Identify")
        if self._lacks(header):
            self._n_failures[header.id] += 1
            if len(self._unreadable()) > max(1, MAX_UNREADABLE_SHARE * n_listed):
                raise HarvestError(
                    f"More than {MAX_UNREADABLE_SHARE:.0%} of the {n_listed:,} papers of "
                    f"{self._order.name} cannot be had, among them {header.id}.",
                    expected="a server that gives what it lists.",
                    do="Run again later: the pages are kept.",
                )

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

    def _end(self, complete_at: datetime) -> None:
        """Write down that the harvest is complete, if it can be.

        Raises:
            HarvestError: nothing was had, the month has not ended, or nothing changed for days: the
                server does not tell all yet.
        """
        newest = max(self._days(), default="")
        if self._order.window is not None:
            _refuse_early(self._order.window, complete_at, newest)
        elif not newest:
            raise _later(f"The server gave no record of {self._order.name}.", "records.")
        n_papers, unreadable = len(self._held), tuple(self._unreadable())
        self._journal.end(Ending(_utc(complete_at), self._now(), n_papers, newest, unreadable))

    def _first_day(self) -> str:
        """Return the server's day when the harvest began: from there, things may have changed."""
        return self._day_of(self._journal.pages[:1]) or self._order.asked_from.isoformat()

    def _day_of(self, pages: list[KeptPage]) -> str:
        """Return the server's day when the first of some pages came; empty where it is unknown."""
        at = _instant(pages[0].response_date) if pages else None
        # a server ahead of us: what lies ahead of us cannot be asked from
        return str(min(at, self._requester.now).date()) if at else ""

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


def _refuse_early(window: Month, complete_at: datetime, newest: str) -> None:
    """Refuse a window that cannot hold all of its month yet.

    Raises:
        HarvestError: the month has not ended, or nothing changed in the last days before.
    """
    if complete_at < window.end:
        raise _later(
            f"Window {window} is known up to {_utc(complete_at)} only.", "the end of the month."
        )
    last_day = newest_ended(complete_at).end.date() - timedelta(days=1)
    if newest < str(last_day - MAX_SILENCE):
        raise _later(
            f"The server knows of no change after {newest or 'anything'}, asked for {window}.",
            f"changes up to {last_day}.",
        )


def _later(found: str, expected: str) -> HarvestError:
    return HarvestError(
        found,
        expected=expected,
        do="Run again later: the pages are kept, and the harvest asks for what is new.",
    )


def _instant(response_date: str) -> datetime | None:
    """Return a page's response date as an instant, or None where it is none."""
    try:
        at = datetime.fromisoformat(response_date)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _utc(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
