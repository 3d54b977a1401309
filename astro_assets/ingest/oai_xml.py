"""One page of an OAI-PMH answer: bytes of XML -> records or headers, token, or a named error.

Belongs here: the protocol's XML and arXivRaw's elements. Does not belong here: requests
(``oai_http``), the order of pages (``oai_walk``), ill-formed XML (``oai_repair``). Fields pass as
they came; what is missing is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from astro_assets.errors import HarvestError
from astro_assets.ingest import oai_repair
from astro_assets.ingest.records import Record, Version

_NAMESPACE = "http://www.openarchives.org/OAI/2.0/"
_OAI = f"{{{_NAMESPACE}}}"
_RAW = "{http://arxiv.org/OAI/arXivRaw/}"
_PREFIX = "oai:arXiv.org:"


class ProtocolError(HarvestError):
    """The server answered with an OAI-PMH error (which comes as HTTP 200)."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the protocol's error code, such as badResumptionToken or noRecordsMatch."""
        self.code = code[:40]
        super().__init__(
            f"The OAI-PMH server answered {self.code}: {message[:300]}",
            expected="a list of records.",
            do=_CURES.get(code, "Check ASTRO_OAI_URL and the window that was asked for."),
        )


_CURES = {
    "noRecordsMatch": "Try again later: error answers are cached until midnight UTC, and an "
    "empty window may only mean that nothing has been announced yet.",
    "badResumptionToken": "Run again: whole pages are kept and the harvest goes on there.",
}


@dataclass(frozen=True)
class Header:
    """One record's name and day of last change."""

    id: str
    """arXiv's id, without ``oai:arXiv.org:``."""
    datestamp: str


@dataclass(frozen=True)
class Page:
    """One answer to ListRecords or GetRecord."""

    records: list[Record]
    """Deleted ones too: they have an id and a datestamp only."""
    resumption_token: str | None
    """What to ask the next page with; None on the last."""
    response_date: str
    """The server's clock, ISO 8601 UTC."""
    n_broken: int
    """Records left out because they lack arXivRaw metadata or an id, are ill-formed, or changed
    after the server answered."""
    n_repaired: int
    """Characters XML does not allow, taken out so that the rest can be read."""

    @property
    def n_deleted(self) -> int:
        """Records the server says were deleted."""
        return sum(record.is_deleted for record in self.records)

    @property
    def datestamps(self) -> list[str]:
        """Days of last change, in the page's order."""
        return [record.datestamp for record in self.records if record.datestamp]


@dataclass(frozen=True)
class Headers:
    """One answer to ListIdentifiers."""

    headers: list[Header]
    resumption_token: str | None
    response_date: str

    @property
    def datestamps(self) -> list[str]:
        """Days of last change, in the page's order."""
        return [header.datestamp for header in self.headers]


def parse_page(data: bytes, *, strict: bool = False) -> Page:
    """Read an answer to ListRecords or GetRecord.

    Characters XML does not allow are taken out and counted. A page that is ill-formed all the same,
    or no UTF-8, may have been damaged on its way: ``strict`` refuses it, so that it is asked for
    again. Otherwise it is read record by record; records that cannot be read are left out and
    counted.

    Raises:
        ProtocolError: the page says so.
        HarvestError: it is no OAI-PMH answer, or nothing in it can be read.
    """
    clean, n_repaired = oai_repair.without_illegal_characters(data)
    try:
        root = _root(clean)
    except ParseError as error:
        if strict:
            raise _no_page(f"it is no well-formed XML ({error})") from error
        return _page_by_records(clean, n_repaired, str(error))
    listed = _listed(root, "ListRecords", "GetRecord")
    items = listed.findall(f"{_OAI}record")
    response_date = (root.findtext(f"{_OAI}responseDate") or "").strip()
    read = [record for item in items if (record := _record(item)) is not None]
    records = [record for record in read if not _lies_ahead(record, response_date)]
    return Page(
        records=records,
        resumption_token=(listed.findtext(f"{_OAI}resumptionToken") or "").strip() or None,
        response_date=response_date,
        n_broken=len(items) - len(records),
        n_repaired=n_repaired,
    )


def parse_headers(data: bytes, *, strict: bool = False) -> Headers:
    """Read an answer to ListIdentifiers; nothing in it is left out, strict or not.

    Raises:
        ProtocolError: the page says so.
        HarvestError: it is no OAI-PMH answer, or a header lacks its id or day.
    """
    del strict
    try:
        root = _root(oai_repair.without_illegal_characters(data)[0])
    except ParseError as error:
        raise _no_page(f"it is no well-formed XML ({error})") from error
    listed = _listed(root, "ListIdentifiers")
    headers = [_header(item) for item in listed.findall(f"{_OAI}header")]
    if None in headers:
        raise _no_page("a header has no identifier of arXiv's, or no datestamp")
    return Headers(
        headers=[header for header in headers if header is not None],
        resumption_token=(listed.findtext(f"{_OAI}resumptionToken") or "").strip() or None,
        response_date=(root.findtext(f"{_OAI}responseDate") or "").strip(),
    )


def _page_by_records(data: bytes, n_repaired: int, why: str) -> Page:
    """Read an ill-formed page by its records, each alone.

    Of several records one that is no UTF-8 is left out: alone it may come undamaged.
    """
    chunks = oai_repair.records_of(data)
    whole = [oai_repair.as_utf8(chunk) for chunk in chunks]
    believed = [(text, n) for text, n in whole if not n or len(chunks) == 1]
    read = [(record, n) for text, n in believed if (record := _lone_record(text)) is not None]
    if not read:
        raise _no_page(f"it is no well-formed XML ({why})")
    return Page(
        records=[record for record, _ in read],
        resumption_token=oai_repair.token_of(data),
        response_date=oai_repair.response_date_of(data),
        n_broken=len(chunks) - len(read),
        n_repaired=n_repaired + sum(n for _, n in read),
    )


def _lone_record(chunk: bytes) -> Record | None:
    try:
        root: Element = fromstring(
            b'<list xmlns="' + _NAMESPACE.encode() + b'">' + chunk + b"</list>", forbid_dtd=True
        )
    except (ParseError, DefusedXmlException, ValueError):
        return None
    item = root.find(f"{_OAI}record")
    return None if item is None else _record(item)


def _record(item: Element) -> Record | None:
    """Return a record, or None where header or metadata do not say what they must."""
    head = item.find(f"{_OAI}header")
    header = None if head is None else _header(head)
    if head is None or header is None:
        return None
    if head.get("status") == "deleted":
        return Record(
            id=header.id,
            update_date=header.datestamp,
            datestamp=header.datestamp,
            is_deleted=True,
        )
    raw = item.find(f"{_OAI}metadata/{_RAW}arXivRaw")
    if raw is None or (raw.findtext(f"{_RAW}id") or "").strip() != header.id:
        return None
    return _paper(raw, header)


def _paper(raw: Element, header: Header) -> Record:
    def text(name: str) -> str | None:
        return raw.findtext(f"{_RAW}{name}") or None

    return Record(
        id=header.id,
        submitter=text("submitter"),
        authors=text("authors"),
        title=text("title"),
        comments=text("comments"),
        journal_ref=text("journal-ref"),
        doi=text("doi"),
        report_no=text("report-no"),
        categories=text("categories"),
        license=text("license"),
        abstract=text("abstract"),
        versions=[
            Version(
                version=item.get("version"),
                created=item.findtext(f"{_RAW}date"),
                source_type=item.findtext(f"{_RAW}source_type") or None,
            )
            for item in raw.findall(f"{_RAW}version")
        ],
        update_date=header.datestamp,
        datestamp=header.datestamp,
    )


def _header(head: Element) -> Header | None:
    identifier = (head.findtext(f"{_OAI}identifier") or "").strip()
    datestamp = (head.findtext(f"{_OAI}datestamp") or "").strip()[:10]
    named = identifier.startswith(_PREFIX) and identifier != _PREFIX
    if not named or not _is_day(datestamp):
        return None
    return Header(identifier.removeprefix(_PREFIX), datestamp)


def _lies_ahead(record: Record, response_date: str) -> bool:
    """Tell whether a record changed later than the day after the answer, which cannot be."""
    try:
        last = date.fromisoformat(response_date[:10]) + timedelta(days=1)
    except (ValueError, OverflowError):
        return False
    return (record.datestamp or "") > last.isoformat()


def _is_day(text: str) -> bool:
    """Tell whether a datestamp is a day arXiv can speak of; days are compared as text."""
    try:
        return date.fromisoformat(text).isoformat() == text and "1991" <= text < "2200"
    except ValueError:
        return False


def _root(data: bytes) -> Element:
    """Return the root of a page.

    Raises:
        ParseError: it is no well-formed XML.
        HarvestError: it is XML, but no OAI-PMH answer.
    """
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except DefusedXmlException as error:
        raise _no_page("it declares entities or a document type") from error
    except (ValueError, LookupError) as error:  # a strange encoding
        raise _no_page(f"it is no well-formed XML ({error})") from error
    if root.tag != f"{_OAI}OAI-PMH":
        raise _no_page(f"its root element is {root.tag[:80]!r}")
    return root


def _listed(root: Element, *names: str) -> Element:
    """Return the element that holds the list.

    Raises:
        ProtocolError: there is an error instead.
    """
    error = root.find(f"{_OAI}error")
    if error is not None:
        raise ProtocolError(error.get("code", "?"), (error.text or "").strip())
    for name in names:
        listed = root.find(f"{_OAI}{name}")
        if listed is not None:
            return listed
    raise _no_page(f"it has no {names[0]}")


def _no_page(why: str) -> HarvestError:
    return HarvestError(
        f"The server's answer is no OAI-PMH page: {why}.",
        expected="an OAI-PMH 2.0 answer in XML.",
        do="Check ASTRO_OAI_URL; if it is right, run again later: whole pages are kept.",
    )
