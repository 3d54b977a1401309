"""A registered version back as folders: its adapter and, unless it is on a hub, its base.

A store on this machine's disk is read where it lies; only a remote one is copied. What does not
belong here: loading weights (``models``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import mlflow.artifacts

from astro_assets.errors import RegistryError
from astro_assets.registry.base_facts import BaseFacts, read_manifest
from astro_assets.registry.tracking import Tracking, client_of, reaching
from astro_assets.registry.versions import ModelVersion, find_version

_ADAPTER = Path("artifacts") / "adapter"


@dataclass(frozen=True)
class Downloaded:
    """Where a version's files lie now."""

    base: BaseFacts
    adapter_folder: Path
    """peft files, tokenizer and manifest."""
    base_folder: Path | None
    """None for a base on a hub: resolve ``base.name`` at ``base.revision``."""


def download_adapter(tracking: Tracking, version: ModelVersion, to: Path) -> Downloaded:
    """Return the folders of a version, downloaded below ``to`` unless they lie on this machine.

    Raises:
        RegistryError: files are gone, cannot be fetched, or are none of ours.
    """
    adapter = _fetch(tracking, version, to) / _ADAPTER
    base = read_manifest(adapter)
    if base.uri is None:
        return Downloaded(base, adapter, None)
    return Downloaded(base, adapter, _fetch(tracking, _base_version(tracking, base.uri), to))


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
        here = _local(where)
        if here is None:
            folder = to / version.name / str(version.version)
            folder.mkdir(parents=True, exist_ok=True)
            here = Path(
                mlflow.artifacts.download_artifacts(
                    artifact_uri=where, dst_path=str(folder), tracking_uri=tracking.uri
                )
            )
    if not here.is_dir():
        raise RegistryError(
            f"The files of {version.uri} are gone from {here}.",
            do="Put them back, or delete that version in MLflow and materialise lora_checkpoint.",
        )
    return here


def _local(uri: str) -> Path | None:
    """Return the path of an artifact URI on this machine's disk, or None."""
    parts = urlsplit(uri)
    return Path(unquote(parts.path)) if parts.scheme in ("", "file") else None
