"""What a harvest has brought so far: raw pages, and the journal that names them.

A harvest's folder holds ``page-00001.xml.gz``, … as they came and ``journal.jsonl``: one line when
the harvest began, one for each page, one for each audit, one when it ended. Both only grow. A page
is on the disk before the line that names it, so a harvest killed anywhere goes on after the last
page the journal knows; a last line cut short is not a line. A page found damaged is set aside and
its line taken out: what it held is asked for again, the other pages stay. Belongs here: files and
lines. Does not belong here: which page is asked for next (``oai``).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from astro_assets.artifacts import atomic, fingerprint
from astro_assets.errors import DamagedArtifactError
from astro_assets.ingest.oai_xml import Page, parse_page

_JOURNAL = "journal.jsonl"
_DAMAGED = ".damaged"


@dataclass(frozen=True)
class Beginning:
    """What a harvest was begun for."""

    name: str
    """The window's month, or another name of the harvest."""
    asked_from: str
    """The day it is asked from, ISO."""
    subject: str | None
    """The OAI-PMH set, or None for all of arXiv."""
    begun_at: str
    """When, UTC."""


@dataclass(frozen=True)
class KeptPage:
    """One page on disk."""

    file: str
    request: str
    """The query it answers."""
    harvested_at: str
    """When it came, UTC."""
    response_date: str
    """The server's clock."""
    sha256: str
    """Of the page as it came, before compression."""
    file_sha256: str
    n_records: int
    n_deleted: int
    n_broken: int
    n_repaired: int
    newest: str
    """The newest day of last change on it, ISO; empty where it has none."""
    next_token: str | None
    """What the next page of the list is asked with; None on the last."""


@dataclass(frozen=True)
class Ending:
    """How a harvest ended."""

    complete_at: str
    """When its last round began, UTC: nothing that changed before is missing."""
    at: str
    """When it ended, UTC: no text is newer."""
    n_papers: int
    """Different ids."""
    newest: str
    """The newest day of last change, ISO."""
    unreadable: tuple[str, ...] = ()
    """Ids the server lists and could not give."""


class Journal:
    """The pages and lines of one harvest's folder; read it with ``Journal.read``."""

    def __init__(self, folder: Path) -> None:
        """Begin with nothing."""
        self.folder = folder
        self.beginning: Beginning | None = None
        self.pages: list[KeptPage] = []
        self.audits: list[Mapping[str, Any]] = []
        self.ending: Ending | None = None
        self._n_bytes = 0
        """Of whole lines; what lies behind was cut short by a kill."""

    @classmethod
    def read(cls, folder: Path) -> Journal:
        """Return what a folder holds; nothing where there is no journal.

        Raises:
            DamagedArtifactError: the journal is none.
        """
        journal = cls(folder)
        path = folder / _JOURNAL
        data = path.read_bytes() if path.is_file() else b""
        journal._n_bytes = data.rfind(b"\n") + 1
        for line in data[: journal._n_bytes].splitlines():
            journal._take(_decoded(line, path))
        return journal

    @property
    def n_records(self) -> int:
        """Records on all pages, the same paper counted each time it came."""
        return sum(page.n_records for page in self.pages)

    def is_whole(self) -> bool:
        """Tell whether every page is there, byte for byte."""
        return all(self._is_whole(page) for page in self.pages)

    def without_damage(self) -> Journal:
        """Set damaged pages aside and forget them and the ending; return what is left."""
        damaged = {page.file for page in self.pages if not self._is_whole(page)}
        if not damaged:
            return self
        for name in damaged & {path.name for path in self.folder.iterdir()}:
            (self.folder / name).replace(self.folder / f"{name}{_DAMAGED}")
        path = self.folder / _JOURNAL
        lines = path.read_bytes()[: self._n_bytes].splitlines(keepends=True)
        kept = [line for line in lines if not _tells_of(_decoded(line, path), damaged)]
        atomic.write_bytes(path, b"".join(kept), durable=True)
        return Journal.read(self.folder)

    def begin(self, beginning: Beginning) -> None:
        """Write the first line."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._append("begin", asdict(beginning))

    def keep(self, data: bytes, page: Page, *, request: str, at: str) -> None:
        """Write a page and the line that names it."""
        packed = gzip.compress(data, mtime=0)
        name = f"page-{self._next_number():05d}.xml.gz"
        atomic.write_bytes(self.folder / name, packed, durable=True)
        kept = KeptPage(
            file=name,
            request=request,
            harvested_at=at,
            response_date=page.response_date,
            sha256=hashlib.sha256(data).hexdigest(),
            file_sha256=hashlib.sha256(packed).hexdigest(),
            n_records=len(page.records),
            n_deleted=page.n_deleted,
            n_broken=page.n_broken,
            n_repaired=page.n_repaired,
            newest=max(page.datestamps, default=""),
            next_token=page.resumption_token,
        )
        self._append("page", asdict(kept))

    def note_audit(self, *, at: str, n_listed: int, n_missing: int) -> None:
        """Write down what an audit found."""
        self._append("audit", {"at": at, "n_listed": n_listed, "n_missing": n_missing})

    def end(self, ending: Ending) -> None:
        """Write the last line: the harvest is complete."""
        self._append("end", asdict(ending))

    def read_page(self, kept: KeptPage) -> Page:
        """Return a page as it was read when it came.

        Raises:
            DamagedArtifactError: it is gone, or is not what the server sent.
        """
        path = self.folder / kept.file
        try:
            data = gzip.decompress(path.read_bytes())
        except (OSError, EOFError, zlib.error) as error:
            raise _damaged(path, str(error)) from error
        if hashlib.sha256(data).hexdigest() != kept.sha256:
            raise _damaged(path, "its bytes changed")
        return parse_page(data)

    def _next_number(self) -> int:
        """Return a number no page had: a page that was set aside keeps its own."""
        names = [page.file for page in self.pages]
        names += [path.name for path in self.folder.glob(f"page-*{_DAMAGED}")]
        return 1 + max((int(name[5:10]) for name in names), default=0)

    def _is_whole(self, page: KeptPage) -> bool:
        path = self.folder / page.file
        return path.is_file() and fingerprint.of_file(path) == page.file_sha256

    def _append(self, event: str, fields: Mapping[str, Any]) -> None:
        """Add one line, on the disk before this returns."""
        line = {"event": event, **fields}
        data = json.dumps(line).encode() + b"\n"
        with (self.folder / _JOURNAL).open("ab") as journal:
            journal.truncate(self._n_bytes)
            journal.write(data)
            journal.flush()
            os.fsync(journal.fileno())
        self._n_bytes += len(data)
        self._take(line)

    def _take(self, line: Mapping[str, Any]) -> None:
        fields = {name: value for name, value in line.items() if name != "event"}
        try:
            match line["event"]:
                case "begin":
                    self.beginning = Beginning(**fields)
                case "page":
                    self.pages.append(KeptPage(**fields))
                case "audit":
                    self.audits.append(fields)
                case "end":
                    unreadable = tuple(fields.pop("unreadable", ()))
                    self.ending = Ending(**fields, unreadable=unreadable)
        except (TypeError, KeyError) as error:
            raise _damaged(self.folder / _JOURNAL, f"an entry cannot be read ({error})") from error


def made_by(folder: Path) -> str:
    """Return the asset, and the partition of it, that goes on with the harvest in a folder.

    >>> made_by(Path("windows/2026-06")), made_by(Path("snapshots/oai-2026-06-30"))
    ('arxiv_updates, release 2026-06', 'arxiv_snapshot')
    """
    is_window = re.fullmatch(r"\d{4}-\d{2}", folder.name)
    return f"arxiv_updates, release {folder.name}" if is_window else "arxiv_snapshot"


def _decoded(line: bytes, path: Path) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise _damaged(path, f"a line is no JSON ({error})") from error
    if not isinstance(fields, dict) or "event" not in fields:
        raise _damaged(path, "a line is no entry of a harvest's journal")
    return fields


def _tells_of(line: Mapping[str, Any], damaged: set[str]) -> bool:
    return line["event"] == "end" or line.get("file") in damaged


def _damaged(path: Path, why: str) -> DamagedArtifactError:
    return DamagedArtifactError(
        f"{path} cannot be used: {why[:200]}.",
        expected="what the harvest wrote.",
        do=f"Materialise {made_by(path.parent)} again: what is damaged is set aside and asked for "
        "anew.",
    )
