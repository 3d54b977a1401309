"""The vintage of a snapshot: the newest day its records speak of.

Belongs here: reading days out of records. Does not belong here: which releases a vintage allows
(``warehouse``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from typing import TypeGuard

from astro_assets.errors import BadReleaseError
from astro_assets.months import Month

_NEW_ID = re.compile(r"(\d{2})(\d{2})\.\d{4,5}")
_OLD_ID = re.compile(r"[a-zA-Z.-]+/(\d{2})(\d{2})\d{3}")
_CREATED = re.compile(r"[A-Z][a-z]{2}, (\d{1,2}) ([A-Z][a-z]{2}) (\d{4})\b")
MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def month_of_id(arxiv_id: str) -> Month | None:
    """Return the month an id was given in, by its YYMM, or None where it tells none.

    >>> str(month_of_id("astro-ph/9204001")), str(month_of_id("2606.12345"))
    ('1992-04', '2026-06')
    """
    match = _NEW_ID.fullmatch(arxiv_id) or _OLD_ID.fullmatch(arxiv_id)
    if match is None:
        return None
    year = int(match[1])
    century = 1900 if year >= 91 else 2000  # arXiv opened in 1991
    try:
        return Month.parse(f"{century + year}-{match[2]}")
    except BadReleaseError:
        return None


def day_of_version(created: str) -> date | None:
    """Return the day of ``Mon, 2 Apr 2007 19:18:42 GMT``, padded or not; None if it is no date."""
    match = _CREATED.match(created)
    if match is None or match[2] not in MONTH_NAMES:
        return None
    try:
        return date(int(match[3]), MONTH_NAMES.index(match[2]) + 1, int(match[1]))
    except ValueError:
        return None


class Vintage:
    """The newest day seen: by ``update_date``, else by version dates, else by ids.

    Version dates and ids are read only until the first ``update_date``: where there is one, it
    decides. Ids tell the month alone, and then its first day stands for it: too early asks for a
    harvest window too many, too late for one too few. So a day that lies ahead is never believed:
    one mistyped year would keep every later edit from being harvested.
    """

    def __init__(self, *, today: date) -> None:
        """Start with no day seen.

        Args:
            today: The present day (UTC). The day after it counts as present too: somewhere it is.
        """
        self._last = today + timedelta(days=1)
        self._updated = ""
        self._version: date | None = None
        self._month: Month | None = None
        self._future: set[str | date] = set()

    @property
    def n_future_dates(self) -> int:
        """Different days that were looked at and lay ahead."""
        return len(self._future)

    def see(
        self,
        update_dates: Iterable[str | None],
        others: Callable[[], Iterable[tuple[str, Sequence[str | None] | None]]],
    ) -> None:
        """Take some records into account.

        Args:
            update_dates: What they say of their last update, each text once or more often.
            others: Gives each one's id and its versions' dates; asked only while it matters.
        """
        for text in update_dates:
            self._see_update(text or "")
        if not self._updated:
            for arxiv_id, versions in others():
                self._see_older_signs(arxiv_id, versions or ())

    def _see_update(self, text: str) -> None:
        # ISO days compare as text, so only a new maximum needs the costly look
        if text <= self._updated or not _is_day(text):
            return
        if text > self._last.isoformat():
            self._future.add(text)
        else:
            self._updated = text

    def _see_older_signs(self, arxiv_id: str, versions: Iterable[str | None]) -> None:
        for created in versions:
            day = day_of_version(created or "")
            if self._is_believed(day) and (self._version is None or day > self._version):
                self._version = day
        month = month_of_id(arxiv_id)
        if month is None or (self._month is not None and month <= self._month):
            return
        if self._is_believed(month.start.date()):
            self._month = month

    def _is_believed(self, day: date | None) -> TypeGuard[date]:
        if day is not None and day > self._last:
            self._future.add(day)
            return False
        return day is not None

    def newest(self) -> tuple[str, str] | None:
        """Return (ISO day, where it was read), or None where no record told a day."""
        if self._updated:
            return self._updated, "update_date"
        if self._version is not None:
            return self._version.isoformat(), "versions"
        if self._month is not None:
            return self._month.start.date().isoformat(), "ids"
        return None


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
