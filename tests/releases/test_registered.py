"""gc asks the registry of the home; one that knows none of its adapters is another one's."""

import shutil
from pathlib import Path

import pytest

from astro_assets.artifacts.fingerprint import of_folder
from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Built, Store, Work
from astro_assets.errors import RegistryError
from astro_assets.registry import ledger
from astro_assets.registry.tracking import Tracking, client_of, open_run
from astro_assets.releases.registered import Registered, registered_in
from tests.command_line import command

A, B = "a" * 64, "b" * 64
MODEL = "astrollama"


@pytest.fixture(scope="module")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty registry's file, made once: its many migrations take seconds."""
    database = tmp_path_factory.mktemp("registry") / "mlflow.db"
    client_of(Tracking(f"sqlite:///{database}"))
    return database


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(Home(tmp_path / "home"))


@pytest.fixture
def tracking(store: Store, empty_registry: Path) -> Tracking:
    """The home's own registry, empty."""
    return registry(store.home.mlflow_db, empty_registry)


def registry(database: Path, empty: Path) -> Tracking:
    database.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(empty, database)
    return Tracking(f"sqlite:///{database}", database.parent / "artifacts")


def trained(store: Store, tracking: Tracking, content: str, *, release: str = "2026-05") -> str:
    """Keep an adapter as training does, and its run; return the run's id."""
    with open_run(tracking, f"train {release}") as run:
        folder = store.home.adapters / content[:16]
        folder.mkdir(parents=True)
        (folder / "adapter_model.safetensors").write_text(content)
        work = Work("lora_checkpoint", release, {"recipe": content}, {})
        facts = {"mlflow_run_id": run.run_id}
        store.commit(work, Built(content, folder, files=of_folder(folder), facts=facts))
        return run.run_id


def register(tracking: Tracking, content: str, name: str = MODEL) -> str:
    client = client_of(tracking)
    if not client.search_registered_models(filter_string=f"name = '{name}'"):
        client.create_registered_model(name)
    tags = {"adapter_fingerprint": content, "base_digest": "d" * 64}
    return client.create_model_version(name, source="file:///somewhere", tags=tags).version


def forgotten(store: Store) -> None:
    """Take the adapters' pointers away, as --forget does."""
    for pointer in store.home.releases.glob("*/lora_checkpoint.json"):
        pointer.unlink()


def test_what_every_version_refers_to_is_known(store: Store, tracking: Tracking):
    trained(store, tracking, A)
    version = register(tracking, A)
    client_of(tracking).set_registered_model_alias(MODEL, "champion", version)
    one = frozenset([A])
    versions = frozenset([f"{MODEL}/{version}"])
    expected = Registered(one, frozenset(["d" * 64]), versions, champions=one)
    assert registered_in(tracking, store) == expected


def test_a_home_without_adapters_needs_no_registry_and_asking_makes_none(store: Store):
    database = store.home.root / "mlflow" / "other.db"
    assert registered_in(Tracking.of(f"sqlite:///{database}", store.home), store) == Registered()
    assert not store.home.root.exists()


def test_a_registry_that_does_not_exist_is_not_the_home_s(
    store: Store, tracking: Tracking, tmp_path: Path
):
    run_id = trained(store, tracking, A)
    register(tracking, A)
    typo = tmp_path / "typo.db"
    with pytest.raises(RegistryError, match=r"typo\.db, which does not exist") as caught:
        registered_in(Tracking(f"sqlite:///{typo}"), store)
    told = str(caught.value)
    assert A[:12] in told and "release 2026-05" in told and run_id in told
    assert "MLFLOW_TRACKING_URI" in told and not typo.exists()
    assert "--release 2026-05 --select lora_checkpoint --force" in told


def test_another_home_s_registry_is_refused_though_it_knows_a_model_of_that_name(
    store: Store, tracking: Tracking, empty_registry: Path, tmp_path: Path
):
    run_id = trained(store, tracking, A)
    register(tracking, A)
    decision = ledger.Entry("now", "2026-05", MODEL, 7, None, 7, True, ("better",))
    ledger.append(store.home.ledger, decision)
    ours = {"mlflow": run_id}
    ledger.append(
        store.home.ledger,
        ledger.Entry("now", "2026-05", MODEL, 1, None, 1, True, ("better",), run_ids=ours),
    )
    other = registry(tmp_path / "other" / "mlflow.db", empty_registry)
    register(other, B)
    with pytest.raises(RegistryError, match=f"{MODEL} version 1, adapter {A[:12]}"):
        registered_in(other, store)


def test_a_version_that_was_deleted_in_the_home_s_registry_is_no_reason_to_refuse(
    store: Store, tracking: Tracking
):
    trained(store, tracking, A)
    client_of(tracking).delete_model_version(MODEL, register(tracking, A))
    assert registered_in(tracking, store) == Registered()
    # Nor is the whole model, nor a run that was deleted as well.
    client_of(tracking).delete_registered_model(MODEL)
    run_id = store.require("lora_checkpoint", "2026-05").facts["mlflow_run_id"]
    client_of(tracking).delete_run(run_id)
    assert registered_in(tracking, store) == Registered()


def test_an_adapter_of_another_registry_stays_where_the_home_has_had_two(
    store: Store, tracking: Tracking, empty_registry: Path, tmp_path: Path
):
    before = registry(tmp_path / "before" / "mlflow.db", empty_registry)
    trained(store, before, A)
    trained(store, tracking, B, release="2026-06")
    register(before, A)
    assert registered_in(tracking, store) == Registered(elsewhere=frozenset([A]))


def test_a_registry_that_cannot_be_asked_is_an_error(store: Store):
    store.home.mlflow_db.parent.mkdir(parents=True)
    store.home.mlflow_db.write_text("no database" * 1000)
    with pytest.raises(RegistryError):
        registered_in(Tracking.of(f"sqlite:///{store.home.mlflow_db}", store.home), store)


def test_gc_removes_nothing_where_another_registry_answers(
    store: Store, tracking: Tracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    trained(store, tracking, A)
    register(tracking, A)
    forgotten(store)
    before = of_folder(store.home.adapters) | of_folder(store.home.manifests)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'typo.db'}")
    refused = command(store.home.root, "gc", "--delete")
    assert refused.exit_code == 2 and "knows none of the adapters" in refused.output
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert command(store.home.root, "gc", "--delete").exit_code == 0
    assert of_folder(store.home.adapters) | of_folder(store.home.manifests) == before
    client_of(tracking).delete_model_version(MODEL, "1")
    assert command(store.home.root, "gc", "--delete").exit_code == 0
    assert not of_folder(store.home.adapters) and not of_folder(store.home.manifests)
