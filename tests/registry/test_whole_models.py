"""A model trained whole: registered, loaded by anybody, and given back as it was."""

import json
import shutil
from pathlib import Path
from typing import Any

import mlflow
import pytest

from astro_assets.errors import BadModelError
from astro_assets.models.base import base_digest
from astro_assets.registry import registration
from astro_assets.registry.champion import opponent_of
from astro_assets.registry.download import download_model
from astro_assets.registry.serving import continue_text
from astro_assets.registry.tracking import Tracking
from astro_assets.registry.versions import ModelVersion, list_models, set_alias, version_at
from tests.registry.conftest import (
    NAME,
    make_whole_model,
    mlflow_s_address_kept,
    register,
    store_under,
)

PROMPT = "We present a survey of galaxies"
ENTERING = {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_whole_model(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def kept(
    tmp_path_factory: pytest.TempPathFactory, empty_store: Path, whole: Path, tiny_base: Path
) -> tuple[Tracking, ModelVersion]:
    """A store that holds one whole model; tests must not change it."""
    folder = tmp_path_factory.mktemp("mlflow")
    shutil.copyfile(empty_store, folder / "mlflow.db")
    tracking = store_under(folder)
    return tracking, register(tracking, whole, tiny_base, method="full")


def greedy(folder: Path) -> str:
    """Continue the prompt by transformers alone, token by token."""
    import torch
    from transformers import AutoModelForCausalLM

    from astro_assets.corpus.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = [tokenizer.bos_id, *tokenizer.encode_batch([PROMPT])[0]]
    with torch.inference_mode():
        for _ in range(8):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return tokenizer.decode(ids[1:])[len(PROMPT) :]


def test_it_is_a_candidate_like_any_other_and_needs_no_base(
    kept: tuple[Tracking, ModelVersion], tiny_base: Path
) -> None:
    tracking, version = kept
    assert version.aliases == ("candidate",) and version.fingerprint == "a" * 64
    assert version.tags["method"] == "full"
    assert version.tags["base_digest"] == base_digest(tiny_base)
    assert "parent_version" not in version.tags
    assert [model.name for model in list_models(tracking)] == [NAME], "the base is not stored"


def test_only_named_safe_files_enter(
    kept: tuple[Tracking, ModelVersion], tmp_path: Path, whole: Path
) -> None:
    found = download_model(*kept, tmp_path)
    names = {path.name for path in found.folder.iterdir()}
    assert names == ENTERING | {"model.safetensors", "model_manifest.json"}
    for name in names - {"model_manifest.json"}:
        path = found.folder / name
        assert not path.is_symlink() and path.read_bytes() == (whole / name).read_bytes()
    said = json.loads((found.folder / "model_manifest.json").read_text())
    assert (said["method"], said["parent"], said["recipe"]["method"]) == ("full", None, "full")
    assert set(said["files"]) == ENTERING | {"model.safetensors"}
    pins = (found.folder.parents[1] / "requirements.txt").read_text()
    assert "transformers==" in pins and "peft" not in pins and "bitsandbytes" not in pins
    described = mlflow.models.Model.load(str(found.folder.parents[1]))
    assert described.model_size_bytes > (whole / "model.safetensors").stat().st_size


def test_anybody_loads_it_and_gets_what_it_generates(
    kept: tuple[Tracking, ModelVersion], whole: Path, tiny_base: Path
) -> None:
    tracking, version = kept
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(tracking.uri)
    try:
        served = mlflow.pyfunc.load_model(version.uri)
        said = served.predict([PROMPT], params={"max_new_tokens": 8, "temperature": 0.0})
    finally:
        mlflow.set_tracking_uri(before)
    assert said == [greedy(whole)] != [greedy(tiny_base)]


def test_the_command_continues_by_it(
    kept: tuple[Tracking, ModelVersion], whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mlflow_s_address_kept():
        said = continue_text(
            kept[0], NAME, "candidate", PROMPT, max_new_tokens=8, temperature=0.0, seed=0
        )
    assert said == greedy(whole)


def test_as_champion_it_is_the_opponent_and_loads_without_its_base(
    tracking: Tracking, whole: Path, tiny_base: Path, adapter: Path, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    set_alias(tracking, register(tracking, whole, tiny_base, method="full"), "champion")
    register(tracking, adapter, tiny_base, fingerprint="b" * 64)
    opponent = opponent_of(tracking, NAME, "b" * 64, ledger_path=tmp_path / "ledger.jsonl")
    assert opponent is not None
    handle = opponent.model(tracking, download_to=tmp_path)
    assert (handle.adapter_folder, handle.digest, handle.quantisation) == (None, "a" * 64, None)
    ids = torch.tensor([[1, 5, 9]])
    with torch.inference_mode():
        logits = handle.load()(ids).logits.float().cpu()
        expected = AutoModelForCausalLM.from_pretrained(whole).eval()(ids).logits
    assert torch.equal(logits, expected)


def test_weights_are_linked_until_they_are_uploaded(
    tracking: Tracking, whole: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged: list[tuple[str, Path]] = []
    upload = registration._registered

    def seen(tracking: Tracking, name: str, folder: Path, **more: Any) -> ModelVersion:
        staged.extend((p.name, p.readlink()) for p in folder.rglob("*") if p.is_symlink())
        assert not [p for p in folder.rglob("*.safetensors") if not p.is_symlink()]
        return upload(tracking, name, folder, **more)

    monkeypatch.setattr(registration, "_registered", seen)
    register(tracking, whole, tiny_base, method="full")
    assert staged == [("model.safetensors", (whole / "model.safetensors").resolve())]


def test_shards_enter_with_their_index(tracking: Tracking, tiny_base: Path, tmp_path: Path) -> None:
    sharded = make_whole_model(tmp_path, shard_size="40KB")
    shards = {path.name for path in sharded.glob("model-*.safetensors")}
    assert len(shards) > 1
    found = download_model(
        tracking, register(tracking, sharded, tiny_base, method="full"), tmp_path
    )
    entered = {path.name for path in found.folder.glob("model*")}
    assert entered == shards | {"model.safetensors.index.json", "model_manifest.json"}
    assert found.handle("champion", digest="a" * 64).load().num_parameters() > 0


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", "model.safetensors"])
def test_an_incomplete_model_is_refused_and_leaves_no_version(
    tracking: Tracking, whole: Path, tiny_base: Path, tmp_path: Path, missing: str
) -> None:
    broken = shutil.copytree(whole, tmp_path / "broken")
    (broken / missing).unlink()
    with pytest.raises(BadModelError, match=missing.removeprefix("model.")):
        register(tracking, broken, tiny_base, method="full")
    assert version_at(tracking, NAME, "candidate") is None
