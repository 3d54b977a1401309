"""What a person calls a model -> a handle: a folder, an adapter, a hub id, a registered version.

A folder is a folder before it is anything else; ``models:/name/3`` is always the registry's. What
does not belong here: loading weights (``models``) and measuring (``evaluation``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from astro_assets.artifacts import fingerprint
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadModelError, BadSettingError, UnknownNameError
from astro_assets.models.base import BaseModel, describe_base, hub_id, resolve_base
from astro_assets.models.handle import ModelHandle
from astro_assets.models.loading import ADAPTER_FILES
from astro_assets.months import Month
from astro_assets.registry.download import download_model, refuse_damaged
from astro_assets.registry.tracking import Tracking
from astro_assets.registry.versions import ModelVersion, find_version

Kind = Literal["folder", "hub", "registry"]

LABEL = "model"
"""What reports call a model that is measured by itself."""
FORMS = (
    "a folder (a whole model, or an adapter), a hub id such as org/name@revision, or a registered "
    "version: models:/name/3, name/3, name@alias, or an alias such as champion."
)
QUANTISATIONS = ("none", "nf4")

_SCHEME = "models:/"
_VERSION = re.compile(r"(?P<name>[\w.-]+)/(?P<number>[0-9]{1,9})")
_ALIASED = re.compile(r"(?P<name>[\w.-]+)@(?P<alias>[\w.-]+)")
_ALIAS = re.compile(r"[A-Za-z][\w.-]*")
_BY_DIGEST = re.compile(r"[^/]+@(?P<digest>[0-9a-f]{16})")
_CONFIG, _MOST_CONFIG_BYTES = ADAPTER_FILES[0], 1_000_000


@dataclass(frozen=True)
class Lookup:
    """Where models are looked for, and how they are to be held."""

    tracking: Tracking
    model_name: str
    """Registered name that a bare alias belongs to."""
    download_to: Path
    """Folder for versions of a remote registry."""
    base: str | None = None
    """The base of an adapter folder: a folder or a hub id; None: what the adapter says."""
    quantisation: str | None = None
    """``nf4``, ``none``, or None: as the registry says, else not at all."""
    hub_token: str | None = None
    """For models of the hub that ask for one."""
    bases: Mapping[str, Path] = field(default_factory=dict)
    """Digest -> folder of the bases this home knows: its own adapters name theirs by digest."""


@dataclass(frozen=True)
class FoundModel:
    """A model that can be measured, and what it is called."""

    handle: ModelHandle
    name: str
    """Folder name, hub id, or registered name and version: no path."""
    kind: Kind
    base: str | None
    """Name of the base that an adapter stands on; None for a whole model."""
    n_parameters: int
    """Of the weights that are loaded first: the base's, or the whole model's."""
    cut: Month | None
    """Last month it was trained on, where its version says so."""


def find_model(asked: str, lookup: Lookup) -> FoundModel:
    """Return the model that a person asked for; its files are read and compared where known.

    Raises:
        UnknownNameError: nothing has that name; says which forms there are.
        BadModelError: what was found cannot be used, or the hub did not give it.
        BadSettingError: a quantisation that does not exist.
        DamagedArtifactError: a registered file is not what was registered.
        RegistryError: MLflow cannot be reached, or the version's files are gone.
    """
    if lookup.quantisation not in (None, *QUANTISATIONS):
        raise BadSettingError(
            f"There is no quantisation {lookup.quantisation[:40]!r}.", expected="none or nf4."
        )
    found = _found(asked, lookup)
    # A model without [BOS] and [EOS] can take part in no report: say so before any work.
    Tokenizer.load(found.handle.base_folder)
    if lookup.quantisation is None:
        return found
    held = None if lookup.quantisation == "none" else lookup.quantisation
    return replace(found, handle=replace(found.handle, quantisation=held))


def _found(asked: str, lookup: Lookup) -> FoundModel:
    folder = Path(asked).expanduser()
    if not asked.startswith(_SCHEME) and folder.exists():
        is_adapter = (folder / _CONFIG).is_file()
        return _adapter(folder.resolve(), lookup) if is_adapter else _whole(asked, lookup)
    version = _version(asked, lookup)
    if version is not None:
        return _registered(version, lookup)
    if hub_id(asked) == (None, None) or asked.startswith((".", "~")):
        raise UnknownNameError(f"There is no model {asked[:200]!r}.", expected=FORMS)
    return _whole(asked, lookup)


def _whole(asked: str, lookup: Lookup) -> FoundModel:
    """Return a model that stands by itself, from a folder or from the hub."""
    found = resolve_base(asked, hub_token=lookup.hub_token)
    handle = ModelHandle(LABEL, found.folder, None, found.digest, None)
    kind: Kind = "hub" if found.kind == "hub" else "folder"
    return FoundModel(handle, _named(found), kind, None, found.n_parameters, None)


def _adapter(folder: Path, lookup: Lookup) -> FoundModel:
    """Return an adapter of a peft folder on the base that is asked for, or that it names."""
    missing = [name for name in ADAPTER_FILES if not (folder / name).is_file()]
    if missing:
        raise BadModelError(
            f"{folder} holds no whole adapter: {' and '.join(missing)} missing.",
            expected=f"a peft folder with {' and '.join(ADAPTER_FILES)}.",
        )
    named = lookup.base or _named_base(folder, lookup.bases)
    base = resolve_base(named, hub_token=lookup.hub_token)
    files = {name: fingerprint.of_file(folder / name) for name in ADAPTER_FILES}
    digest = fingerprint.of_value({"base": base.digest, "adapter": files})
    handle = ModelHandle(LABEL, base.folder, folder, digest, None)
    return FoundModel(handle, folder.name, "folder", _named(base), base.n_parameters, None)


def _named_base(folder: Path, bases: Mapping[str, Path]) -> str:
    """Return the base that an adapter says it was trained on: a folder or a hub id."""
    path = folder / _CONFIG
    config = None
    try:
        if path.stat().st_size <= _MOST_CONFIG_BYTES:
            config = json.loads(path.read_bytes())
    except (OSError, ValueError):
        config = None
    base = config.get("base_model_name_or_path") if isinstance(config, dict) else None
    if not isinstance(base, str) or not base:
        raise BadModelError(
            f"{path} does not say which base the adapter was trained on.",
            expected="base_model_name_or_path.",
            do="Give the base with --base: a folder, or a hub id.",
        )
    if match := _BY_DIGEST.fullmatch(base):
        known = (at for digest, at in bases.items() if digest.startswith(match["digest"]))
        base = str(next(known, base))
    if not Path(base).expanduser().exists() and hub_id(base) == (None, None):
        raise BadModelError(
            f"{path} names the base {base[:200]!r}, which is not on this machine.",
            do="Give the base with --base: a folder, or a hub id.",
        )
    return base


def _version(asked: str, lookup: Lookup) -> ModelVersion | None:
    """Return the registered version that is asked for; None where the name is no form of one."""
    name = asked.removeprefix(_SCHEME)
    if match := _VERSION.fullmatch(name):
        return find_version(lookup.tracking, match["name"], version=int(match["number"]))
    if match := _ALIASED.fullmatch(name):
        return find_version(lookup.tracking, match["name"], alias=match["alias"])
    if name == asked and not _ALIAS.fullmatch(name):
        return None
    if name != asked and "/" in name:
        raise UnknownNameError(f"{asked[:200]!r} names no version.", expected=FORMS)
    return _aliased(name, lookup)


def _aliased(alias: str, lookup: Lookup) -> ModelVersion:
    """Return the version of the project's own model that an alias points at."""
    try:
        return find_version(lookup.tracking, lookup.model_name, alias=alias)
    except UnknownNameError as error:
        raise UnknownNameError(
            f"There is no model {alias[:200]!r}: no such folder, and as an alias: {error.found}",
            expected=FORMS,
            do=error.do,
        ) from None


def _registered(version: ModelVersion, lookup: Lookup) -> FoundModel:
    """Return a trained model of the registry, every file of it and of its base compared."""
    if version.fingerprint is None:
        raise UnknownNameError(
            f"{version.uri} is a base, or was registered by somebody else.",
            expected="a version that a training of this project registered.",
            do="Give a base by its folder or its hub id.",
        )
    downloaded = download_model(lookup.tracking, version, lookup.download_to)
    refuse_damaged(version, downloaded)
    handle = downloaded.handle(LABEL, digest=version.fingerprint)
    base, is_whole = downloaded.facts.base, downloaded.facts.is_whole
    name = f"{base.name}@{base.revision}" if base.revision else base.name
    described = describe_base(handle.base_folder, name=base.name, kind="path")
    return FoundModel(
        handle=handle,
        name=f"{version.name} {version.version}",
        kind="registry",
        base=None if is_whole else name,
        n_parameters=described.n_parameters,
        cut=_cut(version),
    )


def _cut(version: ModelVersion) -> Month | None:
    release = version.tags.get("release")
    return None if release is None else Month.parse(release)


def _named(base: BaseModel) -> str:
    return f"{base.name}@{base.revision}" if base.revision else base.name
