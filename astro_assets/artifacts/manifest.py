"""Manifests: what was made, from what, and where it lies; and the store that keeps them.

Two hashes, kept apart on purpose:

- ``key``: sha256 over code version, parameters and the parents' fingerprints. Equal key, equal
  work: the store re-uses it, also across releases.
- ``fingerprint``: sha256 over the *content* made. It is the Dagster data version and what children
  put into their keys, so work that came out the same stops a rebuild from spreading.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from astro_assets.artifacts import atomic, fingerprint
from astro_assets.artifacts.home import Home
from astro_assets.artifacts.proofs import Proofs
from astro_assets.code_versions import code_version_of
from astro_assets.errors import DamagedArtifactError, MissingArtifactError


@dataclass(frozen=True)
class Built:
    """What a stage hands back: content fingerprint, counts, files, facts."""

    fingerprint: str
    """sha256 of the content made."""
    path: Path
    """The folder or file that was made (absolute)."""
    counts: dict[str, int] = field(default_factory=dict)
    """Whole numbers with units in their names: papers, n_tokens, …"""
    files: dict[str, str] = field(default_factory=dict)
    """Path relative to ``path``, or beside it where it is a file -> sha256, for every file that
    must be intact."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Anything else worth keeping, as plain JSON values."""


@dataclass(frozen=True)
class Manifest:
    """One made thing and what it was made from."""

    asset: str
    release: str | None
    """``YYYY-MM`` or None for unpartitioned assets."""
    key: str
    fingerprint: str
    path: str
    """Absolute, or relative to the home when it lies inside it."""
    counts: dict[str, int]
    files: dict[str, str]
    facts: dict[str, Any]
    parents: dict[str, str]
    """Parent asset -> its fingerprint."""
    parameters: dict[str, Any]
    code_version: str
    made_at: str
    """UTC, ISO 8601; not part of any hash."""


@dataclass(frozen=True)
class Work:
    """A piece of work to be done once: the identity an asset's result is re-used by."""

    asset: str
    release: str | None
    parameters: Mapping[str, Any]
    """Every setting that can change the content, plain JSON values."""
    parents: Mapping[str, str]
    """Parent asset -> fingerprint."""

    @property
    def key(self) -> str:
        """Sha256 over code version, parameters and parents; the release is *not* in it."""
        return fingerprint.of_value(
            {
                "asset": self.asset,
                "code_version": code_version_of(self.asset),
                "parameters": dict(self.parameters),
                "parents": dict(self.parents),
            }
        )


class Store:
    """The manifests of one home."""

    def __init__(self, home: Home, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)):
        """Read and write manifests under ``home``; ``now`` is injected by tests."""
        self.home, self._now = home, now
        self._before: dict[tuple[str, str | None], Manifest | None] = {}

    def as_built(self, manifest: Manifest) -> Built:
        """Return a manifest as what its stage handed back, its path absolute."""
        return Built(
            fingerprint=manifest.fingerprint,
            path=self.path_of(manifest),
            counts=manifest.counts,
            files=manifest.files,
            facts=manifest.facts,
        )

    def path_of(self, manifest: Manifest) -> Path:
        """Return the absolute path of what a manifest describes."""
        return self.home.root / manifest.path

    def proofs(self, folder: Path) -> Proofs:
        """Return what is on record of a folder's files, inside this home."""
        name = self._relative(folder).strip("/").replace("/", "-")
        return Proofs(folder, self.home.proofs / f"{name}.json")

    def find(self, asset: str, key: str) -> Manifest | None:
        """Return the manifest of this piece of work if it was done before."""
        return self._read(self.home.manifests / asset / f"{key}.json")

    def find_content(self, asset: str, content: str) -> Manifest | None:
        """Return a manifest of the asset whose fingerprint is ``content``."""
        for path in sorted((self.home.manifests / asset).glob("*.json")):
            manifest = self._read(path)
            if manifest is not None and manifest.fingerprint == content:
                return manifest
        return None

    def current(self, asset: str, release: str | None) -> Manifest | None:
        """Return what a release (or, with None, the home) presently holds of an asset."""
        return self._read(self._pointer(asset, release))

    def require(self, asset: str, release: str | None) -> Manifest:
        """Return the current manifest or say which asset to materialise first.

        Raises:
            MissingArtifactError: it was never made, or its files are gone.
        """
        manifest = self.current(asset, release)
        where = f"{asset}, release {release}" if release else asset
        if manifest is None:
            raise MissingArtifactError(
                f"{where} has not been made in {self.home.root}.",
                do=f"Materialise {where}, then run this again.",
            )
        if not self.path_of(manifest).exists():
            raise MissingArtifactError(
                f"{where}: {self.path_of(manifest)} is gone.",
                do=f"Materialise {where} again.",
            )
        return manifest

    def commit(self, work: Work, built: Built) -> Manifest:
        """Record finished work durably and make it current; the files must be in place."""
        manifest = Manifest(
            asset=work.asset,
            release=work.release,
            key=work.key,
            fingerprint=built.fingerprint,
            path=self._relative(built.path),
            counts=built.counts,
            files=built.files,
            facts=built.facts,
            parents=dict(work.parents),
            parameters=dict(work.parameters),
            code_version=code_version_of(work.asset),
            made_at=self._now().isoformat(timespec="seconds"),
        )
        self._write(self.home.manifests / work.asset / f"{work.key}.json", manifest)
        self.point(manifest, work.release)
        return manifest

    def point(self, manifest: Manifest, release: str | None) -> Manifest:
        """Make a manifest the current one of a release."""
        manifest = replace(manifest, release=release)
        place = manifest.asset, release
        self._before.setdefault(place, self.current(*place))
        self._write(self._pointer(*place), manifest)
        return manifest

    def retract(self, manifest: Manifest) -> None:
        """Make current again what was so before this store pointed at ``manifest``, if anything."""
        before = self._before.pop((manifest.asset, manifest.release), None)
        if before is None:
            self._pointer(manifest.asset, manifest.release).unlink(missing_ok=True)
        else:
            self.point(before, manifest.release)

    def verify(self, manifest: Manifest) -> None:
        """Compare every guarded file with its checksum.

        Raises:
            DamagedArtifactError: a file is missing or its bytes changed.
        """
        path = self.path_of(manifest)
        folder = path if path.is_dir() else path.parent
        where = (
            f"{manifest.asset}, release {manifest.release}" if manifest.release else manifest.asset
        )
        for name, expected in manifest.files.items():
            path = folder / name
            if not path.is_file():
                raise DamagedArtifactError(
                    f"{where}: {path} is missing.", do=f"Materialise {where} again."
                )
            found = fingerprint.of_file(path)
            if found != expected:
                raise DamagedArtifactError(
                    f"{where}: {path} has sha256 {found[:12]}….",
                    expected=f"{expected[:12]}…, as when it was made.",
                    do=f"Materialise {where} again; the damaged file will be replaced.",
                )

    def is_intact(self, manifest: Manifest) -> bool:
        """Tell whether everything a manifest guards is still there, byte for byte."""
        if not self.path_of(manifest).exists():
            return False
        try:
            self.verify(manifest)
        except DamagedArtifactError:
            return False
        return True

    def _pointer(self, asset: str, release: str | None) -> Path:
        return self.home.releases / (release or "all") / f"{asset}.json"

    def _relative(self, path: Path) -> str:
        if path.is_relative_to(self.home.root):
            return path.relative_to(self.home.root).as_posix()
        return path.as_posix()

    @staticmethod
    def _read(path: Path) -> Manifest | None:
        if not path.is_file():
            return None
        try:
            return Manifest(**json.loads(path.read_bytes()))
        except (ValueError, TypeError) as error:
            raise DamagedArtifactError(
                f"{path} is not a manifest ({error}).",
                do=f"Remove that file, then materialise {_made_by(path)} again.",
            ) from error

    @staticmethod
    def _write(path: Path, manifest: Manifest) -> None:
        text = json.dumps(asdict(manifest), indent=1, sort_keys=True, allow_nan=False)
        atomic.write_text(path, text + "\n", durable=True)


def _made_by(path: Path) -> str:
    """Return the asset, and the partition of it, that writes a pointer or manifest.

    >>> _made_by(Path("releases/2026-06/token_blocks.json"))
    'token_blocks, release 2026-06'
    >>> _made_by(Path("releases/all/base_model.json"))
    'base_model'
    >>> _made_by(Path("manifests/embeddings/0f.json"))
    'embeddings'
    """
    if path.parent.parent.name != "releases":
        return path.parent.name
    release = path.parent.name
    return path.stem if release == "all" else f"{path.stem}, release {release}"


def make_or_reuse(
    store: Store, work: Work, build: Callable[[], Built], *, force: bool = False
) -> tuple[Manifest, bool]:
    """Return (manifest, reused): re-use equal, intact work or do it and commit it.

    The release is not part of the key by itself: work that does not depend on the month (a training
    on the same blocks) is re-used across releases. ``force`` does it anyway.
    """
    known = store.find(work.asset, work.key)
    if known is not None:
        if not force and store.is_intact(known):
            return store.point(known, work.release), True
        # Damaged, or doubted by whoever forces it: nothing there is taken as read.
        proofs = store.proofs(store.path_of(known))
        proofs.doubt()
        proofs.save()
    return store.commit(work, build()), False
