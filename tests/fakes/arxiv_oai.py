"""A stand-in of arXiv's OAI-PMH server on loopback, with papers that change and faults on demand.

It does what arXiv's own server program does, held against recorded answers of it by
``test_arxiv_contract``: six verbs, arguments checked in its order with its words, pages in the
order of change, stateless tokens (a day and an offset) that lose a record when papers are edited
meanwhile, errors as HTTP 200, one connection per request.

It does not: make other formats than arXivRaw, name its sets, serve XML schemas, cache answers. It
is stricter in one thing: a token it issued is refused after its expiration date, which the real
program announces and does not check. It sends ``status="deleted"`` for a record that says so; the
real one never does.

Belongs here: the papers, the log of requests, HTTP. Does not belong here: answers
(``arxiv_answers``), faults (``arxiv_faults``), random plans of them (``arxiv_plans``).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, RLock, Thread
from typing import Any
from urllib.parse import urlsplit

from tests.fakes.arxiv_answers import HEADERS_PER_RECORD, Reply, midnight_after, reply_to
from tests.fakes.arxiv_faults import Exchange, Fault, busy, cut, fail, refuse, send
from tests.fakes.arxiv_tokens import write_token
from tests.fakes.arxiv_xml import RESPONSE_DATE, error_page, record_xml

__all__ = [
    "RESPONSE_DATE", "Exchange", "FakeArxiv", "Fault", "Reply", "busy", "cut", "error_page",
    "fail", "record_xml", "refuse", "send", "serving", "write_token",
]  # fmt: skip


def _second_of_july() -> datetime:
    return datetime(2026, 7, 2, tzinfo=UTC)


@dataclass
class FakeArxiv:
    """What the server holds, what it was asked, and the faults it will have, one per request."""

    records: list[dict[str, Any]]
    """In the snapshot's shape, with ``datestamp``; ``deleted: True`` for a deleted one; may have
    ``proxy``, ``acm-class``, ``msc-class``, and in a version ``size`` and ``source_type``."""
    per_page: int = 2
    """Records on a page of ListRecords."""
    headers_per_page: int | None = None
    """Headers on a page of ListIdentifiers; None: in arXiv's own proportion to ``per_page``."""
    now: Callable[[], datetime] = _second_of_july
    """The server's clock: response dates, tokens' end, what is in the future."""
    advance: Callable[[float], None] | None = None
    """Puts a clock forward that ``now`` reads and others share; None: ``tick`` is the server's
    own, and its Retry-After dates then lie ahead of a client's clock by as much."""
    url: str = ""
    queries: list[str] = field(default_factory=list)
    """Raw query strings, as they came; of a POST its body."""
    user_agents: list[str] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    """``time.monotonic`` here when each request's first line had been read."""
    faults: dict[int, Fault] = field(default_factory=dict)
    """Number of the request (from 1) -> what to do instead of answering it."""
    poisoned: set[str] = field(default_factory=set)
    """Ids whose record makes every page that holds it HTTP 500 in HTML."""
    poisoned_headers: bool = False
    """Whether they do so in ListIdentifiers too."""
    ill_formed: set[str] = field(default_factory=set)
    """Ids whose title always has an unclosed tag in it."""
    control: set[str] = field(default_factory=set)
    """Ids whose abstract always has a control character in it."""
    moved: dict[str, int] = field(default_factory=dict)
    """Id -> place within its day: what changed later comes later, equals go by id."""
    ahead: timedelta = timedelta(0)
    """How far ``tick`` has put the server's own clock forward."""
    released: Event = field(default_factory=Event, repr=False)
    """Set when the server ends: what a slow answer waits for."""
    lock: Any = field(default_factory=RLock, repr=False)
    """Held while a request is logged and answered; re-entrant."""
    _issued: dict[str, datetime] = field(default_factory=dict, repr=False)

    def answer(self, query: str) -> bytes:
        """Return the page for a query string, without faults of the way."""
        return self.reply(query).body

    def reply(self, query: str) -> Reply:
        """Return the whole answer for a query string, without faults of the way."""
        with self.lock:
            return reply_to(self, query)

    def moment(self) -> datetime:
        """Return the server's time."""
        return self.now() + self.ahead

    def today(self) -> str:
        """Return the server's day, UTC: the datestamp of what changes now."""
        return str(self.moment().astimezone(UTC).date())

    def tick(self, seconds: float) -> None:
        """Put the clock forward: the shared one if there is one."""
        if self.advance is None:
            self.ahead += timedelta(seconds=seconds)
        else:
            self.advance(seconds)

    def to_tomorrow(self) -> None:
        """Put the clock to just after the next midnight UTC: tokens issued today are over."""
        moment = self.moment()
        self.tick((midnight_after(moment) - moment).total_seconds() + 1)

    def find(self, paper: str) -> dict[str, Any] | None:
        """Return the record of a paper."""
        return next((record for record in self.records if record["id"] == paper), None)

    def in_order(self) -> list[dict[str, Any]]:
        """Return the records in the order in which the server goes through them."""
        return sorted(
            self.records, key=lambda r: (r["datestamp"], self.moved.get(r["id"], 0), r["id"])
        )

    def edit(self, id: str, *, day: str | None = None, **fields: Any) -> None:
        """Change a paper: its record moves to the end of ``day`` (None: the server's today).

        Fields as in ``tests.builders.record``: ``journal_ref`` and ``report_no`` have underscores.
        """
        with self.lock:
            record = self.find(id)
            if record is None:
                raise KeyError(f"the server has no paper {id}")
            names = {name: name.replace("_", "-") for name in ("journal_ref", "report_no")}
            changed = {names.get(name, name): value for name, value in fields.items()}
            new = {**record, **changed, "datestamp": day or self.today()}
            self.records[self.records.index(record)] = new
            self._move(id)

    def withdraw(self, id: str, day: str | None = None) -> None:
        """Withdraw a paper as arXiv does: one more version, of source type ``I``, and a comment."""
        with self.lock:
            record = self.find(id)
            if record is None:
                raise KeyError(f"the server has no paper {id}")
            versions = list(record["versions"] or ())
            created = self.moment().astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
            last = {"version": f"v{len(versions) + 1}", "created": created}
            self.edit(
                id,
                day=day,
                comments="This paper has been withdrawn by the author",
                versions=[*versions, {**last, "size": "0kb", "source_type": "I"}],
            )

    def add(self, record: dict[str, Any]) -> None:
        """Add a paper that is new; without ``datestamp`` it is of the server's today."""
        with self.lock:
            if self.find(record["id"]) is not None:
                raise KeyError(f"the server has the paper {record['id']} already")
            self.records.append({"datestamp": self.today(), **record})
            self._move(record["id"])

    def headers_on_a_page(self) -> int:
        """Return how many headers a page of ListIdentifiers holds."""
        return self.headers_per_page or math.ceil(self.per_page * HEADERS_PER_RECORD)

    def issue(self, token: str) -> datetime:
        """Note that a token was given out, and return when it ends."""
        self._issued[token] = midnight_after(self.moment())
        return self._issued[token]

    def is_expired(self, token: str) -> bool:
        """Return whether a token was given out here and is over; others hold no date."""
        return token in self._issued and self.moment() >= self._issued[token]

    def _move(self, id: str) -> None:
        self.moved[id] = max(self.moved.values(), default=0) + 1


class _Handler(BaseHTTPRequestHandler):
    """One connection with one request; ``fake`` is set by ``serving``."""

    protocol_version = "HTTP/1.1"
    fake: FakeArxiv
    _arrived = 0.0

    def parse_request(self) -> bool:
        self._arrived = time.monotonic()
        return super().parse_request()

    def do_GET(self) -> None:
        self._serve(urlsplit(self.path).query)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self._serve(self.rfile.read(length).decode())

    def date_time_string(self, timestamp: float | None = None) -> str:
        return self.fake.moment().astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")

    def version_string(self) -> str:
        return "gunicorn"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _serve(self, query: str) -> None:
        fake = self.fake
        with fake.lock:
            fake.queries.append(query)
            fake.user_agents.append(self.headers["User-Agent"])
            fake.arrivals.append(self._arrived)
            fault = fake.faults.pop(len(fake.queries), None)
        exchange = Exchange(self, fake, query)
        # A client that has gone away (a timeout, a kill) is nothing to speak of.
        try:
            if fault is None:
                exchange.answer()
            else:
                fault(exchange)
        except (BrokenPipeError, ConnectionResetError):
            pass


@contextmanager
def serving(fake: FakeArxiv) -> Iterator[FakeArxiv]:
    """Serve on a free loopback port; ``fake.url`` says where."""
    handler = type("Handler", (_Handler,), {"fake": fake})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}/oai"
    fake.released.clear()
    try:
        yield fake
    finally:
        fake.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
