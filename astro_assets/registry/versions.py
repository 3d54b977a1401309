"""Registered versions and their aliases: looking them up, moving an alias.

What does not belong here: making versions (``registration``) and their files (``download``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlflow.exceptions import MlflowException

from astro_assets.errors import UnknownNameError
from astro_assets.registry.tracking import Tracking, client_of, reaching

CANDIDATE = "candidate"
CHAMPION = "champion"
FINGERPRINT_TAG = "adapter_fingerprint"
"""The tag that says which content a version holds; whole models have it under the same name."""

_PAGE = 200


@dataclass(frozen=True)
class ModelVersion:
    """One registered version."""

    name: str
    version: int
    aliases: tuple[str, ...]
    """Sorted; empty for most versions."""
    tags: dict[str, str]
    run_id: str | None
    """The MLflow run that trained it."""
    source: str
    """Where its files lie, as MLflow spells it."""
    created_at_ms: int
    """Milliseconds since 1970, UTC."""

    @property
    def uri(self) -> str:
        """``models:/<name>/<version>``, for MLflow's own loaders."""
        return f"models:/{self.name}/{self.version}"

    @property
    def fingerprint(self) -> str | None:
        """sha256 of the trained model's content; None for a base."""
        return self.tags.get(FINGERPRINT_TAG)


@dataclass(frozen=True)
class RegisteredModel:
    """A registered name with all its versions, newest first."""

    name: str
    versions: tuple[ModelVersion, ...]

    @property
    def aliases(self) -> dict[str, int]:
        """Alias -> the version it points at."""
        return {alias: item.version for item in self.versions for alias in item.aliases}


def find_version(
    tracking: Tracking, model_name: str, *, alias: str | None = None, version: int | None = None
) -> ModelVersion:
    """Return the version an alias points at, or the version of that number.

    Raises:
        UnknownNameError: there is no such model, alias or version; says which there are.
        ValueError: neither or both of alias and version are given.
    """
    if (alias is None) == (version is None):
        raise ValueError("give either an alias or a version")
    model = show_model(tracking, model_name)
    for item in model.versions:
        if item.version == version or alias in item.aliases:
            return item
    wanted = f"no alias {alias!r}" if alias is not None else f"no version {version}"
    aliases = ", ".join(f"{name} (version {number})" for name, number in model.aliases.items())
    numbers = _listed(str(item.version) for item in model.versions)
    raise UnknownNameError(
        f"The model {model_name!r} has {wanted}.",
        expected=f"an alias ({aliases or 'none is set'}) or a version ({numbers}).",
        do="`astro-assets models show` lists them; a run that is promoted sets `champion`.",
    )


def version_at(tracking: Tracking, model_name: str, alias: str) -> ModelVersion | None:
    """Return the version an alias points at, or None where model or alias does not exist yet."""
    known = versions_of(tracking, model_name)
    return next((item for item in known if alias in item.aliases), None)


def versions_of(tracking: Tracking, model_name: str) -> tuple[ModelVersion, ...]:
    """Return all versions of a model, newest first; none where it does not exist yet."""
    try:
        return show_model(tracking, model_name).versions
    except UnknownNameError:
        return ()


def version_with_tags(
    tracking: Tracking, model_name: str, tags: Mapping[str, str]
) -> ModelVersion | None:
    """Return the newest version that carries all these tags, or None."""
    known = versions_of(tracking, model_name)
    return next((item for item in known if tags.items() <= item.tags.items()), None)


def registered_version(
    tracking: Tracking, model_name: str, fingerprint: str
) -> ModelVersion | None:
    """Return the version that holds the trained model with this fingerprint, if there is one."""
    return version_with_tags(tracking, model_name, {FINGERPRINT_TAG: fingerprint})


def set_alias(tracking: Tracking, version: ModelVersion, alias: str) -> ModelVersion:
    """Point an alias at a version, taking it away from any other; returns the version as it is."""
    client = client_of(tracking)
    with reaching(tracking):
        client.set_registered_model_alias(version.name, alias, str(version.version))
    return find_version(tracking, version.name, version=version.version)


def list_models(tracking: Tracking) -> tuple[RegisteredModel, ...]:
    """Return every registered model (bases too), sorted by name."""
    client = client_of(tracking)
    with reaching(tracking):
        names = sorted(item.name for item in _pages(client.search_registered_models))
    return tuple(show_model(tracking, name) for name in names)


def show_model(tracking: Tracking, model_name: str) -> RegisteredModel:
    """Return one registered model with all its versions.

    Raises:
        UnknownNameError: no model of that name; says which there are.
    """
    client = client_of(tracking)
    with reaching(tracking):
        aliases = _aliases(client, model_name)
        if aliases is None:
            known = _listed(sorted(item.name for item in _pages(client.search_registered_models)))
            raise UnknownNameError(
                f"There is no model {model_name[:80]!r} in MLflow at {tracking.uri}.",
                expected=f"one of: {known}.",
                do="`astro-assets run` trains and registers one.",
            )
        found = list(_pages(client.search_model_versions, filter_string=f"name = '{model_name}'"))
    versions = [_version(item, aliases) for item in found]
    return RegisteredModel(
        model_name, tuple(sorted(versions, key=lambda item: item.version, reverse=True))
    )


def _aliases(client: Any, model_name: str) -> dict[str, int] | None:
    """Return alias -> version of a model, or None if there is no such model."""
    try:
        aliases = client.get_registered_model(model_name).aliases
    except MlflowException as error:
        # A name that cannot exist (too long, with a slash) is refused as invalid.
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
    return {alias: int(version) for alias, version in aliases.items()}


def _version(item: Any, aliases: dict[str, int]) -> ModelVersion:
    number = int(item.version)
    return ModelVersion(
        name=item.name,
        version=number,
        aliases=tuple(sorted(alias for alias, at in aliases.items() if at == number)),
        tags=dict(item.tags),
        run_id=item.run_id or None,
        source=item.source,
        created_at_ms=int(item.creation_timestamp),
    )


def _pages(search: Any, **given: Any) -> Iterable[Any]:
    """Yield every result of one of the client's paged searches."""
    token = None
    while True:
        page = search(max_results=_PAGE, page_token=token, **given)
        yield from page
        token = page.token
        if not token:
            return


def _listed(names: Iterable[str], *, at_most: int = 20) -> str:
    """Return names as a sentence's list, bounded."""
    found = list(names)
    rest = f" and {len(found) - at_most} more" if len(found) > at_most else ""
    return (", ".join(found[:at_most]) or "none yet") + rest
