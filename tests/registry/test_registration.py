import json
from dataclasses import replace
from pathlib import Path

import pytest

from astro_assets.artifacts import fingerprint
from astro_assets.errors import BadModelError, RegistryError, UnknownNameError
from astro_assets.models.base import base_digest
from astro_assets.registry.base_facts import BaseFacts
from astro_assets.registry.download import download_model
from astro_assets.registry.registration import register_base
from astro_assets.registry.tracking import Tracking
from astro_assets.registry.versions import (
    ModelVersion,
    find_version,
    list_models,
    set_alias,
    show_model,
    version_at,
)
from tests.registry.conftest import NAME, register, scratch

Registered = tuple[Tracking, ModelVersion]


def test_a_registered_adapter_is_the_candidate_and_carries_its_tags(
    registered: Registered, tiny_base: Path
) -> None:
    _, version = registered
    assert (version.name, version.version, version.aliases) == (NAME, 1, ("candidate",))
    assert version.uri == "models:/astrollama/1"
    assert version.tags["release"] == "2026-06"
    assert version.tags["dagster_run_id"] == "r1"
    assert version.tags["base_digest"] == base_digest(tiny_base)


def test_a_version_comes_back_byte_for_byte_where_it_lies(
    registered: Registered, adapter: Path, tiny_base: Path, tmp_path: Path
) -> None:
    tracking, version = registered
    found = download_model(tracking, version, tmp_path)
    assert found.facts.base == replace(scratch(tiny_base), uri="models:/astrollama-base/1")
    assert found.base_folder is not None
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert (found.folder / name).read_bytes() == (adapter / name).read_bytes()
    assert fingerprint.of_folder(found.base_folder) == fingerprint.of_folder(tiny_base)
    assert list(tmp_path.iterdir()) == []  # a local store is not copied


def test_no_pickle_and_no_machine_path_enters_a_version(
    registered: Registered, tmp_path: Path
) -> None:
    tracking, version = registered
    folder = download_model(tracking, version, tmp_path).folder.parents[1]
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert {"served_model.py", "MLmodel", "model_manifest.json", "tokenizer.json"} <= names
    assert not [name for name in names if name.endswith((".pkl", ".bin", ".pt"))]
    pins = (folder / "requirements.txt").read_text().split()
    assert {pin.split("==")[0] for pin in pins} >= {"torch", "transformers", "peft", "safetensors"}
    assert all("==" in pin and "+" not in pin for pin in pins)


def test_the_same_adapter_never_becomes_two_versions(
    tracking: Tracking, adapter: Path, tiny_base: Path
) -> None:
    first = register(tracking, adapter, tiny_base)
    second = register(tracking, adapter, tiny_base, fingerprint="b" * 64)
    assert second.version == 2
    again = register(tracking, adapter, tiny_base)
    assert (again.version, again.aliases) == (1, ("candidate",))
    assert find_version(tracking, NAME, version=2).aliases == ()
    assert first.source == again.source
    assert [item.version for item in show_model(tracking, NAME).versions] == [2, 1]
    assert len(show_model(tracking, f"{NAME}-base").versions) == 1


def test_a_base_is_stored_once_per_digest(tracking: Tracking, tiny_base: Path) -> None:
    ours = scratch(tiny_base)
    other = replace(ours, digest="e" * 64)
    uris = [register_base(tracking, NAME, base, tiny_base).uri for base in (ours, other, ours)]
    assert uris == [f"models:/{NAME}-base/{number}" for number in (1, 2, 1)]


def test_a_base_from_the_hub_is_named_and_not_stored(tracking: Tracking, tmp_path: Path) -> None:
    hub = BaseFacts("hub", "meta-llama/Llama-2-7b-hf", "01c7f73d", "d" * 64, "nf4", None)
    assert register_base(tracking, NAME, hub, tmp_path / "nowhere") == hub
    assert list_models(tracking) == ()


def test_aliases_move_and_are_found(tracking: Tracking, adapter: Path, tiny_base: Path) -> None:
    assert version_at(tracking, NAME, "champion") is None
    one = register(tracking, adapter, tiny_base)
    two = register(tracking, adapter, tiny_base, fingerprint="b" * 64)
    assert set_alias(tracking, one, "champion").aliases == ("champion",)
    assert set_alias(tracking, two, "champion").aliases == ("candidate", "champion")
    champion = version_at(tracking, NAME, "champion")
    assert champion is not None
    assert champion.version == 2
    models = {model.name: model.aliases for model in list_models(tracking)}
    assert models == {NAME: {"candidate": 2, "champion": 2}, f"{NAME}-base": {}}


def test_what_is_unknown_is_named_beside_what_there_is(registered: Registered) -> None:
    tracking, _ = registered
    with pytest.raises(UnknownNameError, match=r"(?s)no alias 'champion'.*candidate \(version 1\)"):
        find_version(tracking, NAME, alias="champion")
    with pytest.raises(UnknownNameError, match=r"(?s)no version 9.*\(1\)"):
        find_version(tracking, NAME, version=9)
    for name in ("nobody", "x' OR name = 'astrollama", "a/b", ""):
        with pytest.raises(UnknownNameError, match=r"(?s)no model.*astrollama, astrollama-base"):
            show_model(tracking, name)


@pytest.mark.parametrize("missing", ["adapter_model.safetensors", "adapter_config.json"])
def test_an_incomplete_adapter_is_refused_and_leaves_no_version(
    tracking: Tracking, adapter: Path, tiny_base: Path, tmp_path: Path, missing: str
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in adapter.iterdir():
        if path.name != missing:
            (broken / path.name).write_bytes(path.read_bytes())
    with pytest.raises(BadModelError, match=f"has no {missing}"):
        register(tracking, broken, tiny_base)
    assert version_at(tracking, NAME, "candidate") is None


def test_a_version_of_somebody_else_is_refused(
    tracking: Tracking, adapter: Path, tiny_base: Path, tmp_path: Path
) -> None:
    version = register(tracking, adapter, tiny_base)
    folder = download_model(tracking, version, tmp_path).folder
    (folder / "model_manifest.json").write_text(json.dumps({"base": "what?"}))
    with pytest.raises(RegistryError, match="does not say what was trained"):
        download_model(tracking, version, tmp_path)
