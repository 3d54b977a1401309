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
from astro_assets.errors import BadModelError, DamagedArtifactError, RegistryError
from astro_assets.models.handle import ModelHandle
from astro_assets.registry.base_facts import BaseFacts, ModelFacts, read_manifest
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
        """Return the model's handle; its base is read, and one on a hub is fetched from there.

        Raises:
            BadModelError: the hub does not give the base, or other files under its revision.
            DamagedArtifactError: the registered base is not what was registered.
        """
        base = self.facts.base
        if self.facts.is_whole:
            folder = self.folder
        elif self.base_folder is None:
            folder = _from_hub(base)
        else:
            folder = self.base_folder
            _refuse_damaged_base(base, folder)
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
    """Read every file of its own that the version's manifest guards; ``handle`` reads the base.

    Raises:
        DamagedArtifactError: one is gone, or has other bytes than when it was registered.
    """
    for name, expected in found.facts.files.items():
        path = found.folder / Path(name).name
        if not path.is_file() or fingerprint.of_file(path) != expected:
            raise DamagedArtifactError(
                f"{path} of {version.uri} is not what was registered.",
                expected=f"sha256 {expected[:12]}….",
                do=_cure(found.folder),
            )


def _from_hub(base: BaseFacts) -> Path:
    """Return where the hub's cache holds a base, the very files the adapter was trained on."""
    from astro_assets.models.base import resolve_base

    found = resolve_base(f"{base.name}@{base.revision}")
    if found.digest != base.digest:
        raise BadModelError(
            f"{base.name}@{base.revision} in {found.folder} has digest {found.digest[:12]}…, the "
            f"adapter was trained on {base.digest[:12]}….",
            expected="the same files for the same revision.",
            do="Remove that folder from the hub's cache (HF_HOME) and run again: it is fetched "
            "anew.",
        )
    return found.folder


def _refuse_damaged_base(base: BaseFacts, folder: Path) -> None:
    """Read a registered base whole."""
    from astro_assets.models.base import base_files

    expected = f"digest {base.digest[:12]}…, as when it was registered."
    try:
        files = base_files(folder)
    except BadModelError as error:  # a shard is missing, or their index is none
        raise DamagedArtifactError(
            f"{base.uri}: {error.found}", expected=expected, do=_cure(folder)
        ) from error
    if fingerprint.of_value(files) != base.digest:
        changed = [name for name, sha256 in base.files.items() if files.get(name) != sha256]
        path = folder / changed[0] if changed else folder
        raise DamagedArtifactError(
            f"{path} of {base.uri} is not what was registered.",
            expected=expected,
            do=_cure(folder),
        )


def _cure(folder: Path) -> str:
    """Return what to do about damaged files: a copy can be fetched again, the store's cannot."""
    back = "put the file back, or let another version become champion."
    # A copy's folder is artifacts/<kind> at most, below where the download put it.
    for copy in [folder, *folder.parents][:5]:
        if (copy / _FETCHED).is_file():
            return f"Delete {copy}: it is fetched again. If the store's is damaged too, {back}"
    return back[0].upper() + back[1:]


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
