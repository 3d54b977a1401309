"""One harvest window: arXivRaw pages asked for one by one, kept raw, resumed after the last whole.

A window's folder holds ``page-00001.xml.gz``, … as they came and ``state.json``, which names the
pages that count, the token the next one is asked with, and whether the window is complete. A page
is written before the state that names it, so a harvest killed anywhere goes on after the last page
the state knows. Windows are asked without ``until`` and without a set: a paper that leaves a
subject leaves its set too. The two days before the month are there because records shift between
pages while a harvest runs.

Belongs here: the order of pages and what lies on disk. Does not belong here: merging windows
(``warehouse``).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import httpx
import pyarrow as pa

from astro_assets.artifacts import atomic, fingerprint
from astro_assets.artifacts.manifest import Built
from astro_assets.errors import DamagedArtifactError, HarvestError, MissingArtifactError
from astro_assets.ingest.oai_http import Requester
from astro_assets.ingest.oai_xml import Page, ProtocolError, parse_page
from astro_assets.ingest.records import to_batch
from astro_assets.months import Month
from astro_assets.progress import Progress

OVERLAP = timedelta(days=2)
EARLIEST = date(2005, 9, 16)
"""Before this day arXiv's server refuses ``from``."""
MAX_PAGES = 20_000
_MAX_RESTARTS = 3


@dataclass(frozen=True)
class _KeptPage:
    """One page on disk."""

    file: str
    sha256: str
    """Of the page as it came, before compression."""
    file_sha256: str
    n_records: int
    n_deleted: int
    n_broken: int
    n_control_characters: int
    response_date: str


@dataclass(frozen=True)
class _State:
    """How far a window's harvest is."""

    window: str
    asked_from: str
    harvested_at: str
    """When its first page was asked for, UTC."""
    pages: list[_KeptPage] = field(default_factory=list)
    next_token: str | None = None
    is_complete: bool = False

    def with_page(self, kept: _KeptPage, token: str | None) -> _State:
        return replace(self, pages=[*self.pages, kept], next_token=token, is_complete=token is None)


def harvest_window(
    base_url: str, month: Month, folder: Path, *, contact: str, progress: Progress,
    clock: Callable[[], datetime], sleep: Callable[[float], None], client: httpx.Client,
) -> Built:  # fmt: skip
    """Harvest what arXiv added or changed since the month began, or go on with it.

    Args:
        base_url, month: The OAI-PMH address and the window, asked from its first day minus two.
        folder: Where its pages lie or shall lie.
        contact: Mail address for the User-Agent.
        progress: Told one step a page.
        clock, sleep, client: The time now (UTC), waiting, and sending.

    Returns:
        The folder; its fingerprint is over the pages' sha256 in order.

    Raises:
        HarvestError: no answer, no OAI-PMH, nothing yet, another window's folder. Pages are kept.
        BadSettingError: the address or the contact cannot be used.
        DamagedArtifactError: ``state.json`` cannot be read.
    """
    requester = Requester(base_url, contact=contact, client=client, clock=clock, sleep=sleep)
    state = _resumable(folder, month)
    for _ in range(_MAX_RESTARTS):
        if state is None:
            state = _State(str(month), _first_day(month).isoformat(), _utc(clock()))
        try:
            state = _fetch_rest(state, folder, requester, progress=progress)
        except ProtocolError as error:
            if error.code != "badResumptionToken":
                raise
            state = None  # expired, at midnight UTC: the window starts over
            continue
        _remove_strays(folder, state)
        return _built(folder, state)
    raise HarvestError(
        f"The server refused its own resumption tokens {_MAX_RESTARTS} times in window {month}.",
        expected="a token that is good for a day.",
        do="Run again later.",
    )


def held_window(folder: Path) -> Built | None:
    """Return a window that was harvested to its end and is whole, else None; asks nobody.

    Raises:
        DamagedArtifactError: ``state.json`` cannot be read.
    """
    state = _load(folder)
    if state is None or not state.is_complete:
        return None
    built = _built(folder, state)
    whole = all(
        (folder / name).is_file() and fingerprint.of_file(folder / name) == digest
        for name, digest in built.files.items()
    )
    return built if whole else None


def read_window(folder: Path) -> Iterator[pa.RecordBatch]:
    """Yield the records of a harvested window, one batch of RECORD_SCHEMA a page.

    Raises:
        MissingArtifactError: the window was not harvested to its end.
        DamagedArtifactError: a page is gone or is not what the server sent.
    """
    state = _load(folder)
    if state is None or not state.is_complete:
        raise MissingArtifactError(
            f"The window in {folder} has not been harvested to its end.",
            do="Materialise arxiv_updates for its month.",
        )
    for kept in state.pages:
        yield to_batch(parse_page(_read_page(folder, kept)).records)


def _fetch_rest(state: _State, folder: Path, requester: Requester, *, progress: Progress) -> _State:
    """Ask for page after page until the last one."""
    with progress.task(f"harvest {state.window}", unit="pages") as task:
        while not state.is_complete:
            data = requester.get(_query(state))
            page = parse_page(data)
            _check(page, state)
            kept = _keep(data, page, folder, number=len(state.pages) + 1)
            state = state.with_page(kept, page.resumption_token)
            _save(folder, state)
            task.advance(1, records=sum(p.n_records for p in state.pages))
    return state


def _query(state: _State) -> str:
    """Return the arguments of the next request; a token excludes all others."""
    if state.next_token is None:
        return f"verb=ListRecords&metadataPrefix=arXivRaw&from={state.asked_from}"
    return f"verb=ListRecords&resumptionToken={quote(state.next_token, safe='')}"


def _check(page: Page, state: _State) -> None:
    """Refuse a page that would end the window wrongly or never."""
    if not page.records and not page.n_deleted:
        raise HarvestError(
            f"A page of window {state.window} holds no record that can be read "
            f"({page.n_broken} without arXivRaw metadata).",
            expected="records, or the error noRecordsMatch.",
            do="Try again later: an empty answer does not mean that there is nothing.",
        )
    if page.resumption_token is not None and page.resumption_token == state.next_token:
        raise HarvestError(
            f"Window {state.window}: the server repeats the token it was asked with.",
            expected="a new token on every page but the last.",
            do="Run again later: whole pages are kept.",
        )
    if len(state.pages) >= MAX_PAGES:
        raise HarvestError(f"Window {state.window} has more than {MAX_PAGES:,} pages.")


def _keep(data: bytes, page: Page, folder: Path, *, number: int) -> _KeptPage:
    packed = gzip.compress(data, mtime=0)
    name = f"page-{number:05d}.xml.gz"
    atomic.write_bytes(folder / name, packed, durable=True)
    return _KeptPage(
        file=name,
        sha256=hashlib.sha256(data).hexdigest(),
        file_sha256=hashlib.sha256(packed).hexdigest(),
        n_records=len(page.records),
        n_deleted=page.n_deleted,
        n_broken=page.n_broken,
        n_control_characters=page.n_control_characters,
        response_date=page.response_date,
    )


def _read_page(folder: Path, kept: _KeptPage) -> bytes:
    path = folder / kept.file
    try:
        data = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, str(error)) from error
    if hashlib.sha256(data).hexdigest() != kept.sha256:
        raise _damaged(path, "its bytes changed")
    return data


def _damaged(path: Path, why: str) -> DamagedArtifactError:
    return DamagedArtifactError(
        f"{path} cannot be used: {why[:200]}.",
        expected="the page as the server sent it.",
        do="Remove its folder and harvest the window again.",
    )


def _resumable(folder: Path, month: Month) -> _State | None:
    """Return the state to go on from, if every page of it is still whole."""
    state = _load(folder)
    if state is None:
        return None
    if state.window != str(month):
        raise HarvestError(
            f"{folder} holds window {state.window}, not {month}.",
            expected="a folder of its own for each window.",
        )
    for kept in state.pages:
        path = folder / kept.file
        if not path.is_file() or fingerprint.of_file(path) != kept.file_sha256:
            return None
    return state


def _load(folder: Path) -> _State | None:
    path = folder / "state.json"
    if not path.is_file():
        return None
    try:
        fields = json.loads(path.read_bytes())
        return _State(**{**fields, "pages": [_KeptPage(**page) for page in fields["pages"]]})
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(path, f"it is no harvest state ({error})") from error


def _save(folder: Path, state: _State) -> None:
    atomic.write_text(folder / "state.json", json.dumps(asdict(state), indent=1), durable=True)


def _remove_strays(folder: Path, state: _State) -> None:
    """Remove pages of a pass that was given up."""
    named = {kept.file for kept in state.pages}
    for path in folder.glob("page-*.xml.gz"):
        if path.name not in named:
            path.unlink()


def _built(folder: Path, state: _State) -> Built:
    pages = state.pages
    return Built(
        fingerprint=fingerprint.of_value([kept.sha256 for kept in pages]),
        path=folder.absolute(),
        counts={
            "n_pages": len(pages),
            "n_records": sum(kept.n_records for kept in pages),
            "n_deleted": sum(kept.n_deleted for kept in pages),
            "n_broken": sum(kept.n_broken for kept in pages),
            "n_control_characters": sum(kept.n_control_characters for kept in pages),
        },
        files={kept.file: kept.file_sha256 for kept in pages},
        facts={
            "window": state.window,
            "from": state.asked_from,
            "harvested_at": state.harvested_at,
            "first_response_date": pages[0].response_date,
        },
    )


def _first_day(month: Month) -> date:
    return max(month.start.date() - OVERLAP, EARLIEST)


def _utc(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
