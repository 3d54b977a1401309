"""The text of arXiv's answers: envelope, errors, headers and arXivRaw records.

Belongs here: the elements, in the server's order. Does not belong here: which records stand on a
page (``arxiv_answers``) and what goes wrong on the way (``arxiv_faults``).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from tests.fakes.arxiv_sets import record_sets

RESPONSE_DATE = "2026-07-02T00:00:00Z"
BASE_URL = "https://oaipmh.arxiv.org/oai"
ID_PREFIX = "oai:arXiv.org:"
FORMATS = ("oai_dc", "arXiv", "arXivOld", "arXivRaw")
HTML_500 = (
    b"<!doctype html>\n<html lang=en>\n<title>500 Internal Server Error</title>\n"
    b"<h1>Internal Server Error</h1>\n<p>The server encountered an internal error and was unable "
    b"to complete your request. Either the server is overloaded or there is an error in the "
    b"application.</p>\n"
)
ERRORS = {
    "badArgument": "The request includes illegal arguments, is missing required arguments, "
    "includes a repeated argument, or values for arguments have an illegal syntax.",
    "badResumptionToken": "The value of the resumptionToken argument is invalid or expired.",
    "badVerb": "Value of the verb argument is not a legal OAI-PMH verb, the verb argument is "
    "missing, or the verb argument is repeated.",
    "cannotDisseminateFormat": "The metadata format identified by the value given for the "
    "metadataPrefix argument is not supported by the item or by the repository.",
    "idDoesNotExist": "The value of the identifier argument is unknown or illegal in this "
    "repository.",
    "noRecordsMatch": "The combination of the values of the from, until, set and metadataPrefix "
    "arguments results in an empty list.",
}
# In the server's order; the versions stand between submitter and title.
_FIELDS = (
    "title", "authors", "categories", "comments", "proxy", "report-no", "acm-class", "msc-class",
    "journal-ref", "doi", "license", "abstract",
)  # fmt: skip


def envelope(
    inside: str,
    *,
    date: str = RESPONSE_DATE,
    url: str = "http://127.0.0.1/oai",
    echo: dict[str, str] | None = None,
) -> bytes:
    """Return a whole answer round ``inside``; ``echo`` is what the server repeats of a request."""
    attributes = "".join(f" {name}={quoteattr(text)}" for name, text in (echo or {}).items())
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/" \n'
        '         xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"\n'
        '         xsi:schemaLocation="http://www.openarchives.org/OAI/2.0/ '
        'http://www.openarchives.org/OAI/2.0/OAI-PMH.xsd">\n'
        f"    <responseDate>{date}</responseDate>\n"
        f"    <request{attributes}>{escape(url)}</request>\n\n    {inside}\n</OAI-PMH>"
    ).encode()


def error_element(code: str, reason: str = "") -> str:
    """Return an ``<error>`` with the server's words for the code; others than its own get none."""
    text = ERRORS.get(code, "") + (f" Reason: {reason}" if reason else "")
    return f"<error code={quoteattr(code)}>{escape(text)}</error>"


def error_page(code: str, reason: str = "") -> bytes:
    """Return an OAI-PMH error as a whole answer."""
    return envelope(error_element(code, reason))


def header_xml(record: dict[str, Any], sets: list[str]) -> str:
    """Return one ``<header>``."""
    status = ' status="deleted"' if record.get("deleted") else ""
    specs = "".join(f"<setSpec>{escape(spec)}</setSpec>" for spec in sets)
    return (
        f"<header{status}><identifier>{ID_PREFIX}{escape(record['id'])}</identifier>"
        f"<datestamp>{record['datestamp']}</datestamp>{specs}</header>"
    )


def record_xml(record: dict[str, Any]) -> str:
    """Return one ``<record>`` in arXivRaw, without the elements the record lacks."""
    header = header_xml(record, record_sets(record.get("categories") or ""))
    if record.get("deleted"):
        return f"<record>{header}</record>"
    versions = "".join(_version_xml(version) for version in record["versions"] or ())
    before, after = _elements(record, ("id", "submitter")), _elements(record, _FIELDS)
    raw = (
        '<arXivRaw xmlns="http://arxiv.org/OAI/arXivRaw/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation='
        '"http://arxiv.org/OAI/arXivRaw/ https://oaipmh.arxiv.org/OAI/arXivRaw.xsd">'
        f"{before}{versions}{after}</arXivRaw>"
    )
    return f"<record>{header}<metadata>{raw}</metadata></record>\n"


def _elements(record: dict[str, Any], names: tuple[str, ...]) -> str:
    return "".join(
        f"<{name}>{escape(record[name])}</{name}>" for name in names if record.get(name) is not None
    )


def _version_xml(version: dict[str, Any]) -> str:
    kind = version.get("source_type")
    return (
        f"<version version={quoteattr(version['version'])}><date>{escape(version['created'])}"
        f"</date><size>{escape(version.get('size') or '12kb')}</size>"
        + (f"<source_type>{escape(kind)}</source_type>" if kind else "")
        + "</version>"
    )


def identify_xml() -> str:
    """Return what Identify says; the base URL is the live one, wherever the server runs."""
    return (
        f"<Identify><repositoryName>arXiv</repositoryName><baseURL>{BASE_URL}</baseURL>"
        "<protocolVersion>2.0</protocolVersion><adminEmail>help@arxiv.org</adminEmail>"
        "<earliestDatestamp>2005-09-16</earliestDatestamp><deletedRecord>persistent</deletedRecord>"
        "<granularity>YYYY-MM-DD</granularity></Identify>"
    )


def formats_xml() -> str:
    """Return the four formats the real server has; only arXivRaw's records are made here."""

    def one(prefix: str) -> str:
        home = "www.openarchives.org/OAI/2.0" if prefix == "oai_dc" else "oaipmh.arxiv.org/OAI"
        space = home if prefix == "oai_dc" else "arxiv.org/OAI"
        return (
            f"<metadataFormat><metadataPrefix>{prefix}</metadataPrefix>"
            f"<schema>https://{home}/{prefix}.xsd</schema>"
            f"<metadataNamespace>http://{space}/{prefix}/</metadataNamespace></metadataFormat>"
        )

    return f"<ListMetadataFormats>{''.join(map(one, FORMATS))}</ListMetadataFormats>"


def stamp(moment: datetime) -> str:
    """Return a moment as the protocol writes it, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
