"""Whatever a person calls a model: folder, adapter, version, alias; and what none of them is."""

import json
import shutil
from pathlib import Path

import pytest

from astro_assets.errors import (
    BadModelError,
    BadSettingError,
    DamagedArtifactError,
    UnknownNameError,
)
from astro_assets.models.base import base_digest
from astro_assets.registry.model_lookup import LABEL, FoundModel, Lookup, find_model
from tests.registry.conftest import NAME, make_whole_model, register, store_under


@pytest.fixture
def lookup(registered, tmp_path: Path) -> Lookup:
    return Lookup(registered[0], NAME, tmp_path / "downloaded")


def test_a_folder_is_a_whole_model(lookup: Lookup, tiny_base: Path) -> None:
    found = find_model(str(tiny_base), lookup)
    assert found.handle.label == LABEL and found.handle.adapter_folder is None
    assert found.handle.base_folder == tiny_base.resolve()
    assert found.handle.digest == base_digest(tiny_base)
    assert (found.name, found.kind, found.base) == (tiny_base.name, "folder", None)
    assert found.n_parameters > 1_000 and found.cut is None


def test_an_adapter_stands_on_the_base_it_names(
    lookup: Lookup, adapter: Path, tiny_base: Path
) -> None:
    found = find_model(str(adapter), lookup)
    assert found.handle.adapter_folder == adapter and found.base == tiny_base.name
    assert found.handle.base_folder == tiny_base.resolve()
    assert found.handle.load() is not None
    assert found.handle.digest != base_digest(tiny_base)


def test_an_adapter_stands_on_the_base_that_is_given(
    registered, adapter: Path, tiny_base: Path, tmp_path: Path
) -> None:
    moved = shutil.copytree(adapter, tmp_path / "adapter")
    config = json.loads((moved / "adapter_config.json").read_text())
    (moved / "adapter_config.json").write_text(
        json.dumps(config | {"base_model_name_or_path": "/nowhere/base"})
    )
    lookup = Lookup(registered[0], NAME, tmp_path)
    with pytest.raises(BadModelError, match=r"not on this machine"):
        find_model(str(moved), lookup)
    given = Lookup(registered[0], NAME, tmp_path, base=str(tiny_base))
    assert find_model(str(moved), given).handle.base_folder == tiny_base.resolve()


def test_an_adapter_of_this_home_names_its_base_by_digest(
    registered, adapter: Path, tiny_base: Path, tmp_path: Path
) -> None:
    moved = shutil.copytree(adapter, tmp_path / "adapter")
    config = json.loads((moved / "adapter_config.json").read_text())
    digest = base_digest(tiny_base)
    (moved / "adapter_config.json").write_text(
        json.dumps(config | {"base_model_name_or_path": f"scratch@{digest[:16]}"})
    )
    bases = {"0" * 64: tmp_path, digest: tiny_base}
    found = find_model(str(moved), Lookup(registered[0], NAME, tmp_path, bases=bases))
    assert found.handle.base_folder == tiny_base.resolve()
    with pytest.raises(BadModelError, match="--base"):
        find_model(str(moved), Lookup(registered[0], NAME, tmp_path))


@pytest.mark.parametrize("config", ["no json", "[]", "{}", '{"base_model_name_or_path": 3}'])
def test_an_adapter_that_names_no_base_asks_for_it(
    lookup: Lookup, adapter: Path, tmp_path: Path, config: str
) -> None:
    moved = shutil.copytree(adapter, tmp_path / "adapter")
    (moved / "adapter_config.json").write_text(config)
    with pytest.raises(BadModelError, match="--base"):
        find_model(str(moved), lookup)


def test_an_adapter_without_weights_is_refused(lookup: Lookup, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(BadModelError, match=r"adapter_model\.safetensors missing"):
        find_model(str(tmp_path), lookup)


@pytest.mark.parametrize(
    "asked", ["models:/astrollama/1", "astrollama/1", "astrollama@candidate", "candidate",
              "models:/astrollama@candidate", "models:/candidate"],
)  # fmt: skip
def test_a_registered_version_has_many_names(lookup: Lookup, asked: str) -> None:
    found = find_model(asked, lookup)
    assert (found.name, found.kind, found.base) == ("astrollama 1", "registry", "scratch-ab12")
    assert found.handle.digest == "a" * 64 and str(found.cut) == "2026-06"
    assert found.handle.adapter_folder is not None and found.n_parameters > 1_000


def test_a_whole_registered_model_needs_no_base(
    empty_store: Path, tiny_base: Path, tmp_path: Path
) -> None:
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    tracking = store_under(tmp_path)
    register(tracking, make_whole_model(tmp_path / "whole"), tiny_base, method="full")
    found = find_model("candidate", Lookup(tracking, NAME, tmp_path))
    assert found.handle.adapter_folder is None and found.base is None


def test_a_folder_comes_before_an_alias(
    lookup: Lookup, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_base, tmp_path / "candidate")
    monkeypatch.chdir(tmp_path)
    assert find_model("candidate", lookup).kind == "folder"
    assert find_model("models:/candidate", lookup).kind == "registry"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("champion", "as an alias: .* no alias 'champion'"),
        ("astrollama/7", "no version 7"),
        ("nobody/7", "no model 'nobody'"),
        ("models:/astrollama/three", "names no version"),
        ("./missing", "no model './missing'"),
        ("/nowhere/at/all", "no model '/nowhere/at/all'"),
        ("two words", "no model 'two words'"),
        ("astrollama-base/1", "is a base"),
    ],
)
def test_what_is_no_model_is_told_apart(lookup: Lookup, asked: str, told: str) -> None:
    with pytest.raises(UnknownNameError, match=told):
        find_model(asked, lookup)


def test_a_model_without_a_tokenizer_is_refused_before_any_work(
    lookup: Lookup, tiny_base: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_base, tmp_path / "mute")
    (tmp_path / "mute" / "tokenizer_config.json").write_text("{}")
    with pytest.raises(BadModelError, match="bos_token"):
        find_model(str(tmp_path / "mute"), lookup)


def test_quantisation_is_as_asked_else_as_registered(lookup: Lookup, tiny_base: Path) -> None:
    def held(quantisation: str | None) -> FoundModel:
        given = Lookup(lookup.tracking, NAME, lookup.download_to, quantisation=quantisation)
        return find_model(str(tiny_base), given)

    assert held(None).handle.quantisation is None
    assert held("nf4").handle.quantisation == "nf4"
    assert held("none").handle.quantisation is None
    with pytest.raises(BadSettingError, match="no quantisation 'int8'"):
        held("int8")


def test_a_damaged_version_is_refused(
    empty_store: Path, adapter: Path, tiny_base: Path, tmp_path: Path
) -> None:
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    tracking = store_under(tmp_path)
    register(tracking, adapter, tiny_base)
    (weights,) = (tmp_path / "artifacts").rglob("adapter_model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(DamagedArtifactError, match="not what was registered"):
        find_model("candidate", Lookup(tracking, NAME, tmp_path))
