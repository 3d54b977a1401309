"""Kaggle's copy of the snapshot: one version fetched once, kept as it comes, resumed after a cut.

Belongs here: which version is meant, fetching its file, and knowing it again. Does not belong
here: how Kaggle is asked (``kaggle_api``), and what is in the file (``snapshot``).

kagglehub's own download always unpacks, and appends whatever a server answers to a partial file. So
its client is asked where a version lies, and the bytes are fetched here.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astro_assets.artifacts import atomic, fingerprint, lock
from astro_assets.errors import BadSettingError, BadSnapshotError, DamagedArtifactError
from astro_assets.ingest.kaggle_api import (
    FILE,
    TIMEOUT_SECONDS,
    Api,
    Offer,
    Versions,
    connect,
    unreachable,
)
from astro_assets.progress import Progress

KIND = "kaggle"
_CHUNK_BYTES = 256 << 10
"""A cut costs what came of one chunk."""
_MAX_BYTES = 32 << 30
"""Ten times the file's size of 2026: whatever is larger is something else."""


@dataclass(frozen=True)
class Held:
    """A version of Kaggle's snapshot that lies here whole."""

    path: Path
    version: int
    created: str | None
    """ISO day (UTC) Kaggle says it was made, if it does."""


def version_of(source: str) -> int | None:
    """Return the version that ``kaggle:VERSION`` names, or None for ``kaggle``.

    Raises:
        BadSettingError: something else.

    >>> version_of("kaggle:230"), version_of("kaggle")
    (230, None)
    """
    if source == KIND:
        return None
    text = source.removeprefix(f"{KIND}:")
    # isascii: other scripts' digits pass isdigit, and some of them fail in int()
    version = int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0
    if version < 1:
        raise BadSettingError(
            f"The snapshot cannot be {source[:60]!r}.",
            expected="kaggle, or kaggle:VERSION with a whole number of at least 1: kaggle:230.",
        )
    return version


def fetch(version: int | None, root: Path, *, progress: Progress, force: bool = False) -> Held:
    """Return a version's file, fetched unless it lies here already.

    Args:
        version: The version's number. None: the newest when it is asked for the first time, and
            the same one ever after, so that a monthly run never fetches 1.5 GB by itself.
        root: Folder of the home for what comes from Kaggle; the files go to ``KAGGLEHUB_CACHE``
            where that is set.
        progress: Who is told how far it is.
        force: Look for a newer version, or go on fetching it; compare the bytes that lie here with
            those that came.

    Raises:
        BadSettingError: kagglehub is missing, or Kaggle wants (other) credentials.
        BadSnapshotError: no such version, no connection, or not the bytes that were promised.
        HomeTakenError: another process is fetching this version.
        DamagedArtifactError: a note of ours cannot be read.
    """
    newest = root / "newest.json"
    wanted = version
    if wanted is None and not force:
        wanted = _read(newest).get("version")
    held = _held(root, wanted, compare=force) if wanted else None
    if held is not None:
        return held
    with connect() as api:
        known = api.versions()
        if wanted is None:
            wanted = _chosen(known, root / "begun.json", force=force)
            held = _held(root, wanted, compare=force)
        if held is None:
            held = _fetched(api, wanted, root, known.created.get(wanted), progress=progress)
    if version is None:
        # Only now: a download that does not come to its end takes away nothing that is held.
        _write(newest, {"version": wanted})
        (root / "begun.json").unlink(missing_ok=True)
    return held


def _chosen(known: Versions, begun: Path, *, force: bool) -> int:
    """Return the newest version, or the one that a home's first download was begun with."""
    first = _read(begun).get("version")
    if not force and isinstance(first, int) and first in known.created:
        return first
    _write(begun, {"version": known.newest})
    return known.newest


def _fetched(
    api: Api, version: int, root: Path, created: str | None, *, progress: Progress
) -> Held:
    """Fetch a version, or the rest of it."""
    offer = api.offer(version)
    folder = _folder(root, version)
    with lock.exclusive(folder / ".lock", holder="a download of Kaggle's snapshot"):
        part = folder / ".part"
        _download(offer, part, f"version {version}", progress=progress)
        sha256 = _checked(offer, part)
        with part.open("rb") as handle:
            name = f"{FILE}.zip" if handle.read(2) == b"PK" else FILE
        note = {"file": name, "n_bytes": part.stat().st_size, "sha256": sha256}
        # The note first: killed after it, the next run finds the whole partial file.
        _write(folder / "about.json", note | {"version": version, "created": created})
        part.replace(folder / name)
        _identity(part).unlink(missing_ok=True)
    return Held(folder / name, version, created)


def _folder(root: Path, version: int) -> Path:
    shared = os.environ.get("KAGGLEHUB_CACHE")
    base = Path(shared).expanduser().absolute() / "astro-assets" if shared else root
    return base / str(version)


def _held(root: Path, version: int, *, compare: bool) -> Held | None:
    """Return a version that lies here whole; ``compare`` looks at its bytes, not only its size."""
    folder = _folder(root, version)
    about = _read(folder / "about.json")
    if not about:
        return None
    path = folder / str(about.get("file"))
    if not path.is_file() or path.stat().st_size != about.get("n_bytes"):
        return None
    if compare and fingerprint.of_file(path) != about.get("sha256"):
        return None
    return Held(path, version, about.get("created"))


def _download(offer: Offer, part: Path, what: str, *, progress: Progress) -> None:
    """Bring the partial file to its end, from where it ends if it is of the same offer."""
    import requests

    if (offer.n_bytes or 0) > _MAX_BYTES:
        raise BadSnapshotError(
            f"Kaggle's {what} has {offer.n_bytes:,} bytes.",
            expected=f"at most {_MAX_BYTES >> 30} GiB.",
            do="Look at the data set's page: it may no longer be what it was.",
        )
    try:
        have = _begun(offer, part)
        if have == offer.n_bytes:
            return
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        with requests.get(
            offer.url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS
        ) as answer:
            _write_body(answer, part, have, offer=offer, what=what, progress=progress)
    except requests.RequestException as error:
        raise unreachable(error, what) from None
    except OSError as error:
        raise BadSnapshotError(
            f"{part} cannot be written: {error.strerror or error}.",
            expected=f"room for {offer.n_bytes or 'some thousand million'} bytes.",
            do="Make room and run this again: what has been fetched is kept.",
        ) from error


def _begun(offer: Offer, part: Path) -> int:
    """Return how many bytes of this very offer lie here already; anything else is dropped."""
    identity = {"n_bytes": offer.n_bytes, "md5": offer.md5, "etag": offer.etag}
    same = (offer.md5 or offer.etag) and _read(_identity(part)) == identity
    have = part.stat().st_size if part.is_file() else 0
    if same and offer.n_bytes is not None and have <= offer.n_bytes:
        return have
    part.unlink(missing_ok=True)
    _write(_identity(part), identity)
    return 0


def _write_body(
    answer: Any, part: Path, have: int, *, offer: Offer, what: str, progress: Progress
) -> None:
    """Append an answer to the partial file, or write it anew where the server sends it whole."""
    total, partial = offer.n_bytes, answer.status_code == 206
    if answer.status_code == 416 or (partial and not _continues(answer, have, offer)):
        part.unlink(missing_ok=True)
        raise _refused(answer, what, then="it starts afresh")
    if answer.status_code not in (200, 206):
        raise _refused(answer, what, then="what has been fetched is kept")
    have = have if partial else 0
    with (
        progress.task("download snapshot", total=total, unit="bytes") as task,
        part.open("ab" if partial else "wb") as out,
    ):
        task.advance(have)
        for chunk in answer.iter_content(_CHUNK_BYTES):
            have += len(chunk)
            if have > (_MAX_BYTES if total is None else total):
                break  # told as a wrong size
            out.write(chunk)
            task.advance(len(chunk))
        out.flush()
        os.fsync(out.fileno())
    if have < (total or 0):
        raise BadSnapshotError(
            f"{have:,} of {total:,} bytes of Kaggle's {what} came.",
            expected="a connection that lasts.",
            do="Run this again: what has been fetched is kept.",
        )


def _continues(answer: Any, have: int, offer: Offer) -> bool:
    """Tell whether a part of a file is what comes after the bytes that lie here."""
    etag = answer.headers.get("ETag", offer.etag)
    starts = answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
    return have > 0 and starts and etag == (offer.etag or etag)


def _refused(answer: Any, what: str, *, then: str) -> BadSnapshotError:
    return BadSnapshotError(
        f"The server that keeps Kaggle's {what} answered {answer.status_code}.",
        expected="the file, or the rest of it.",
        do=f"Run this again later: {then}.",
    )


def _checked(offer: Offer, part: Path) -> str:
    """Return the sha256 of what was fetched, after comparing it with what was promised."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    n_bytes = 0
    with part.open("rb") as handle:
        while chunk := handle.read(_CHUNK_BYTES):
            n_bytes += len(chunk)
            md5.update(chunk)
            sha256.update(chunk)
    told = base64.b64encode(md5.digest()).decode()
    if (offer.md5 or told) != told or (offer.n_bytes or n_bytes) != n_bytes or not n_bytes:
        part.unlink()
        raise BadSnapshotError(
            f"What Kaggle sent has {n_bytes:,} bytes and the MD5 {told}.",
            expected=f"{offer.n_bytes or 'some'} bytes and the MD5 {offer.md5 or '(not told)'}.",
            do="Run this again: it starts afresh.",
        )
    return sha256.hexdigest()


def _identity(part: Path) -> Path:
    return part.with_name(".part.json")


def _write(path: Path, note: dict[str, Any]) -> None:
    try:
        atomic.write_text(path, json.dumps(note, sort_keys=True) + "\n", durable=True)
    except OSError as error:
        raise BadSnapshotError(
            f"{path} cannot be written: {error.strerror or error}.",
            do="Make room and run this again: what has been fetched is kept.",
        ) from error


def _read(path: Path) -> dict[str, Any]:
    """Return a note of ours, or an empty one where there is none."""
    if not path.is_file():
        return {}
    try:
        note = json.loads(path.read_bytes())
    except ValueError:
        note = None
    if not isinstance(note, dict):
        raise DamagedArtifactError(
            f"{path} is not a note of a download.", do="Remove that file and run this again."
        )
    return note
