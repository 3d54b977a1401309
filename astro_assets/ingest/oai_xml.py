"""One page of an OAI-PMH answer: bytes of XML -> records, token, or a named error.

Belongs here: the protocol's XML and arXivRaw's elements. Does not belong here: requests
(``oai_http``) and the order of pages (``oai``). Fields pass as they came; what is missing is None.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from astro_assets.errors import HarvestError
from astro_assets.ingest.records import Record, Version

_OAI = "{http://www.openarchives.org/OAI/2.0/}"
_RAW = "{http://arxiv.org/OAI/arXivRaw/}"
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")


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
    "badResumptionToken": "Harvest the window again from its start.",
}


@dataclass(frozen=True)
class Page:
    """One answer to ListRecords."""

    records: list[Record]
    resumption_token: str | None
    """What to ask the next page with; None on the last."""
    response_date: str
    """The server's clock, ISO 8601 UTC."""
    n_deleted: int
    """Records the server says were deleted; they carry no metadata."""
    n_broken: int
    """Records left out because they have no arXivRaw metadata or no id."""
    n_control_characters: int
    """Characters XML does not allow, taken out so that the rest can be read."""


def parse_page(data: bytes) -> Page:
    """Read one page.

    Raises:
        ProtocolError: the page says so.
        HarvestError: it is no OAI-PMH answer, or no well-formed XML.
    """
    clean, n_control = _without_control_characters(data)
    root = _root(clean)
    error = root.find(f"{_OAI}error")
    if error is not None:
        raise ProtocolError(error.get("code", "?"), (error.text or "").strip())
    listed = root.find(f"{_OAI}ListRecords")
    if listed is None:
        listed = root.find(f"{_OAI}GetRecord")
    if listed is None:
        raise _no_page("it lists no records")
    headed = [(item.find(f"{_OAI}header"), item) for item in listed.findall(f"{_OAI}record")]
    living = [pair for pair in headed if pair[0] is None or pair[0].get("status") != "deleted"]
    records = [record for header, item in living if (record := _record(header, item)) is not None]
    return Page(
        records=records,
        resumption_token=(listed.findtext(f"{_OAI}resumptionToken") or "").strip() or None,
        response_date=(root.findtext(f"{_OAI}responseDate") or "").strip(),
        n_deleted=len(headed) - len(living),
        n_broken=len(living) - len(records),
        n_control_characters=n_control,
    )


def _record(header: Element | None, item: Element) -> Record | None:
    raw = item.find(f"{_OAI}metadata/{_RAW}arXivRaw")
    paper = None if raw is None else (raw.findtext(f"{_RAW}id") or "").strip()
    if header is None or raw is None or not paper:
        return None

    def text(name: str) -> str | None:
        return raw.findtext(f"{_RAW}{name}") or None

    datestamp = (header.findtext(f"{_OAI}datestamp") or "").strip() or None
    return Record(
        id=paper,
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
            Version(version=item.get("version"), created=item.findtext(f"{_RAW}date"))
            for item in raw.findall(f"{_RAW}version")
        ],
        update_date=datestamp,
        datestamp=datestamp,
    )


def _root(data: bytes) -> Element:
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except DefusedXmlException as error:
        raise _no_page("it declares entities or a document type") from error
    except (ParseError, ValueError, LookupError) as error:  # the last two: a strange encoding
        raise _no_page(f"it is no well-formed XML ({error})") from error
    if root.tag != f"{_OAI}OAI-PMH":
        raise _no_page(f"its root element is {root.tag[:80]!r}")
    return root


def _no_page(why: str) -> HarvestError:
    return HarvestError(
        f"The server's answer is no OAI-PMH page: {why}.",
        expected="an OAI-PMH 2.0 answer in XML.",
        do="Check ASTRO_OAI_URL; if it is right, run again later: whole pages are kept.",
    )


def _without_control_characters(data: bytes) -> tuple[bytes, int]:
    """Take out what makes a page ill-formed, so that one abstract does not block a window."""
    return _CONTROL.subn(b"", data)
