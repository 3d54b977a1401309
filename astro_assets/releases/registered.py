"""What the registry's versions refer to, and whether it is the registry of this home.

Asked of another registry, gc would take every adapter of the home for one that nobody registered.
A registry is the home's own if it knows one of the home's adapters: as a version, or by the run it
was trained in. A version that was deleted leaves its run, so its adapter may go; an adapter whose
run the registry does not know either may be registered elsewhere, and stays.

What does not belong here: what else must stay (``kept``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow.exceptions import MlflowException

from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.errors import RegistryError
from astro_assets.registry import ledger
from astro_assets.registry.tracking import Tracking, client_of, reaching
from astro_assets.registry.versions import CHAMPION, FINGERPRINT_TAG, ModelVersion, list_models
from astro_assets.releases.origin import every_manifest
from astro_assets.settings import without_password

_SHOWN = 3
"""Adapters that an error names."""


@dataclass(frozen=True)
class Registered:
    """What the registry's model versions refer to."""

    adapters: frozenset[str] = frozenset()
    """Fingerprints of registered adapters; models trained whole are counted among them."""
    bases: frozenset[str] = frozenset()
    """Digests of the bases they stand on."""
    versions: frozenset[str] = frozenset()
    """``name/version`` of every version there is."""
    champions: frozenset[str] = frozenset()
    """Fingerprints of the adapters that are champion of a model."""
    elsewhere: frozenset[str] = frozenset()
    """Fingerprints of this home's adapters that the registry knows nothing of, not even the run."""


def registered_in(tracking: Tracking, store: Store) -> Registered:
    """Return what every version of every registered model refers to.

    A store that does not exist yet holds none, and asking does not make one.

    Raises:
        RegistryError: the store cannot be reached, or knows none of the adapters that were trained
            in this home; then nobody knows what must stay.
        DamagedArtifactError: a manifest of an adapter cannot be read.
    """
    trained = list(every_manifest(store, "lora_checkpoint"))
    if is_absent(tracking):
        _refuse_other(tracking, store, trained, unknown=trained)
        return Registered()
    versions = [version for model in list_models(tracking) for version in model.versions]
    adapters = _tagged(FINGERPRINT_TAG, versions)
    unknown = [
        adapter
        for adapter in trained
        if adapter.fingerprint not in adapters and not _knows_run(tracking, adapter)
    ]
    _refuse_other(tracking, store, trained, unknown=unknown)
    champions = [version for version in versions if CHAMPION in version.aliases]
    return Registered(
        adapters=adapters,
        bases=_tagged("base_digest", versions),
        versions=frozenset(f"{version.name}/{version.version}" for version in versions),
        champions=_tagged(FINGERPRINT_TAG, champions),
        elsewhere=frozenset(adapter.fingerprint for adapter in unknown),
    )


def is_absent(tracking: Tracking) -> bool:
    """Tell whether a SQLite store does not exist yet; asking it anything would make it."""
    database = Path(tracking.uri.removeprefix("sqlite:///"))
    return tracking.uri.startswith("sqlite:") and not database.is_file()


def _tagged(tag: str, versions: Iterable[ModelVersion]) -> frozenset[str]:
    return frozenset(version.tags[tag] for version in versions if tag in version.tags)


def _knows_run(tracking: Tracking, adapter: Manifest) -> bool:
    """Tell whether an adapter was trained in a run of this store; a deleted run is known still."""
    run_id = adapter.facts.get("mlflow_run_id")
    if run_id is None:
        return False
    client = client_of(tracking)
    with reaching(tracking):
        try:
            client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
    return True


def _refuse_other(
    tracking: Tracking, store: Store, trained: Sequence[Manifest], *, unknown: Sequence[Manifest]
) -> None:
    """Refuse a registry that knows none of the adapters trained in this home."""
    if not trained or len(unknown) < len(trained):
        return
    names = "; ".join(_named(store, adapter) for adapter in unknown[:_SHOWN])
    more = f"; and {len(unknown) - _SHOWN:,} more" if len(unknown) > _SHOWN else ""
    absent = ", which does not exist," if is_absent(tracking) else ""
    raise RegistryError(
        f"MLflow at {without_password(tracking.uri)}{absent} knows none of the adapters that were "
        f"trained in {store.home.root}. Missing there: {names}{more}. Nothing was removed.",
        expected="the registry that this home's runs register their adapters in.",
        do="Set MLFLOW_TRACKING_URI to it. If it is gone for good, train one release again: "
        f"`astro-assets run --release {unknown[-1].release} --select lora_checkpoint --force`; "
        "this registry is then the home's.",
    )


def _named(store: Store, adapter: Manifest) -> str:
    """Return what people know an adapter by: its version, if it was ever decided on."""
    run_id = adapter.facts.get("mlflow_run_id")
    versions = [
        f"{entry.model_name} version {entry.candidate_version}"
        for entry in ledger.entries(store.home.ledger)
        if run_id is not None and entry.run_ids.get("mlflow") == run_id
    ]
    version = f"{versions[-1]}, " if versions else ""
    run = f", MLflow run {run_id}" if run_id else ""
    return f"{version}adapter {adapter.fingerprint[:12]}… of release {adapter.release}{run}"
