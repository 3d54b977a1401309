"""A registered model whose own files, or whose base, are not what they were is refused by name."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from astro_assets.errors import BadModelError, DamagedArtifactError
from astro_assets.models.base import base_digest, base_files
from astro_assets.models.handle import ModelHandle
from astro_assets.registry import download
from astro_assets.registry.base_facts import BaseFacts
from astro_assets.registry.champion import opponent_of, parent_of
from astro_assets.registry.download import Downloaded, download_model
from astro_assets.registry.serving import continue_text
from astro_assets.registry.tracking import Tracking
from astro_assets.registry.versions import ModelVersion, set_alias
from tests.registry.conftest import NAME, make_whole_model, mlflow_s_address_kept, register

REVISION = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = "model.safetensors"


@pytest.fixture
def champion(tracking: Tracking, adapter: Path, tiny_base: Path) -> ModelVersion:
    return set_alias(tracking, register(tracking, adapter, tiny_base), "champion")


@pytest.fixture
def found(tracking: Tracking, champion: ModelVersion, tmp_path: Path) -> Downloaded:
    return download_model(tracking, champion, tmp_path / "downloaded")


@pytest.fixture
def hub(tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of org/tiny in a hub's cache, without a network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return shutil.copytree(tiny_base, tmp_path / "hub/models--org--tiny/snapshots" / REVISION)


@pytest.fixture
def hub_champion(tracking: Tracking, adapter: Path, hub: Path) -> ModelVersion:
    base = BaseFacts("hub", "org/tiny", REVISION, base_digest(hub), None, None, base_files(hub))
    return set_alias(tracking, register(tracking, adapter, hub, base=base), "champion")


def opponent(tracking: Tracking, tmp_path: Path) -> ModelHandle:
    found = opponent_of(
        tracking,
        NAME,
        "b" * 64,
        ledger_path=tmp_path / "ledger.jsonl",
    )
    assert found is not None
    return found.model(tracking, download_to=tmp_path / "downloaded")


def harm(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


def manifest_without(folder: Path, *, of_base: bool) -> None:
    """Make the manifest one of the time before files (of the base, or any) were recorded."""
    path = folder / "model_manifest.json"
    said = json.loads(path.read_text())
    del said["base"]["files"]
    if not of_base:
        del said["files"]
    path.write_text(json.dumps(said))


def served(tracking: Tracking) -> str:
    with mlflow_s_address_kept():
        return continue_text(
            tracking, NAME, "champion", "We present", max_new_tokens=4, temperature=0.0, seed=0
        )


def test_an_intact_champion_is_the_opponent(
    tracking: Tracking, found: Downloaded, tmp_path: Path
) -> None:
    handle = opponent(tracking, tmp_path)
    assert (handle.base_folder, handle.adapter_folder) == (found.base_folder, found.folder)


def test_no_candidate_is_compared_with_a_damaged_champion(
    tracking: Tracking, found: Downloaded, tmp_path: Path
) -> None:
    harm(found.folder / "adapter_model.safetensors")
    with pytest.raises(DamagedArtifactError, match=r"adapter_model.safetensors of models:/astro"):
        opponent(tracking, tmp_path)


@pytest.mark.parametrize("name", [WEIGHTS, "config.json", "tokenizer.json"])
@pytest.mark.parametrize("is_old", [False, True])
def test_no_candidate_is_compared_with_a_champion_on_a_damaged_base(
    tracking: Tracking, found: Downloaded, tmp_path: Path, name: str, is_old: bool
) -> None:
    assert found.base_folder is not None
    if is_old:
        manifest_without(found.folder, of_base=True)
    harm(found.base_folder / name)
    with pytest.raises(DamagedArtifactError, match="models:/astrollama-base/1") as caught:
        opponent(tracking, tmp_path)
    named = found.base_folder if is_old else found.base_folder / name
    assert caught.value.found.startswith(f"{named} of models:/")
    assert found.facts.base.digest[:12] in caught.value.expected
    assert "another version become champion" in caught.value.do


@pytest.mark.parametrize("name", [WEIGHTS, "tokenizer.json"])
def test_a_base_that_lacks_a_file_is_named(
    tracking: Tracking, found: Downloaded, tmp_path: Path, name: str
) -> None:
    assert found.base_folder is not None
    (found.base_folder / name).unlink()
    with pytest.raises(DamagedArtifactError, match=f"{name} of models:/astrollama-base/1"):
        opponent(tracking, tmp_path)


def test_a_base_that_lacks_a_shard_is_named(
    tracking: Tracking, adapter: Path, tmp_path: Path
) -> None:
    sharded = make_whole_model(tmp_path / "sharded", shard_size="40KB")
    version = set_alias(tracking, register(tracking, adapter, sharded), "champion")
    found = download_model(tracking, version, tmp_path)
    assert found.base_folder is not None
    next(found.base_folder.glob("model-00002-*")).unlink()
    with pytest.raises(DamagedArtifactError, match=r"lacks model-00002-.*\n.*digest"):
        opponent(tracking, tmp_path)


def test_a_copy_from_a_server_is_mended_by_fetching_it_again(
    tracking: Tracking, champion: ModelVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_local", lambda _uri: None)
    found = download_model(tracking, champion, tmp_path / "downloaded")
    assert found.base_folder is not None
    for path, copy in (
        (found.base_folder / WEIGHTS, "astrollama-base/1"),
        (found.folder / "adapter_model.safetensors", "astrollama/1"),
    ):
        harm(path)
        with pytest.raises(DamagedArtifactError, match="not what was registered") as caught:
            opponent(tracking, tmp_path)
        folder = tmp_path / "downloaded" / copy
        assert f"Delete {folder}: it is fetched again" in caught.value.do
        shutil.rmtree(folder)
        assert opponent(tracking, tmp_path).adapter_folder == found.folder


def test_an_intact_base_on_a_hub_is_taken(
    tracking: Tracking, hub: Path, hub_champion: ModelVersion, tmp_path: Path
) -> None:
    assert opponent(tracking, tmp_path).base_folder == hub
    assert served(tracking)


def test_other_files_under_a_hub_s_revision_are_refused(
    tracking: Tracking, hub: Path, hub_champion: ModelVersion, tmp_path: Path
) -> None:
    harm(hub / WEIGHTS)
    with pytest.raises(BadModelError, match=f"org/tiny@{REVISION} in {hub}") as caught:
        opponent(tracking, tmp_path)
    assert "same files" in caught.value.expected and "HF_HOME" in caught.value.do
    with pytest.raises(DamagedArtifactError, match=f"{hub / WEIGHTS} is not what"):
        served(tracking)


def test_a_parent_s_base_is_not_read(tracking: Tracking, found: Downloaded, tmp_path: Path) -> None:
    """A child is trained on the home's own base, which is checked when its job is written."""
    assert found.base_folder is not None
    harm(found.base_folder / WEIGHTS)
    assert parent_of(tracking, NAME, download_to=tmp_path) is not None


@pytest.mark.parametrize("where", ["adapter_model.safetensors", "tokenizer.json", "base"])
def test_a_damaged_model_is_not_served(tracking: Tracking, found: Downloaded, where: str) -> None:
    assert found.base_folder is not None
    assert served(tracking)
    path = found.base_folder / WEIGHTS if where == "base" else found.folder / where
    harm(path)
    with pytest.raises(DamagedArtifactError, match=f"{path} is not what was registered"):
        served(tracking)
    path.unlink()
    with pytest.raises(DamagedArtifactError, match=f"{path} is gone"):
        served(tracking)


@pytest.mark.parametrize("of_base", [False, True])
def test_versions_from_before_files_were_recorded_are_served_and_compared(
    tracking: Tracking, found: Downloaded, tmp_path: Path, of_base: bool
) -> None:
    said = served(tracking)
    manifest_without(found.folder, of_base=of_base)
    assert served(tracking) == said
    assert opponent(tracking, tmp_path).base_folder == found.base_folder


def test_an_old_version_on_a_hub_s_base_is_served(
    tracking: Tracking, hub_champion: ModelVersion, tmp_path: Path
) -> None:
    said = served(tracking)
    found = download_model(tracking, hub_champion, tmp_path)
    assert found.facts.base == replace(found.facts.base, uri=None)
    manifest_without(found.folder, of_base=True)
    assert served(tracking) == said


def test_a_damaged_whole_model_is_neither_compared_nor_served(
    tracking: Tracking, tiny_base: Path, tmp_path: Path
) -> None:
    whole = make_whole_model(tmp_path / "whole")
    version = set_alias(tracking, register(tracking, whole, tiny_base, method="full"), "champion")
    folder = download_model(tracking, version, tmp_path).folder
    assert opponent(tracking, tmp_path).base_folder == folder and served(tracking)
    harm(folder / WEIGHTS)
    with pytest.raises(DamagedArtifactError, match=WEIGHTS):
        opponent(tracking, tmp_path)
    with pytest.raises(DamagedArtifactError, match=WEIGHTS):
        served(tracking)
