"""A small OAI-PMH server on loopback: a list of records in pages, with faults on demand.

It is as strict as arXiv's own server in what the harvester must get right: a token excludes every
other argument, is sent back percent-encoded, and names a place that must exist; errors come as
HTTP 200 with an ``<error>`` element; the last of several pages has an empty token element.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape, quoteattr

RESPONSE_DATE = "2026-07-02T00:00:00Z"
Fault = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class FakeArxiv:
    """What the server holds, what it was asked, and the faults it will have, one per request."""

    records: list[dict[str, Any]]
    """In the snapshot's shape, with ``datestamp``; ``deleted: True`` for a deleted one."""
    per_page: int = 2
    url: str = ""
    queries: list[str] = field(default_factory=list)
    """Raw query strings, as they came."""
    user_agents: list[str] = field(default_factory=list)
    faults: dict[int, Fault] = field(default_factory=dict)
    """Number of the request (from 1) -> what to do instead of answering it."""

    def answer(self, query: str) -> bytes:
        """Return the page for a query string."""
        arguments = dict(parse_qsl(query))
        if arguments.pop("verb", None) != "ListRecords":
            return error_page("badVerb")
        token = arguments.pop("resumptionToken", None)
        if token is not None:
            return self._next(token, arguments)
        if arguments.pop("metadataPrefix", None) != "arXivRaw":
            return error_page("cannotDisseminateFormat")
        return self._page(arguments.pop("from", "2005-09-16"), 0, arguments)

    def _next(self, token: str, arguments: dict[str, str]) -> bytes:
        if arguments:
            return error_page("badArgument")
        day, _, skip = unquote(token).partition("|")
        return (
            self._page(day, int(skip), {}) if skip.isdigit() else error_page("badResumptionToken")
        )

    def _page(self, day: str, skip: int, unknown: dict[str, str]) -> bytes:
        if unknown:
            return error_page("badArgument")
        found = sorted(
            (r for r in self.records if r["datestamp"] >= day), key=lambda r: r["datestamp"]
        )
        shown = found[skip : skip + self.per_page]
        if not shown:
            return error_page("noRecordsMatch")
        after = skip + self.per_page
        token = ""
        if after < len(found):
            token = f"<resumptionToken>{quote(f'{day}|{after}', safe='')}</resumptionToken>"
        elif skip:
            token = "<resumptionToken/>"
        items = "".join(record_xml(r) for r in shown)
        return _envelope(f"<ListRecords>{items}{token}</ListRecords>")


@contextmanager
def serving(fake: FakeArxiv) -> Iterator[FakeArxiv]:
    """Serve on a free loopback port; ``fake.url`` says where."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = urlsplit(self.path).query
            fake.queries.append(query)
            fake.user_agents.append(self.headers["User-Agent"])
            fault = fake.faults.pop(len(fake.queries), None)
            if fault is not None:
                fault(self)
            else:
                send(self, 200, fake.answer(query))

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}/oai"
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    """Send one answer; ``Retry_After`` becomes ``Retry-After``."""
    handler.send_response(status)
    handler.send_header("Content-Type", "text/xml")
    handler.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def busy(retry_after: str, status: int = 503) -> Fault:
    """Answer that the server is busy."""
    return lambda handler: send(handler, status, b"busy", Retry_After=retry_after)


def refuse(code: str) -> Fault:
    """Answer with an OAI-PMH error."""
    return lambda handler: send(handler, 200, error_page(code))


def fail(status: int) -> Fault:
    """Answer with an HTTP error in HTML."""
    return lambda handler: send(handler, status, b"<html>Internal Server Error</html>")


def cut(handler: BaseHTTPRequestHandler) -> None:
    """Promise a page and close the connection in the middle of it."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(b"<?xml version='1.0'?><OAI-PMH")
    handler.close_connection = True


def error_page(code: str) -> bytes:
    """Return an OAI-PMH error."""
    return _envelope(f"<error code={quoteattr(code)}>as the protocol says</error>")


def record_xml(record: dict[str, Any]) -> str:
    """Return one ``<record>`` in arXivRaw, without the elements the record lacks."""
    status = ' status="deleted"' if record.get("deleted") else ""
    header = (
        f"<header{status}><identifier>oai:arXiv.org:{record['id']}</identifier>"
        f"<datestamp>{record['datestamp']}</datestamp></header>"
    )
    if status:
        return f"<record>{header}</record>"
    versions = "".join(
        f"<version version={quoteattr(v['version'])}><date>{v['created']}</date></version>"
        for v in record["versions"] or ()
    )
    names = (
        "id", "submitter", "title", "authors", "categories", "comments", "report-no",
        "journal-ref", "doi", "license", "abstract",
    )  # fmt: skip
    fields = "".join(
        f"<{name}>{escape(record[name])}</{name}>" for name in names if record[name] is not None
    )
    raw = f'<arXivRaw xmlns="http://arxiv.org/OAI/arXivRaw/">{fields}{versions}</arXivRaw>'
    return f"<record>{header}<metadata>{raw}</metadata></record>"


def _envelope(inside: str) -> bytes:
    return (
        "<?xml version='1.0' encoding='UTF-8'?>"
        '<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">'
        f"<responseDate>{RESPONSE_DATE}</responseDate>{inside}</OAI-PMH>"
    ).encode()
