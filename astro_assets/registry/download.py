"""A registered version back as folders: the trained model and, unless it is on a hub, its base.

A store on this machine's disk is read where it lies; only a remote one is copied, once: a version
never changes. What does not belong here: loading weights (``models``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import mlflow.artifacts

from astro_assets.artifacts import atomic, fingerprint
from astro_assets.errors import DamagedArtifactError, RegistryError
from astro_assets.models.handle import ModelHandle
from astro_assets.registry.base_facts import ModelFacts, read_manifest
from astro_assets.registry.tracking import Tracking, client_of, reaching
from astro_assets.registry.versions import ModelVersion, find_version

_ARTIFACTS = Path("artifacts")
_FETCHED = "fetched.json"
"""Beside downloaded files: where they came from, and in which folder they are."""


@dataclass(frozen=True)
class Downloaded:
    """Where a version's files lie now."""

    facts: ModelFacts
    folder: Path
    """The adapter or the whole model, its tokenizer and its manifest."""
    base_folder: Path | None
    """None for a base on a hub (``facts.base`` says which), and for a whole model."""

    def handle(self, label: str, *, digest: str) -> ModelHandle:
        """Return the model's handle; a base on a hub is fetched from there.

        Raises:
            BadModelError: the hub does not give the base.
        """
        base = self.facts.base
        folder = self.folder if self.facts.is_whole else self.base_folder
        if folder is None:
            from astro_assets.models.base import resolve_base

            folder = resolve_base(f"{base.name}@{base.revision}").folder
        return ModelHandle.trained(
            label,
            self.folder,
            folder,
            method=self.facts.method,
            digest=digest,
            quantisation=base.quantisation,
        )


def download_model(tracking: Tracking, version: ModelVersion, to: Path) -> Downloaded:
    """Return the folders of a version, downloaded below ``to`` unless they lie on this machine.

    Raises:
        RegistryError: files are gone, cannot be fetched, or are none of ours.
    """
    fetched = _fetch(tracking, version, to) / _ARTIFACTS
    folder = next((f for f in (fetched / "adapter", fetched / "model") if f.is_dir()), fetched)
    facts = read_manifest(folder)
    if facts.base.uri is None:
        return Downloaded(facts, folder, None)
    return Downloaded(facts, folder, _fetch(tracking, _base_version(tracking, facts.base.uri), to))


def refuse_damaged(version: ModelVersion, found: Downloaded) -> None:
    """Read every file the version's manifest guards.

    Raises:
        DamagedArtifactError: one is gone, or has other bytes than when it was registered.
    """
    for name, expected in found.facts.files.items():
        path = found.folder / Path(name).name
        if not path.is_file() or fingerprint.of_file(path) != expected:
            raise DamagedArtifactError(
                f"{path} of {version.uri} is not what was registered.",
                expected=f"sha256 {expected[:12]}….",
                do="Put the file back, or let another version become champion.",
            )


def _base_version(tracking: Tracking, uri: str) -> ModelVersion:
    name, _, number = uri.removeprefix("models:/").partition("/")
    if not number.isdecimal():
        raise RegistryError(
            f"The base is named {uri[:120]!r}.", expected="models:/<name>-base/<version>."
        )
    return find_version(tracking, name, version=int(number))


def _fetch(tracking: Tracking, version: ModelVersion, to: Path) -> Path:
    client = client_of(tracking)
    with reaching(tracking):
        where = client.get_model_version_download_uri(version.name, str(version.version))
        here = _local(where) or _copied(tracking, where, to / version.name / str(version.version))
    if not here.is_dir():
        raise RegistryError(
            f"The files of {version.uri} are gone from {here}.",
            do="Put them back, or delete that version in MLflow and materialise lora_checkpoint.",
        )
    return here


def _copied(tracking: Tracking, where: str, folder: Path) -> Path:
    """Return a copy of what lies at ``where``, made now unless an earlier one is whole."""
    kept = _kept(folder, where)
    if kept is None:
        with atomic.new_folder(folder) as making:
            made = mlflow.artifacts.download_artifacts(
                artifact_uri=where, dst_path=str(making), tracking_uri=tracking.uri
            )
            at = Path(made).resolve().relative_to(making.resolve()).as_posix()
            (making / _FETCHED).write_text(json.dumps({"from": where, "at": at}))
        kept = folder / at
    return kept


def _kept(folder: Path, where: str) -> Path | None:
    """Return what was downloaded from ``where`` before: it was moved here whole, or not at all."""
    path = folder / _FETCHED
    if not path.is_file():
        return None
    fetched = json.loads(path.read_text())
    return folder / fetched["at"] if fetched["from"] == where else None


def _local(uri: str) -> Path | None:
    """Return the path of an artifact URI on this machine's disk, or None."""
    parts = urlsplit(uri)
    return Path(unquote(parts.path)) if parts.scheme in ("", "file") else None
