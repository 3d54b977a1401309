"""From page to page of an OAI-PMH list, to its end, whatever the server does in between.

arXiv's tokens name a day and how many records of it were given. Tokens expire at midnight UTC, and
a page can fail for good, because of one record on it. Both are got over from the last day seen:
its records come again, which merging recognises. What a list lost all the same, the audit finds
(``oai``). Belongs here: the order of requests. Does not belong here: what is kept of the answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Generic, Protocol, TypeVar
from urllib.parse import quote

from astro_assets.errors import HarvestError
from astro_assets.ingest.oai_http import PageError, Requester
from astro_assets.ingest.oai_xml import ProtocolError

MAX_PAGES = 20_000
MAX_SETBACKS = 5
"""How often a list is begun again at the same day before it is given up."""
_MAX_READINGS = 4
MAX_SKIPS = 8
"""How often in a row the day after is tried, twice as far each time: 1, 2, 4, … days."""


class Answer(Protocol):
    """What a page of any list says of its order."""

    @property
    def resumption_token(self) -> str | None:
        """What the next page is asked with."""
        ...

    @property
    def response_date(self) -> str:
        """The server's clock."""
        ...

    @property
    def datestamps(self) -> Sequence[str]:
        """Days of last change on the page."""
        ...


A = TypeVar("A", bound=Answer)
A_co = TypeVar("A_co", bound=Answer, covariant=True)


class Parser(Protocol[A_co]):
    """Reads one answer."""

    def __call__(self, data: bytes, *, strict: bool = False) -> A_co:
        """Return what it says; ``strict``: refuse what may be damage of the way."""
        ...


@dataclass(frozen=True)
class Cursor:
    """Where a list goes on."""

    day: str
    """The newest day seen, or the one asked from, ISO."""
    token: str | None = None
    """None: ask from the day."""


@dataclass(frozen=True)
class Listing(Generic[A]):
    """One of the protocol's lists."""

    verb: str
    parse: Parser[A]
    subject: str | None = None
    """The set, or None for all of arXiv."""

    def query(self, cursor: Cursor) -> str:
        """Return the arguments of a request; a token excludes all others."""
        if cursor.token is not None:
            return f"verb={self.verb}&resumptionToken={quote(cursor.token, safe='')}"
        subject = f"&set={quote(self.subject, safe='')}" if self.subject else ""
        return f"verb={self.verb}&metadataPrefix=arXivRaw&from={cursor.day}{subject}"


@dataclass(frozen=True)
class Step(Generic[A]):
    """One answered request."""

    query: str
    data: bytes
    page: A


def ask(query: str, parse: Parser[A], requester: Requester) -> Step[A]:
    """Ask until the answer can be read; the last time, what can be read of it is enough.

    Raises:
        ProtocolError: the server answers with an error of the protocol.
        PageError: the answer cannot be read, however often it is asked for.
        HarvestError: the server does not answer.
    """
    for n_failures in range(1, _MAX_READINGS + 1):
        data = requester.get(query)
        try:
            return Step(query, data, parse(data, strict=n_failures < _MAX_READINGS))
        except ProtocolError:
            raise
        except HarvestError as error:
            why = error
        requester.wait(n_failures)
    raise PageError(why.found, expected=why.expected, do=why.do)


def walk(
    listing: Listing[A],
    cursor: Cursor,
    requester: Requester,
    *,
    may_be_empty: bool = False,
    may_skip: bool = False,
) -> Iterator[Step[A]]:
    """Yield page after page from a cursor to the end of a list.

    Args:
        listing, cursor, requester: What to ask, from where, and how.
        may_be_empty: Whether it is likely that there is nothing from the cursor on.
        may_skip: Whether to go on behind a page that cannot be had; the caller then looks for what
            was left out.

    Raises:
        ProtocolError: ``noRecordsMatch`` where there must be something, or another refusal.
        PageError: a page cannot be had.
        HarvestError: no answer, or a list that does not come to an end.
    """
    way = _Way(cursor, requester, may_be_empty=may_be_empty, may_skip=may_skip)
    for _ in range(MAX_PAGES):
        try:
            step = ask(listing.query(way.cursor), listing.parse, requester)
        except ProtocolError as error:
            if way.is_over(error) or not way.turn_back(error):
                return
        except PageError as error:
            if not way.skip(error):
                return
        else:
            yield step
            if step.page.resumption_token is None:
                return
            way.advance(step.page)
    raise HarvestError(f"The list from {cursor.day} has more than {MAX_PAGES:,} pages.")


class _Way:
    """How far a walk has come, and how often it was thrown back."""

    def __init__(
        self, cursor: Cursor, requester: Requester, *, may_be_empty: bool, may_skip: bool
    ) -> None:
        self.cursor = cursor
        self._requester = requester
        self._may_be_empty, self._may_skip = may_be_empty, may_skip
        self._n_setbacks = 0  # since the day last moved on
        self._n_skips = 0
        self._has_begun = False

    def advance(self, page: Answer) -> None:
        """Go on with the page's token."""
        if page.resumption_token == self.cursor.token:
            raise HarvestError(
                "The server repeats the token it was asked with.",
                expected="a new token on every page but the last.",
                do="Run again later: whole pages are kept.",
            )
        # a day that lies ahead cannot be asked from
        tomorrow = (self._requester.now + timedelta(days=1)).date().isoformat()
        day = max([self.cursor.day, *(d for d in page.datestamps if d <= tomorrow)])
        if day > self.cursor.day:
            self._n_setbacks = 0
        self.cursor = Cursor(day, page.resumption_token)
        self._has_begun, self._n_skips = True, 0

    def is_over(self, error: ProtocolError) -> bool:
        """Tell whether an error means that there is nothing (more)."""
        likely = self._n_skips > 0 or (self._may_be_empty and not self._has_begun)
        return likely and error.code == "noRecordsMatch"

    def turn_back(self, error: ProtocolError) -> bool:
        """Go back to the start of the day, or on behind it if that was done too often.

        False where no day is left.
        """
        token_is_bad = error.code == "badResumptionToken" or (
            error.code == "badArgument" and self.cursor.token is not None
        )
        if not token_is_bad and error.code != "noRecordsMatch":
            raise error
        self._n_setbacks += 1
        if self._n_setbacks > MAX_SETBACKS:
            if not token_is_bad:
                raise error
            return self.skip(error)
        self.cursor = Cursor(self.cursor.day)
        self._requester.wait(self._n_setbacks)
        return True

    def skip(self, error: HarvestError) -> bool:
        """Go on some days behind a page that cannot be had; False where no day is left."""
        if not self._may_skip or self._n_skips == MAX_SKIPS:
            raise error
        day = date.fromisoformat(self.cursor.day) + timedelta(days=1 << self._n_skips)
        self._n_skips += 1
        self._n_setbacks = 0
        self.cursor = Cursor(day.isoformat())
        return day <= self._requester.now.date()
