"""A month of changes made out of one snapshot: what stood before it, its OAI-PMH pages, and after.

Belongs here: the inputs of a benchmark. Does not belong here: what is measured on them.
"""

from __future__ import annotations

import random
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import msgspec

from astro_assets.ingest.lines import open_lines
from astro_assets.ingest.oai_xml import parse_page
from astro_assets.ingest.records import Record, Version
from astro_assets.months import Month

_ID = re.compile(rb'^\{"id": "(?P<month>\d{4})\.\d+"')
_MEMBER = "arxiv-metadata-oai-snapshot.json"
_RECORDS_PER_PAGE = 1_000
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><responseDate>{now}</responseDate>
<request verb="ListRecords">http://localhost/oai</request><ListRecords>
{records}</ListRecords></OAI-PMH>
"""
_FIELDS = {
    "submitter": "submitter",
    "title": "title",
    "authors": "authors",
    "categories": "categories",
    "comments": "comments",
    "doi": "doi",
    "report-no": "report_no",
    "journal-ref": "journal_ref",
    "license": "license",
    "abstract": "abstract",
}


@dataclass(frozen=True)
class Changes:
    """The two snapshots and what leads from one to the other."""

    before: Path
    """Snapshot without the newest month's papers, nothing edited."""
    after: Path
    """Snapshot with them, the edits made: what a fresh download would hold."""
    pages: tuple[Path, ...]
    """arXivRaw pages of the new and the edited papers."""
    n_before: int
    n_new: int
    n_edited: int
    edited_months: tuple[str, ...]


def make_changes(
    source: Path, folder: Path, newest: Month, *, edited_share: float, edited_months: int
) -> Changes:
    """Write the inputs below ``folder``; the same whenever it is done.

    Args:
        source: A snapshot whose newest month is ``newest``, with new-style ids.
        folder: Where they are written.
        newest: The month of changes.
        edited_share: Share of the older papers that are edited in it.
        edited_months: Over how many months before it the edits are spread.
    """
    folder.mkdir(parents=True, exist_ok=True)
    new, months, n_before = _new_and_older(source, newest)
    touched = sorted(months)[-edited_months:]
    n_edits = round(edited_share * n_before)
    edits = _edits(source, touched, n_edits, n_there=sum(months[m] for m in touched))
    changed = [*(_stamped(record, newest) for record in new), *edits]
    pages = tuple(_write_pages(changed, folder, newest))
    # What the pages say is what the later snapshot holds, character for character.
    said = {r.id: r for page in pages for r in parse_page(page.read_bytes()).records}
    before, after = folder / "before.zip", folder / "after.zip"
    _write_zip(before, (line for line in open_lines(source) if _month(line) != _yymm(newest)))
    _write_zip(after, _with_changes(source, said))
    return Changes(
        before, after, pages, n_before, len(new), len(edits), tuple(_iso(m) for m in touched)
    )


def _new_and_older(source: Path, newest: Month) -> tuple[list[Record], dict[str, int], int]:
    new: list[Record] = []
    months: dict[str, int] = {}
    for line in open_lines(source):
        month = _month(line)
        if month == _yymm(newest):
            new.append(_decoded(line))
        else:
            months[month] = months.get(month, 0) + 1
    return new, months, sum(months.values())


def _edits(source: Path, months: list[str], n_edits: int, *, n_there: int) -> list[Record]:
    chance = random.Random(0)
    chosen = set(chance.sample(range(n_there), min(n_edits, n_there)))
    wanted = set(months)
    lines = (line for line in open_lines(source) if _month(line) in wanted)
    return [_edited(_decoded(line), n) for n, line in enumerate(lines) if n in chosen]


def _edited(record: Record, number: int) -> Record:
    """Return what may become of a paper: half get a journal, others a new text, field or end."""
    day = f"2026-06-{1 + number % 28:02d}"
    made: dict[str, Any] = {"datestamp": day, "update_date": day}
    kind = number % 20
    if kind < 10:
        made |= {"journal_ref": f"J. Made Up {number}", "doi": f"10.5555/late.{number}"}
    else:
        source_type = "I" if kind == 19 else None
        versions = list(record.versions or [])
        created = "Mon, 1 Jun 2026 00:00:00 GMT"
        versions.append(Version(f"v{len(versions) + 1}", created, source_type))
        made["versions"] = versions
        if kind < 17:
            made["abstract"] = f"{record.abstract} We add result {number}."
        elif kind < 19:
            made["categories"] = "astro-ph.IM" if kind == 17 else "math.CO"
    return msgspec.structs.replace(record, **made)


def _stamped(record: Record, newest: Month) -> Record:
    day = record.update_date or f"{newest}-28"
    return msgspec.structs.replace(record, datestamp=day, update_date=day)


def _write_pages(records: list[Record], folder: Path, newest: Month) -> Iterator[Path]:
    for start in range(0, len(records), _RECORDS_PER_PAGE):
        text = "".join(_xml(r) for r in records[start : start + _RECORDS_PER_PAGE])
        path = folder / f"page-{start // _RECORDS_PER_PAGE:05d}.xml"
        path.write_text(_PAGE.format(now=f"{newest.plus(1)}-02T06:00:00Z", records=text))
        yield path


def _xml(record: Record) -> str:
    versions = "".join(_version(version) for version in record.versions or [])
    fields = "".join(
        f"<{tag}>{_text(value)}</{tag}>"
        for tag, name in _FIELDS.items()
        if (value := getattr(record, name)) is not None
    )
    return (
        f"<record><header><identifier>oai:arXiv.org:{record.id}</identifier>"
        f"<datestamp>{record.datestamp}</datestamp></header><metadata>"
        f'<arXivRaw xmlns="http://arxiv.org/OAI/arXivRaw/"><id>{record.id}</id>'
        f"{versions}{fields}</arXivRaw></metadata></record>\n"
    )


def _version(version: Version) -> str:
    source = "" if version.source_type is None else f"<source_type>{version.source_type}"
    return (
        f"<version version={quoteattr(version.version or '')}>"
        f"<date>{_text(version.created or '')}</date>"
        f"{source + '</source_type>' if source else ''}</version>"
    )


def _text(value: str) -> str:
    return escape(_CONTROL.sub("", value))


def _with_changes(source: Path, said: dict[str, Record]) -> Iterator[bytes]:
    encoder = msgspec.json.Encoder()
    for line in open_lines(source):
        changed = said.get(line[8 : line.index(b'"', 8)].decode())
        yield line if changed is None else encoder.encode(changed)


def _write_zip(path: Path, lines: Iterable[bytes]) -> None:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(zipfile.ZipInfo(_MEMBER), "w", force_zip64=True) as member,
    ):
        for line in lines:
            member.write(line + b"\n")


def _decoded(line: bytes) -> Record:
    return msgspec.json.decode(line, type=Record)


def _month(line: bytes) -> str:
    match = _ID.match(line)
    return match["month"].decode() if match else ""


def _yymm(month: Month) -> str:
    return f"{month.year % 100:02d}{month.number:02d}"


def _iso(yymm: str) -> str:
    return f"20{yymm[:2]}-{yymm[2:]}"
