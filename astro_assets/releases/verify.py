"""Is a release still what it was? Its kept files, and a rebuild of it, against its manifests.

What does not belong here: how it is rebuilt (``rebuild``) and how a difference is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa

from astro_assets.artifacts import fingerprint
from astro_assets.artifacts.manifest import Built, Manifest, Store
from astro_assets.errors import BadSettingError
from astro_assets.progress import Progress
from astro_assets.releases.origin import Origin, origin_of, raw_snapshot
from astro_assets.releases.rebuild import rebuild
from astro_assets.releases.scratch import scratch_folder

ABSENT = "no such file"
NOT_REPEATED = "Training, evaluation and promotion are not repeated."

_REFUSALS = (OSError, duckdb.Error, pa.ArrowException, pl.exceptions.PolarsError)
"""What ends a rebuild without telling anything: no room, no memory, no right to read."""

_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")
_CONTENT = re.compile(r"-[0-9a-f]{16}(?=[./]|$)")


@dataclass(frozen=True)
class Difference:
    """One thing that is not what the manifest says."""

    asset: str
    month: str
    """``YYYY-MM`` of the file; empty where the asset as a whole differs."""
    what: str
    """``kept file``, ``rebuilt file``, ``rebuilt content`` or ``parent``."""
    name: str
    """File below the asset's folder, or the parent's name."""
    expected: str
    """sha256 (hex), or ``no such file``."""
    found: str


@dataclass(frozen=True)
class Verification:
    """What a verification found."""

    release: str
    compared: dict[str, int]
    """Asset -> files that were compared with the rebuilt ones, byte for byte."""
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    """What was not done, and what else should be known."""

    @property
    def is_clean(self) -> bool:
        """Whether everything is what it was."""
        return not self.differences


def verify_release(
    store: Store, release: str, *, from_papers: bool, progress: Progress
) -> Verification:
    """Rebuild a release in a scratch folder and compare fingerprints and all bytes.

    Takes no lock and changes no manifest: it only reads what the home keeps.

    Args:
        store: The home's manifests.
        release: The release month.
        from_papers: Start from the kept snapshot_papers, where the raw snapshot is gone.
        progress: Told by every stage.

    Raises:
        MissingArtifactError: the release was never made, or something it was made from is gone.
        DamagedArtifactError: the raw snapshot has changed.
        BadSettingError: the home's folder cannot be read, or has no room for the rebuild.
    """
    with _telling(store, release):
        return _verified(store, release, from_papers=from_papers, progress=progress)


@contextmanager
def _telling(store: Store, release: str) -> Iterator[None]:
    """Turn what disk or engine refuse into an error that says so: it says nothing of a release."""
    try:
        yield
    except _REFUSALS as error:
        reason = " ".join(str(error).split())[:300] or "no reason given"
        raise BadSettingError(
            f"Release {release} could not be verified, {type(error).__name__}: {reason}. This "
            "tells nothing about the release.",
            expected=f"a home whose files can be read, and room in {store.home.root} for a second "
            "copy of the release.",
            do="Mend what the reason says, then verify again; what was written aside is removed.",
        ) from error


def _verified(store: Store, release: str, *, from_papers: bool, progress: Progress) -> Verification:
    origin = origin_of(store, release)
    raw = None if from_papers else raw_snapshot(store, origin.astro)
    found = [*_parents(origin), *_kept(store, origin, progress=progress)]
    notes = [*origin.moved_code(), *_not_made(origin, from_papers=from_papers), NOT_REPEATED]
    inputs = {"arxiv_updates", *(["snapshot_papers"] if from_papers else [])}
    damaged = {d.asset for d in found if d.what == "kept file"} & inputs
    if damaged:
        notes.insert(0, f"Not rebuilt: {' and '.join(sorted(damaged))} cannot be trusted.")
        return Verification(release, {}, tuple(found), tuple(notes))
    compared: dict[str, int] = {}
    with scratch_folder(store.home) as scratch:
        for manifest, built in rebuild(store, origin, raw, scratch, progress=progress):
            found += _rebuilt(manifest, built)
            compared[manifest.asset] = len(built.files)
    return Verification(release, compared, tuple(found), tuple(notes))


def _not_made(origin: Origin, *, from_papers: bool) -> Iterator[str]:
    if from_papers:
        yield "Started from the kept snapshot_papers; the raw snapshot was not read."
    parts = {
        "general_papers": origin.general,
        "token_blocks": origin.blocks,
        "near_copies": origin.near_copies,
    }
    for name, manifest in parts.items():
        if manifest is None:
            yield f"The release has no {name}."


def _parents(origin: Origin) -> Iterator[Difference]:
    """Yield where one part of a release was made from another state of it than is current."""
    held = {m.asset: m for m in origin.manifests()}
    for child in (origin.astro, origin.general, origin.blocks, origin.near_copies):
        for name, content in child.parents.items() if child else ():
            if child and name in held and held[name].fingerprint != content:
                found = held[name].fingerprint
                yield Difference(child.asset, "", "parent", name, content, found)


def _kept(store: Store, origin: Origin, *, progress: Progress) -> list[Difference]:
    """Read every file the release's manifests guard."""
    manifests = origin.manifests()
    n_files = sum(len(manifest.files) for manifest in manifests)
    found: list[Difference] = []
    with progress.task("read kept files", total=float(n_files), unit="files") as task:
        for manifest in manifests:
            for name, expected in manifest.files.items():
                now = _sha256(store.path_of(manifest), name)
                task.advance(1, asset=manifest.asset)
                if now != expected:
                    found.append(_difference(manifest, "kept file", name, expected, now))
    return found


def _sha256(folder: Path, name: str) -> str:
    path = folder / name
    return fingerprint.of_file(path) if path.is_file() else ABSENT


def _rebuilt(manifest: Manifest, built: Built) -> Iterator[Difference]:
    """Yield where what was made now is not what the manifest lists."""
    if manifest.fingerprint != built.fingerprint:
        yield Difference(
            manifest.asset, "", "rebuilt content", "", manifest.fingerprint, built.fingerprint
        )
    was, now = _by_slot(manifest.files), _by_slot(built.files)
    for slot in sorted(was.keys() | now.keys()):
        if was.get(slot) != now.get(slot):
            name, expected = was.get(slot, ("", ABSENT))
            new_name, found = now.get(slot, ("", ABSENT))
            yield _difference(manifest, "rebuilt file", name or new_name, expected, found)


def _by_slot(files: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the file's place in the release -> name and sha256: names differ where content does.

    >>> _by_slot({"2026-06-0123456789abcdef.parquet": "aa"})
    {'2026-06.parquet': ('2026-06-0123456789abcdef.parquet', 'aa')}
    """
    return {_CONTENT.sub("", name): (name, digest) for name, digest in files.items()}


def _difference(manifest: Manifest, what: str, name: str, expected: str, found: str) -> Difference:
    month = _MONTH.search(name)
    return Difference(manifest.asset, month[0] if month else "", what, name, expected, found)
