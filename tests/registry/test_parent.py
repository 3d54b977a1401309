"""The champion as what a training starts from."""

import json
from pathlib import Path

import pytest

from astro_assets.errors import DamagedArtifactError, RegistryError
from astro_assets.models.base import base_digest
from astro_assets.registry.champion import Parent, parent_of
from astro_assets.registry.download import download_model
from astro_assets.registry.tracking import Tracking, client_of
from astro_assets.registry.versions import ModelVersion, set_alias
from tests.registry.conftest import NAME, make_whole_model, register


@pytest.fixture
def champion(tracking: Tracking, adapter: Path, tiny_base: Path) -> ModelVersion:
    return set_alias(tracking, register(tracking, adapter, tiny_base), "champion")


def parent(tracking: Tracking, tmp_path: Path) -> Parent:
    found = parent_of(tracking, NAME, download_to=tmp_path / "downloaded")
    assert found is not None
    return found


def test_without_a_champion_there_is_none(
    tracking: Tracking, adapter: Path, tiny_base: Path, tmp_path: Path
) -> None:
    assert parent_of(tracking, NAME, download_to=tmp_path) is None
    register(tracking, adapter, tiny_base)
    assert parent_of(tracking, NAME, download_to=tmp_path) is None, "a candidate is no champion"


def test_an_adapter_comes_with_what_a_child_must_fit(
    tracking: Tracking, champion: ModelVersion, adapter: Path, tiny_base: Path, tmp_path: Path
) -> None:
    found = parent(tracking, tmp_path)
    assert (found.version, found.fingerprint) == (champion.version, "a" * 64)
    assert (found.base_digest, found.method) == (base_digest(tiny_base), "lora")
    assert found.recipe is not None and found.recipe["betas"] == [0.9, 0.95]
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert (found.folder / name).read_bytes() == (adapter / name).read_bytes()


def test_a_whole_model_is_a_parent_too_and_its_child_names_it(
    tracking: Tracking, tiny_base: Path, tmp_path: Path
) -> None:
    whole = make_whole_model(tmp_path / "whole")
    set_alias(tracking, register(tracking, whole, tiny_base, method="full"), "champion")
    found = parent(tracking, tmp_path)
    assert found.method == "full" and (found.folder / "model.safetensors").is_file()
    child = register(
        tracking, whole, tiny_base, fingerprint="b" * 64, method="full", parent=found.facts
    )
    assert child.tags["parent_version"] == "1" and child.tags["parent_fingerprint"] == "a" * 64
    assert download_model(tracking, child, tmp_path).facts.parent == found.facts


@pytest.mark.parametrize(("quantisation", "method"), [(None, "lora"), ("nf4", "qlora")])
def test_a_version_from_before_methods_were_recorded_is_an_adapter(
    tracking: Tracking,
    champion: ModelVersion,
    tmp_path: Path,
    quantisation: str | None,
    method: str,
) -> None:
    folder = download_model(tracking, champion, tmp_path).folder
    path = folder / "model_manifest.json"
    said = json.loads(path.read_text())
    base = said["base"] | {"quantisation": quantisation}
    del base["files"]
    path.write_text(json.dumps({"base": base, "bos_id": 1, "eos_id": 2}))
    found = parent(tracking, tmp_path)
    assert (found.method, found.recipe) == (method, None)
    handle = download_model(tracking, champion, tmp_path).handle("champion", digest="x")
    assert handle.adapter_folder == folder and handle.quantisation == quantisation


@pytest.mark.parametrize("harm", ["change", "remove"])
def test_nothing_is_trained_from_files_that_are_not_what_was_registered(
    tracking: Tracking, champion: ModelVersion, tmp_path: Path, harm: str
) -> None:
    weights = download_model(tracking, champion, tmp_path).folder / "adapter_model.safetensors"
    if harm == "change":
        raw = bytearray(weights.read_bytes())
        raw[-1] ^= 1
        weights.write_bytes(raw)
    else:
        weights.unlink()
    with pytest.raises(DamagedArtifactError, match=r"adapter_model.safetensors of models:/astro"):
        parent_of(tracking, NAME, download_to=tmp_path)


def test_a_champion_that_does_not_say_what_it_holds_is_no_parent(
    tracking: Tracking, champion: ModelVersion, tmp_path: Path
) -> None:
    client = client_of(tracking)
    client.delete_model_version_tag(NAME, str(champion.version), "adapter_fingerprint")
    with pytest.raises(RegistryError, match="does not say which content it holds"):
        parent_of(tracking, NAME, download_to=tmp_path)
