"""What can go wrong between arXiv and a harvester, each fault for one request.

A fault is called with the exchange instead of the plain answer. Some answer rightly after all, but
change papers or the clock first (``then``). Belongs here: single faults. Does not belong here: what
is always wrong with a paper (``FakeArxiv.poisoned`` and its like), plans (``arxiv_plans``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from tests.fakes.arxiv_answers import Reply
from tests.fakes.arxiv_xml import HTML_500, envelope, error_element, stamp

if TYPE_CHECKING:
    from tests.fakes.arxiv_oai import FakeArxiv

_ITEM = re.compile(rb"<record>.*?</record>|<header>.*?</header>", re.DOTALL)
_LAUGHS = b"""<?xml version="1.0"?>
<!DOCTYPE OAI-PMH [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>
<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><ListRecords>&d;</ListRecords></OAI-PMH>"""


@dataclass(frozen=True)
class Exchange:
    """One request that waits for its answer."""

    handler: BaseHTTPRequestHandler
    fake: FakeArxiv
    query: str

    def reply(self) -> Reply:
        """Return the right answer."""
        return self.fake.reply(self.query)

    def answer(self, reply: Reply | None = None) -> None:
        """Send an answer; None: the right one."""
        reply = reply or self.reply()
        aged = {} if reply.max_age is None else {"Surrogate_Control": f"max-age={reply.max_age}"}
        send(self, reply.status, reply.body, content_type=reply.content_type, **aged)


Fault = Callable[[Exchange], None]


def send(
    exchange: Exchange, status: int, body: bytes, *, content_type: str = "text/xml", **headers: str
) -> None:
    """Send one answer; ``Retry_After`` becomes ``Retry-After``."""
    _head(exchange, status, content_type, Content_Length=str(len(body)), **headers)
    exchange.handler.wfile.write(body)


def _head(exchange: Exchange, status: int, content_type: str, **headers: str) -> None:
    handler = exchange.handler
    handler.send_response(status)
    for name, value in {"Connection": "close", "Content_Type": content_type, **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()


def busy(retry_after: str, status: int = 503) -> Fault:
    """Answer that the server is busy; ``retry_after`` in seconds or as an HTTP date."""
    return lambda exchange: send(exchange, status, b"busy", Retry_After=retry_after)


def busy_until(seconds: float, status: int = 503) -> Fault:
    """Answer that the server is busy until an HTTP date, so far after its own clock."""

    def run(exchange: Exchange) -> None:
        moment = exchange.fake.moment().timestamp() + seconds
        busy(formatdate(moment, usegmt=True), status)(exchange)

    return run


def fail(status: int) -> Fault:
    """Answer with an HTTP error in HTML."""
    return lambda exchange: send(
        exchange, status, HTML_500, content_type="text/html; charset=utf-8"
    )


def refuse(code: str, reason: str = "") -> Fault:
    """Answer with an OAI-PMH error; ``noRecordsMatch`` is what a stale cache says."""

    def run(exchange: Exchange) -> None:
        fake = exchange.fake
        inside = error_element(code, reason)
        send(exchange, 200, envelope(inside, date=stamp(fake.moment()), url=fake.url))

    return run


def refuse_token(exchange: Exchange) -> None:
    """Refuse the token, where the request has one."""
    if "resumptionToken=" in exchange.query:
        refuse("badResumptionToken", "Token has expired")(exchange)
    else:
        exchange.answer()


def html_with_200(exchange: Exchange) -> None:
    """Send a web page as if nothing were wrong."""
    page = b"<!doctype html>\n<html><body><p>We are down for maintenance.</body></html>\n"
    send(exchange, 200, page, content_type="text/html; charset=utf-8")


def empty_body(exchange: Exchange) -> None:
    """Send nothing, successfully."""
    send(exchange, 200, b"")


def wrong_content_type(content_type: str) -> Fault:
    """Send the right bytes under another type."""

    def run(exchange: Exchange) -> None:
        reply = exchange.reply()
        send(exchange, reply.status, reply.body, content_type=content_type)

    return run


def cut(exchange: Exchange) -> None:
    """Promise a page and close the connection in the middle of it."""
    body = exchange.reply().body
    _head(exchange, 200, "text/xml", Content_Length=str(len(body)))
    exchange.handler.wfile.write(body[: len(body) // 2])


def truncated_silently(exchange: Exchange) -> None:
    """Send half a page without saying how long it is: nothing in HTTP shows that it is half."""
    body = exchange.reply().body
    _head(exchange, 200, "text/xml")
    exchange.handler.wfile.write(body[: len(body) // 2])


def slow(at_most_seconds: float = 5.0, n_bytes: int = 20) -> Fault:
    """Send a few bytes and then nothing till ``released`` is set or the time is over."""

    def run(exchange: Exchange) -> None:
        body = exchange.reply().body
        _head(exchange, 200, "text/xml", Content_Length=str(len(body)))
        exchange.handler.wfile.write(body[:n_bytes])
        exchange.handler.wfile.flush()
        exchange.fake.released.wait(at_most_seconds)

    return run


def control_character(code: int = 0x0B) -> Fault:
    """Put a raw control character into one abstract: the page is ill-formed."""
    return _spoiled(lambda body: _into_text(body, bytes([code])))


def control_reference(code: int = 1) -> Fault:
    """Put ``&#1;`` or its like into one abstract: no character of XML 1.0."""
    return _spoiled(lambda body: _into_text(body, b"&#%d;" % code))


def bad_utf8(exchange: Exchange) -> None:
    """Put bytes into one abstract that are no UTF-8."""
    _spoiled(lambda body: _into_text(body, b"\xe2\x28\xff"))(exchange)


def wholly_ill_formed(exchange: Exchange) -> None:
    """Leave a tag unclosed inside one record."""
    _spoiled(lambda body: _into_text(body, b" a <b ", b"</title>"))(exchange)


def document_type(exchange: Exchange) -> None:
    """Send a page that declares entities which grow."""
    send(exchange, 200, _LAUGHS)


def duplicate(exchange: Exchange) -> None:
    """Send the page's first record (or header) twice."""
    _spoiled(lambda body: _ITEM.sub(lambda found: found[0] * 2, body, count=1))(exchange)


def _spoiled(change: Callable[[bytes], bytes]) -> Fault:
    def run(exchange: Exchange) -> None:
        reply = exchange.reply()
        send(exchange, reply.status, change(reply.body), content_type=reply.content_type)

    return run


def _into_text(body: bytes, piece: bytes, end: bytes = b"</abstract>") -> bytes:
    """Put a piece before the first ``end`` tag, or at the end of an answer without one."""
    end = end if end in body else b"</OAI-PMH>"
    return body.replace(end, piece + end, 1)


def then(change: Callable[[FakeArxiv], None], fault: Fault | None = None) -> Fault:
    """Change the server's papers or its clock first, and then answer (or have another fault)."""

    def run(exchange: Exchange) -> None:
        with exchange.fake.lock:
            change(exchange.fake)
        (fault or Exchange.answer)(exchange)

    return run


def past_midnight(fake: FakeArxiv) -> None:
    """Let a day go by (a change for ``then``): the tokens of the day before are over."""
    fake.to_tomorrow()
