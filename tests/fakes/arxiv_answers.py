"""What arXiv's server answers to a request: arguments checked, records chosen, pages cut.

Belongs here: the six verbs, in the order in which the server checks things. Does not belong here:
HTTP and the log of requests (``arxiv_oai``), the elements' text (``arxiv_xml``), faults.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from tests.fakes.arxiv_sets import all_sets, identifier_sets, in_set
from tests.fakes.arxiv_tokens import TokenError, read_token, write_token
from tests.fakes.arxiv_xml import (
    FORMATS,
    HTML_500,
    ID_PREFIX,
    envelope,
    error_element,
    formats_xml,
    header_xml,
    identify_xml,
    record_xml,
    stamp,
)

if TYPE_CHECKING:
    from tests.fakes.arxiv_oai import FakeArxiv

EARLIEST = "2005-09-16"
HEADERS_PER_RECORD = 2.5
"""How many more headers than records the real server puts on a page (100 beside 40)."""
_HOUR, _CLOSED, _PAPER_AGE, _YEAR = 3_600, 345_600, 800_000, 31_536_000
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_PAPER = re.compile(r"(\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})(?:v\d+)?", re.ASCII)
_LIST_ARGUMENTS = ("from", "verb", "set", "metadataPrefix", "until")
_MADE = ("arXivRaw",)
_GET_ARGUMENTS = ("metadataPrefix", "identifier", "verb")


@dataclass(frozen=True)
class Reply:
    """One answer before it goes out."""

    body: bytes
    status: int = 200
    content_type: str = "text/xml"
    max_age: int | None = None
    """Seconds the server lets its cache keep the answer."""


class Refused(Exception):  # noqa: N818 - an answer, not a failure of ours
    """The request is answered with an OAI-PMH error."""

    def __init__(self, code: str, reason: str = "", echo: dict[str, str] | None = None) -> None:
        super().__init__(code)
        self.code, self.reason, self.echo = code, reason, echo or {}


class Broken(Exception):  # noqa: N818 - as above
    """The server program dies of the request: HTTP 500 in HTML."""


def reply_to(fake: FakeArxiv, query: str) -> Reply:
    """Answer a query string (or the body of a POST)."""
    moment = fake.moment()
    try:
        inside, echo, max_age = _answer(fake, parse_qsl(query, keep_blank_values=True))
    except Broken:
        return Reply(HTML_500, 500, "text/html; charset=utf-8")
    except Refused as refused:
        inside, echo = error_element(refused.code, refused.reason), refused.echo
        max_age = int((midnight_after(moment) - moment).total_seconds())
    body = envelope(inside, date=stamp(moment), url=fake.url, echo=echo)
    return Reply(body, max_age=max_age)


def midnight_after(moment: datetime) -> datetime:
    """Return the next midnight UTC, when tokens and cached errors end."""
    return datetime.combine(moment.astimezone(UTC).date() + timedelta(1), time(), UTC)


def _answer(
    fake: FakeArxiv, pairs: list[tuple[str, str]]
) -> tuple[str, dict[str, str], int | None]:
    arguments = dict(pairs)
    if len(arguments) < len(pairs):
        raise Refused("badArgument", "Duplicate parameters not allowed")
    verb = arguments.get("verb", "")
    if verb in ("ListRecords", "ListIdentifiers"):
        inside, echo, is_closed = _list(fake, arguments)
        return inside, echo, _CLOSED if is_closed else _HOUR
    if verb == "GetRecord":
        return *_get(fake, arguments), _PAPER_AGE
    if verb == "ListMetadataFormats":
        return *_formats(fake, arguments), _YEAR
    if verb == "ListSets":
        return *_sets(arguments), _YEAR
    if verb != "Identify":
        raise Refused("badVerb", "Invalid verb provided")
    if len(arguments) > 1:
        raise Refused("badArgument", "No other parameters allowed for Identify")
    return identify_xml(), {"verb": verb}, _YEAR


def _sets(arguments: dict[str, str]) -> tuple[str, dict[str, str]]:
    if arguments.keys() == {"verb", "resumptionToken"}:
        raise Refused("badArgument", "Invalid token")
    if len(arguments) > 1:
        raise Refused("badArgument", "No other parameters allowed")
    # The real server has names for them; nothing here reads them.
    sets = "".join(
        f"<set><setSpec>{spec}</setSpec><setName>{spec}</setName></set>" for spec in all_sets()
    )
    return f"<ListSets>{sets}</ListSets>", {"verb": "ListSets"}


def _formats(fake: FakeArxiv, arguments: dict[str, str]) -> tuple[str, dict[str, str]]:
    echo = {"verb": "ListMetadataFormats"}
    if not arguments.keys() <= {"verb", "identifier"}:
        raise Refused("badArgument", "Only allowed parameters are verb, identifier")
    if "identifier" in arguments:
        paper = _paper(arguments["identifier"])
        echo["identifier"] = arguments["identifier"]
        if fake.find(paper) is None:
            raise Refused("idDoesNotExist", "No paper with that ID.", echo)
    return formats_xml(), echo


def _get(fake: FakeArxiv, arguments: dict[str, str]) -> tuple[str, dict[str, str]]:
    if arguments.keys() != set(_GET_ARGUMENTS):
        expected = ", ".join(_GET_ARGUMENTS)
        raise Refused(
            "badArgument", f"Parameters provided did not match expected. Expected: {expected}"
        )
    paper = _paper(arguments["identifier"])
    echo = {"verb": "GetRecord", "identifier": arguments["identifier"]}
    _check_format(arguments["metadataPrefix"], _MADE, echo)
    echo["metadataPrefix"] = arguments["metadataPrefix"]
    record = fake.find(paper)
    if record is None:
        raise Refused("idDoesNotExist", "Nothing found for this ID", echo)
    return f"<GetRecord>{_whole(fake, record)}</GetRecord>", echo


def _paper(identifier: str) -> str:
    """Return the paper an identifier names, without its version."""
    if not identifier.startswith(ID_PREFIX):
        raise Refused("idDoesNotExist", f"All identifiers start with: {ID_PREFIX}")
    found = _PAPER.fullmatch(identifier.removeprefix(ID_PREFIX))
    if found is None:
        raise Refused("idDoesNotExist", "Invalid arXiv_id structure")
    return found[1]


def _check_format(prefix: str, known: tuple[str, ...], echo: dict[str, str]) -> None:
    if prefix not in known:
        raise Refused("cannotDisseminateFormat", "Did not recognize requested format", echo)


def _list(fake: FakeArxiv, arguments: dict[str, str]) -> tuple[str, dict[str, str], bool]:
    """Return a page, the echo, and whether the window is over (so that it is cached longer)."""
    verb, skip = arguments["verb"], 0
    echo = {"verb": verb}
    token = arguments.get("resumptionToken")
    if token is not None:
        if len(arguments) > 2:
            raise Refused("badArgument", "No other paramters allowed with resumptionToken")
        arguments, skip, echo = _resumed(fake, verb, token)
    wanted = _checked(arguments, echo, just_ids=verb == "ListIdentifiers", now=fake.moment())
    if token is None:
        echo = wanted  # one object, as there: a token's `from` shows in the echo of its request
    per_page = fake.per_page if verb == "ListRecords" else fake.headers_on_a_page()
    shown, after = _page(fake.in_order(), wanted, skip, per_page=per_page, echo=echo)
    end = "<resumptionToken/>" if token is not None else ""
    if after is not None:
        text = write_token(wanted, after)
        expires = fake.issue(text)
        end = f"<resumptionToken expirationDate='{stamp(expires)}'>{text}</resumptionToken>"
    is_closed = wanted.get("until", fake.today()) < fake.today()
    return f"<{verb}>{_items(fake, verb, shown)}{end}</{verb}>", echo, is_closed


def _items(fake: FakeArxiv, verb: str, shown: list[dict[str, Any]]) -> str:
    if verb == "ListRecords":
        return "".join(_whole(fake, record) for record in shown)
    if fake.poisoned_headers and any(record["id"] in fake.poisoned for record in shown):
        raise Broken
    return "".join(
        header_xml(record, identifier_sets(record.get("categories") or "")) + "\n"
        for record in shown
    )


def _resumed(fake: FakeArxiv, verb: str, token: str) -> tuple[dict[str, str], int, dict[str, str]]:
    try:
        arguments, skip = read_token(token)
    except TokenError as error:
        raise Refused("badResumptionToken", str(error)) from error
    text = write_token(arguments, skip)
    echo = {"verb": verb, "resumptionToken": text}
    if arguments["verb"] != verb:
        raise Refused("badResumptionToken", "token from different verb", echo)
    if fake.is_expired(text):
        raise Refused("badResumptionToken", "Token has expired", echo)
    return arguments, skip, echo


def _checked(
    arguments: dict[str, str], echo: dict[str, str], *, just_ids: bool, now: datetime
) -> dict[str, str]:
    """Return the arguments in the order in which a token holds them."""
    if "metadataPrefix" not in arguments:
        raise Refused("badArgument", "metadataPrefix required.")
    if not arguments.keys() <= set(_LIST_ARGUMENTS):
        allowed = ", ".join(_LIST_ARGUMENTS)
        raise Refused("badArgument", f"Unallowed parameter. Allowed parameters: {allowed}")
    _check_format(arguments["metadataPrefix"], FORMATS if just_ids else _MADE, echo)
    names = ("verb", "metadataPrefix", "from", "until", "set")
    wanted = {name: arguments[name] for name in names if arguments.get(name)}
    for name in ("from", "until"):
        if name in wanted and not _is_day(wanted[name]):
            raise Refused("badArgument", f"{name} date format must be YYYY-MM-DD")
    if "set" in wanted and wanted["set"] not in all_sets():
        levels = wanted["set"].count(":")
        raise Refused(
            "badArgument", "Set has too many levels" if levels > 2 else "Set does not exist"
        )
    _check_order(wanted, now)
    return wanted


def _check_order(wanted: dict[str, str], now: datetime) -> None:
    first, last = wanted.get("from", EARLIEST), wanted.get("until", str(now.date()))
    if first > last:
        raise Refused("badArgument", "until date must be greater than or equal to from date")
    if first < EARLIEST:
        raise Refused("badArgument", "start date too early")
    end = datetime.combine(datetime.strptime(last, "%Y-%m-%d"), time(23, 59, 59), UTC)
    if end > now + timedelta(days=1):
        raise Refused("badArgument", "until date too late")


def _is_day(text: str) -> bool:
    try:
        return bool(_DAY.fullmatch(text) and datetime.strptime(text, "%Y-%m-%d"))
    except ValueError:
        return False


def _page(
    records: list[dict[str, Any]],
    wanted: dict[str, str],
    skip: int,
    *,
    per_page: int,
    echo: dict[str, str],
) -> tuple[list[dict[str, Any]], int | None]:
    """Return the records of one page, and what the next is to skip (None: this is the last).

    Where the next begins on another day than this page, ``wanted["from"]`` becomes that day.
    """
    first, last = wanted.get("from", EARLIEST), wanted.get("until", "9999")
    found = [
        record
        for record in records
        if first <= record["datestamp"] <= last
        and ("set" not in wanted or in_set(record.get("categories") or "", wanted["set"]))
    ]
    chosen = found[skip : skip + per_page + 1]
    if not chosen:
        raise Refused("noRecordsMatch", echo=echo)
    shown = sorted(chosen[:per_page], key=lambda record: (record["datestamp"], record["id"]))
    if len(chosen) <= per_page:
        return shown, None
    day = chosen[-1]["datestamp"]
    if day == chosen[0]["datestamp"]:
        return shown, skip + per_page
    wanted["from"] = day
    return shown, sum(record["datestamp"] == day for record in shown)


def _whole(fake: FakeArxiv, record: dict[str, Any]) -> str:
    """Return a record's XML with what is always wrong with this record."""
    if record["id"] in fake.poisoned:
        raise Broken
    text = record_xml(record)
    if record["id"] in fake.ill_formed:
        text = text.replace("<title>", "<title>a <b ", 1)
    if record["id"] in fake.control:
        text = text.replace("</abstract>", "\x0b</abstract>", 1)
    return text
