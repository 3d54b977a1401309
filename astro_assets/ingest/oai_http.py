"""One answer of an OAI-PMH server: waits as it asks, patience with bounds, size with bounds.

Belongs here: HTTP towards an OAI-PMH server, and which failures are worth another try. Does not
belong here: whose turn it is (``oai_pace``), what a page says (``oai_xml``), which comes next
(``oai_walk``).
"""

from __future__ import annotations

import io
import random
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from astro_assets import __version__
from astro_assets.errors import BadSettingError, HarvestError
from astro_assets.ingest.oai_address import server_of
from astro_assets.ingest.oai_pace import Pace

FIRST_BACKOFF_SECONDS = 10.0
MAX_BACKOFF_SECONDS = 300.0
MAX_WAITING_SECONDS = 3_600.0
"""For one answer, all waits together; then the harvest gives up and can be resumed."""
MAX_TRIES_OF_A_BAD_PAGE = 4
"""A page that fails so often by itself (HTTP 500, cut off) will fail for good."""
MAX_ANSWER_SECONDS = 900.0
"""For one answer to come in, however slowly it drips."""
MAX_PAGE_BYTES = 256 << 20
"""Out of its gzip; a page of arXiv's has 8 MiB."""
_PIECE_BYTES = 1 << 20
TIMEOUT = httpx.Timeout(120.0, connect=30.0)
"""Read: between two pieces of an answer; arXiv thinks for a while before a page begins."""
_BUSY = (429, 503)
_XML_TYPES = ("text/xml", "application/xml")
_END = b"</OAI-PMH>"


class PageError(HarvestError):
    """One page cannot be had, though the server is there: it fails each time it is asked for."""


class _TryAgainError(Exception):
    """A request failed in a way that waiting may mend."""

    def __init__(self, why: str, seconds: float | None = None, *, is_page: bool = False) -> None:
        super().__init__(why)
        self.seconds = seconds
        """What the server asks to wait, if it does."""
        self.is_page = is_page
        """Whether it may be this page and not the server."""


class Requester:
    """Sends the requests of one harvest over one connection."""

    def __init__(
        self,
        base_url: str,
        *,
        contact: str,
        client: httpx.Client,
        pace: Pace,
        jitter: random.Random | None = None,
    ) -> None:
        """Check address and contact; nothing is sent yet.

        Raises:
            BadSettingError: no http(s) URL, or no contact that can stand in a header.
        """
        server_of(base_url)
        if "@" not in contact or not contact.isascii() or not contact.isprintable():
            raise BadSettingError(
                f"The contact for harvesting cannot be {contact[:80]!r}.",
                expected="a mail address: arXiv asks harvesters to say whom to write to.",
                do="Set ASTRO_CONTACT, or ASTRO_HARVEST=off.",
            )
        self._base_url, self._client, self._pace = base_url, client, pace
        self._jitter = jitter or random.Random()
        self._headers = {
            "User-Agent": f"astro-assets/{__version__} (mailto:{contact})",
            "Accept-Encoding": "gzip",
        }

    @property
    def now(self) -> datetime:
        """The present instant, UTC."""
        return self._pace.clock()

    def wait(self, n_failures: int) -> None:
        """Wait as after so many failures in a row: twice as long each time, and never the same."""
        self._pace.sleep(self._backoff(n_failures))

    def get(self, query: str) -> bytes:
        """Return the body of one answer, waiting as long as the server asks and patience lasts.

        It is XML by its type and ends where a page ends; no more is known of it.

        Raises:
            PageError: the server is there but fails at this page again and again.
            HarvestError: a refusal that waiting does not mend, or an hour of waiting is over.
        """
        waited, n_failures, n_bad_pages = 0.0, 0, 0
        while True:
            try:
                return self._once(query)
            except _TryAgainError as error:
                n_failures += 1
                n_bad_pages += error.is_page
                if n_bad_pages == MAX_TRIES_OF_A_BAD_PAGE:
                    raise self._bad_page(error) from error
                asked = self._backoff(n_failures) if error.seconds is None else error.seconds
                # never less than the pace, so that "Retry-After: 0" cannot go on for ever
                seconds = max(asked, self._pace.seconds)
                if waited + seconds > MAX_WAITING_SECONDS:
                    raise self._patience_is_over(error, waited, seconds) from error
                self._pace.sleep(seconds)
                waited += seconds

    def _backoff(self, n_failures: int) -> float:
        """Return seconds to wait: doubled with each failure, capped, up to a quarter more."""
        seconds = min(FIRST_BACKOFF_SECONDS * 2.0 ** (n_failures - 1), MAX_BACKOFF_SECONDS)
        return seconds * (1 + 0.25 * self._jitter.random())

    def _once(self, query: str) -> bytes:
        with self._pace.turn() as turn:
            try:
                with self._client.stream(
                    "GET", f"{self._base_url}?{query}", headers=self._headers
                ) as answer:
                    self._judge(answer)
                    return self._body(answer)
            except _TryAgainError as error:
                turn.seconds_away = error.seconds or 0.0
                raise
            except httpx.RequestError as error:
                why = f"{type(error).__name__} {str(error)[:200]}".strip()
                raise _TryAgainError(why) from error
            except httpx.InvalidURL as error:  # the address is checked: a token without end
                raise PageError(
                    f"{self._base_url} cannot be asked for {query[:80]!r} …: {str(error)[:200]}.",
                    expected="tokens that have room in a request.",
                    do="Run again later: whole pages are kept.",
                ) from error

    def _judge(self, answer: httpx.Response) -> None:
        """Refuse what is no page, before its body is read."""
        status = answer.status_code
        if status in _BUSY:
            asked = retry_after(answer.headers.get("Retry-After"), self._server_time(answer))
            raise _TryAgainError(f"HTTP {status}", asked)
        if status >= 500:
            raise _TryAgainError(f"HTTP {status}", is_page=status == 500)
        if status != 200:
            raise HarvestError(
                f"{self._base_url} answered HTTP {status}.",
                expected="HTTP 200.",
                do="Check ASTRO_OAI_URL; a redirect is not followed.",
            )
        content_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if content_type not in _XML_TYPES:
            raise _TryAgainError(f"HTTP 200 with content of type {content_type[:60] or 'none'!r}")

    def _body(self, answer: httpx.Response) -> bytes:
        page, began = io.BytesIO(), self._pace.seconds_now()
        for piece in _unpacked(answer):
            if page.tell() + len(piece) > MAX_PAGE_BYTES:
                raise HarvestError(
                    f"A page of {self._base_url} is larger than {MAX_PAGE_BYTES >> 20} MiB.",
                    do="Check ASTRO_OAI_URL.",
                )
            if self._pace.seconds_now() - began > MAX_ANSWER_SECONDS:
                raise _TryAgainError(f"an answer of more than {MAX_ANSWER_SECONDS:.0f} s")
            page.write(piece)
        body = page.getvalue()
        if not body.strip():
            raise _TryAgainError("HTTP 200 with an empty body")
        if not body.rstrip().endswith(_END):
            raise _TryAgainError("a page that is cut off", is_page=True)
        return body

    def _server_time(self, answer: httpx.Response) -> datetime:
        """Return when the server says it answered: a date it names is by its own clock."""
        return _http_date(answer.headers.get("Date", "")) or self._pace.clock()

    def _bad_page(self, error: Exception) -> PageError:
        return PageError(
            f"{self._base_url} gave {error} for one page {MAX_TRIES_OF_A_BAD_PAGE} times.",
            expected="the page.",
            do="Run again later: whole pages are kept.",
        )

    def _patience_is_over(self, error: Exception, waited: float, more: float) -> HarvestError:
        return HarvestError(
            f"{self._base_url} does not answer: {error}, after {waited:,.0f} s of waiting, and "
            f"{more:,.0f} s more would be next.",
            expected=f"an answer within {MAX_WAITING_SECONDS:,.0f} s.",
            do="Run again later: whole pages are kept and the harvest goes on there.",
        )


def retry_after(value: str | None, now: datetime) -> float | None:
    """Return the seconds a Retry-After header asks for, or None where it says nothing usable.

    It comes as seconds or as an HTTP date.

    >>> retry_after("20", datetime(2026, 7, 1, tzinfo=UTC))
    20.0
    >>> retry_after("Wed, 01 Jul 2026 00:01:00 GMT", datetime(2026, 7, 1, tzinfo=UTC))
    60.0
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    at = _http_date(text)
    return None if at is None else max(0.0, (at - now).total_seconds())


def _http_date(text: str) -> datetime | None:
    """Return the instant a header names, or None where it names none."""
    try:
        at = parsedate_to_datetime(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):  # numbers without end, zones without measure
        return None


def _unpacked(answer: httpx.Response) -> Iterator[bytes]:
    """Yield an answer's bytes, out of its gzip where it is in one, in pieces of bounded size.

    httpx would unpack a whole chunk through any number of wrappings, however much that makes.
    """
    encoding = answer.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        yield from answer.iter_raw()
        return
    if encoding != "gzip":
        raise _TryAgainError(f"HTTP 200 with content encoded as {encoding[:60]!r}")
    gzip = zlib.decompressobj(wbits=31)
    try:
        for chunk in answer.iter_raw():
            # nothing behind its end is looked at, but the clock is
            piece = b"" if gzip.eof else gzip.decompress(chunk, _PIECE_BYTES)
            yield piece
            while gzip.unconsumed_tail or len(piece) == _PIECE_BYTES:
                piece = gzip.decompress(gzip.unconsumed_tail, _PIECE_BYTES)
                yield piece
    except zlib.error as error:
        raise _TryAgainError(f"a page whose gzip is damaged ({error})", is_page=True) from error
    if not gzip.eof:
        raise _TryAgainError("a page that is cut off", is_page=True)
