"""One polite request at a time: pauses, Retry-After, bounded patience, bounded size.

Belongs here: HTTP towards an OAI-PMH server. Does not belong here: what a page says (``oai_xml``)
and which page comes next (``oai``).

arXiv asks for at most one request every three seconds, over one connection, and for a User-Agent
that tells whom to write to.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from astro_assets import __version__
from astro_assets.errors import BadSettingError, HarvestError

SECONDS_BETWEEN_REQUESTS = 3.0
FIRST_BACKOFF_SECONDS = 10.0
MAX_BACKOFF_SECONDS = 300.0
MAX_WAITING_SECONDS = 3_600.0
"""For one page, all waits together; then the harvest gives up and can be resumed."""
MAX_PAGE_BYTES = 256 << 20
_BUSY = (429, 503)


class _TryAgainError(Exception):
    """A request failed in a way that waiting may mend."""

    def __init__(self, why: str, seconds: float | None = None) -> None:
        super().__init__(why)
        self.seconds = seconds
        """What the server asks to wait, if it does."""


class Requester:
    """Sends the requests of one harvest."""

    def __init__(
        self, base_url: str, *, contact: str, client: httpx.Client,
        clock: Callable[[], datetime], sleep: Callable[[float], None],
    ) -> None:  # fmt: skip
        """Check address and contact; nothing is sent yet.

        Raises:
            BadSettingError: no http(s) URL, or no contact that can stand in a header.
        """
        if not base_url.startswith(("http://", "https://")) or set(base_url) & set("?# \n"):
            raise BadSettingError(
                f"The OAI-PMH address cannot be {base_url[:80]!r}.",
                expected="a base URL without a query, as https://oaipmh.arxiv.org/oai.",
            )
        if "@" not in contact or not contact.isascii() or not contact.isprintable():
            raise BadSettingError(
                f"The contact for harvesting cannot be {contact[:80]!r}.",
                expected="a mail address: arXiv asks harvesters to say whom to write to.",
                do="Set ASTRO_CONTACT, or ASTRO_HARVEST=off.",
            )
        self._base_url, self._client = base_url, client
        self._clock, self._sleep = clock, sleep
        self._headers = {"User-Agent": f"astro-assets/{__version__} (mailto:{contact})"}
        self._last: datetime | None = None

    def get(self, query: str) -> bytes:
        """Return the body of one answer, waiting as long as the server asks and patience lasts.

        Raises:
            HarvestError: a refusal that waiting does not mend, or an hour of waiting is over.
        """
        waited, backoff = 0.0, FIRST_BACKOFF_SECONDS
        while True:
            self._keep_pace()
            try:
                return self._once(query)
            except _TryAgainError as error:
                # never less than the pace, so that "Retry-After: 0" cannot go on for ever
                asked = backoff if error.seconds is None else error.seconds
                seconds = max(asked, SECONDS_BETWEEN_REQUESTS)
                if waited + seconds > MAX_WAITING_SECONDS:
                    raise HarvestError(
                        f"{self._base_url} does not answer: {error}, after {waited:,.0f} s of "
                        f"waiting, and {seconds:,.0f} s more would be next.",
                        expected=f"an answer within {MAX_WAITING_SECONDS:,.0f} s.",
                        do="Run again later: whole pages are kept and the harvest goes on there.",
                    ) from error
                self._sleep(seconds)
                waited += seconds
                backoff = min(2 * backoff, MAX_BACKOFF_SECONDS)

    def _keep_pace(self) -> None:
        """Wait until three seconds have passed since the last request was answered."""
        if self._last is not None:
            passed = (self._clock() - self._last).total_seconds()
            if 0 <= passed < SECONDS_BETWEEN_REQUESTS:
                self._sleep(SECONDS_BETWEEN_REQUESTS - passed)

    def _once(self, query: str) -> bytes:
        try:
            with self._client.stream(
                "GET", f"{self._base_url}?{query}", headers=self._headers
            ) as answer:
                return self._body(answer)
        except httpx.RequestError as error:
            raise _TryAgainError(f"{type(error).__name__} {str(error)[:200]}".strip()) from error
        finally:
            self._last = self._clock()

    def _body(self, answer: httpx.Response) -> bytes:
        status = answer.status_code
        if status in _BUSY:
            raise _TryAgainError(
                f"HTTP {status}", retry_after(answer.headers.get("Retry-After"), self._clock())
            )
        if status >= 500:
            raise _TryAgainError(f"HTTP {status}")
        if status != 200:
            raise HarvestError(
                f"{self._base_url} answered HTTP {status}.",
                expected="HTTP 200.",
                do="Check ASTRO_OAI_URL; a redirect is not followed.",
            )
        chunks, n_bytes = [], 0
        for chunk in answer.iter_bytes():
            n_bytes += len(chunk)
            if n_bytes > MAX_PAGE_BYTES:
                raise HarvestError(
                    f"A page of {self._base_url} is larger than {MAX_PAGE_BYTES >> 20} MiB.",
                    do="Check ASTRO_OAI_URL.",
                )
            chunks.append(chunk)
        return b"".join(chunks)


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
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())
