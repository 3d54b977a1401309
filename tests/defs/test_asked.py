"""Which base is meant, and that the home's own is that one before anything is trained on it."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Built, Store, Work
from astro_assets.defs.asked import asked_base, require_base, runtime_of
from astro_assets.defs.assets.training import base_model
from astro_assets.defs.resources import LogProgress, WorkspaceResource
from astro_assets.errors import BadSettingError, MissingArtifactError
from astro_assets.settings import load_settings
from tests.training.builders import a_recipe

COMMIT, OTHER = "c" * 40, "d" * 40


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(Home(tmp_path / "home"))


def commit(store: Store, folder: Path, kind: str, name: str, revision: str | None = None) -> None:
    """Keep a base whose folder is empty."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"kind": kind, "name": name, "revision": revision}
    store.commit(Work("base_model", None, {"base": name}, {}), Built("b" * 64, folder, facts=facts))


def required(store: Store, setting: str, base: str | None = None) -> str:
    settings = load_settings(base_model=setting)
    return str(require_base(store, settings, a_recipe(base=base)).facts["name"])


def refused(store: Store, setting: str, base: str | None = None) -> str:
    with pytest.raises(BadSettingError) as error:
        required(store, setting, base)
    assert "Materialise base_model" in error.value.do and "--base" in error.value.do
    return error.value.found


def test_the_setting_wins_then_the_recipe_then_scratch() -> None:
    asked = [
        asked_base(load_settings(base_model=setting), a_recipe(base=base))
        for setting, base in (("org/one", "org/two"), ("", "org/two"), ("", None))
    ]
    assert asked == ["org/one", "org/two", "scratch"]


def test_no_base_at_all(store: Store) -> None:
    with pytest.raises(MissingArtifactError):
        required(store, "scratch")


def test_a_scratch_base_is_not_trained_on_in_place_of_the_recipes(
    store: Store, tmp_path: Path
) -> None:
    commit(store, tmp_path / "scratch", "scratch", "scratch")
    assert required(store, "") == required(store, "scratch", "org/name") == "scratch"
    found = refused(store, "", f"org/name@{COMMIT}")
    assert "is scratch (scratch)" in found and f"on org/name@{COMMIT}" in found


def test_a_hubs_base_is_known_by_name_and_revision(store: Store, tmp_path: Path) -> None:
    cache = tmp_path / "models--org--name"
    commit(store, cache / "snapshots" / COMMIT, "hub", "org/name", COMMIT)
    for asked in ("org/name", f"org/name@{COMMIT}"):
        assert required(store, asked) == "org/name"
    assert f"org/name@{COMMIT} (hub)" in refused(store, f"org/name@{OTHER}")
    for asked in ("org/other", "scratch", f"org/other@{COMMIT}", str(tmp_path), "no id at all"):
        refused(store, asked)
    # A branch is what it was when it was fetched.
    refused(store, "org/name@v2")
    (cache / "refs").mkdir()
    (cache / "refs" / "v2").write_text(COMMIT)
    assert required(store, "org/name@v2") == "org/name"
    (cache / "refs" / "v2").write_text(OTHER)
    refused(store, "org/name@v2")


def test_a_folder_is_known_by_where_it_lies(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "base").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "one" / "base")
    commit(store, tmp_path / "one" / "base", "path", "base")
    monkeypatch.chdir(tmp_path / "one")
    for asked in ("base", str(tmp_path / "one" / "base"), str(tmp_path / "link")):
        assert required(store, asked) == "base"
    # The same name elsewhere is another base.
    for asked in (str(tmp_path / "two" / "base"), "org/base", ""):
        assert "base (path)" in refused(store, asked)


def test_a_set_micro_batch_reaches_the_trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRO_MICRO_BATCH", "3")
    assert runtime_of(load_settings()).micro_batch == 3


@pytest.mark.parametrize(("trainer", "is_fetched"), [("here", False), ("elsewhere", True)])
def test_no_base_is_fetched_for_what_this_machine_cannot_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trainer: str, is_fetched: bool
) -> None:
    asked: list[str] = []

    def resolve(spec: str, **_given: Any) -> Any:
        asked.append(spec)
        raise BadSettingError("The hub was asked.")

    monkeypatch.setattr("astro_assets.models.base.resolve_base", resolve)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setenv("ASTRO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ASTRO_BLOCK_LENGTH", "512")
    monkeypatch.setenv("ASTRO_RECIPE", "astrollama3-8b")
    monkeypatch.setenv("ASTRO_TRAINER", trainer)
    ended = dg.materialize(
        [base_model],
        selection=[base_model],
        resources={"workspace": WorkspaceResource(), "progress": LogProgress()},
        raise_on_error=False,
    )
    (failed,) = ended.get_step_failure_events()
    said = str(failed.step_failure_data.user_failure_data)
    assert not ended.success
    assert bool(asked) is is_fetched
    assert ("shards with fsdp, and this is a CPU" in said) is not is_fetched
