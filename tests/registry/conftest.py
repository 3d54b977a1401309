"""A registry of its own per test session, with one adapter that really changes its base."""

import shutil
from pathlib import Path

import pytest

from astro_assets.registry.base_facts import BaseFacts
from astro_assets.registry.registration import register_adapter, register_base
from astro_assets.registry.tracking import Tracking, client_of, open_run
from astro_assets.registry.versions import ModelVersion

NAME = "astrollama"
SCRATCH = BaseFacts("scratch", "scratch-ab12", None, "d" * 64, None, None)


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
    tracking: Tracking, adapter: Path, base_folder: Path, *, fingerprint: str = "a" * 64
) -> ModelVersion:
    with open_run(tracking, "train") as run:
        return register_adapter(
            tracking,
            model_name=NAME,
            adapter_folder=adapter,
            base_folder=base_folder,
            base=register_base(tracking, NAME, SCRATCH, base_folder),
            fingerprint=fingerprint,
            run_id=run.run_id,
            tags={"release": "2026-06", "dagster_run_id": "r1"},
        )
