"""A registry of its own per test session, with one adapter that really changes its base."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pytest

from astro_assets.artifacts.fingerprint import of_folder, of_value
from astro_assets.models.base import base_files
from astro_assets.registry.base_facts import BaseFacts, ModelFacts, ParentFacts
from astro_assets.registry.registration import register_model
from astro_assets.registry.tracking import Tracking, client_of, open_run
from astro_assets.registry.versions import ModelVersion
from tests.tiny import make_tiny_base

NAME = "astrollama"


def scratch(folder: Path) -> BaseFacts:
    """Return what the registry is told of a base of our own."""
    files = base_files(folder)
    return BaseFacts("scratch", "scratch-ab12", None, of_value(files), None, None, files)


def make_adapter(folder: Path, base: Path, *, seed: int = 0) -> Path:
    """Write a LoRA adapter with random, non-zero matrices, and what must stay out of a version."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(folder)
    (folder / "training_args.bin").write_bytes(b"a pickle")
    (folder / "optimizer.pt").write_bytes(b"a pickle")
    return folder


def make_whole_model(folder: Path, *, shard_size: str = "50GB") -> Path:
    """Write what full training leaves: a model of its own, and what must stay out of a version."""
    import torch
    from transformers import AutoModelForCausalLM

    folder.mkdir(exist_ok=True)
    model = AutoModelForCausalLM.from_pretrained(make_tiny_base(folder, seed=1))
    for name, weights in model.named_parameters():
        if ".layers." in name and weights.dim() == 2:
            torch.nn.init.normal_(weights, std=0.5)  # so that what it says is not its last token
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size=shard_size)
    for name in ("training_args.bin", "optimizer.pt", "pytorch_model.bin", "rng_state.pth"):
        (folder / name).write_bytes(b"a pickle")
    for name in ("learning_curve.jsonl", "recipe.json", "consolidated.safetensors"):
        (folder / name).write_text("{}\n")
    return folder


@contextmanager
def mlflow_s_address_kept() -> Iterator[None]:
    """Put MLflow's global address back, and none of a registry of its own, which would go first."""
    before = mlflow.get_tracking_uri()
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)
        mlflow.set_registry_uri(None)  # type: ignore[arg-type]
        os.environ.pop("MLFLOW_REGISTRY_URI", None)


def store_under(folder: Path) -> Tracking:
    return Tracking(f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts")


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store's file, made once: its many migrations take seconds."""
    folder = tmp_path_factory.mktemp("empty")
    client_of(store_under(folder))
    return folder / "mlflow.db"


@pytest.fixture
def tracking(tmp_path: Path, empty_store: Path) -> Tracking:
    """A fresh store of the test's own."""
    folder = tmp_path / "store"
    folder.mkdir()
    shutil.copyfile(empty_store, folder / "mlflow.db")
    return store_under(folder)


@pytest.fixture(scope="session")
def adapter(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    return make_adapter(tmp_path_factory.mktemp("adapter"), tiny_base)


@pytest.fixture(scope="session")
def registered(
    tmp_path_factory: pytest.TempPathFactory, empty_store: Path, tiny_base: Path, adapter: Path
) -> tuple[Tracking, ModelVersion]:
    """A store that holds one base and one adapter; tests must not change it."""
    folder = tmp_path_factory.mktemp("mlflow")
    shutil.copyfile(empty_store, folder / "mlflow.db")
    tracking = store_under(folder)
    return tracking, register(tracking, adapter, tiny_base)


def register(
    tracking: Tracking,
    folder: Path,
    base_folder: Path,
    *,
    fingerprint: str = "a" * 64,
    method: str = "lora",
    parent: ParentFacts | None = None,
    base: BaseFacts | None = None,
) -> ModelVersion:
    recipe = {"name": "smoke", "method": method, "quantisation": None, "betas": [0.9, 0.95]}
    with open_run(tracking, "train") as run:
        return register_model(
            tracking,
            ModelFacts(base or scratch(base_folder), method, recipe, parent, of_folder(folder)),
            model_name=NAME,
            folder=folder,
            base_folder=base_folder,
            fingerprint=fingerprint,
            run_id=run.run_id,
            tags={"release": "2026-06", "dagster_run_id": "r1"},
        )
