"""Trainings to be carried out by the fake trainer, and what a real one would leave."""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from astro_assets.artifacts.manifest import Built, Manifest, Store, Work
from astro_assets.models.base import describe_base
from astro_assets.progress import NO_PROGRESS
from astro_assets.registry.base_facts import BaseFacts
from astro_assets.registry.checkpoint import Identity, Order, register_checkpoint, train_and_log
from astro_assets.registry.tracking import Tracking
from astro_assets.registry.versions import ModelVersion
from astro_assets.training.job import BlockFiles, TrainingJob, write_job
from astro_assets.training.launcher import Patience
from astro_assets.training.runtime import Runtime
from tests.fakes.trainer import measurement, point
from tests.registry.conftest import NAME
from tests.training.builders import RECIPE, some_blocks

RELEASE = "2026-06"
KEY = "0123456789abcdef"
N_POINTS = 3


@dataclass
class Training:
    """One training in a home of its own, carried out by the fake trainer."""

    root: Path
    tracking: Tracking
    base: Path
    made: Path
    """What the trainer is to make."""

    def __post_init__(self) -> None:
        self.said: list[str] = []
        self.run_ids: list[str] = []

    @property
    def work(self) -> Path:
        return self.root / "trainings" / KEY

    @property
    def out(self) -> Path:
        return self.root / "adapters" / KEY

    def order(self, *plan: Any, **changes: Any) -> Order:
        self.work.mkdir(parents=True, exist_ok=True)
        blocks = some_blocks(self.root, 8)
        base = describe_base(self.base, name="tiny", kind="path")
        job = TrainingJob(
            f"test, release {RELEASE}", base, BlockFiles.of(blocks), RECIPE, Runtime(device="cpu")
        )
        write_job(job, self.work)
        steps = plan or (("points", N_POINTS), ("result", str(self.made)))
        command = (
            sys.executable,
            "-m",
            "tests.fakes.trainer",
            str(self.work),
            json.dumps([list(step) for step in steps]),
        )
        identity = Identity(RELEASE, "dagster-1", {"token_blocks": "b" * 64})
        return replace(Order(job, self.work, identity, command=command), **changes)

    def train(self, *plan: Any, **changes: Any) -> Built:
        return train_and_log(
            self.tracking,
            self.order(*plan, **changes),
            self.out,
            progress=NO_PROGRESS,
            say=self.said.append,
            on_run_id=self.run_ids.append,
            patience=Patience(poll_seconds=0.02, grace_seconds=20.0),
        )

    def keep(self, built: Built, store: Store) -> Manifest:
        work = Work(
            "lora_checkpoint",
            RELEASE,
            {"recipe": RECIPE.as_dict()},
            {"token_blocks": "b" * 64},
        )
        return store.commit(work, built)

    def register(self, manifest: Manifest) -> ModelVersion:
        return register_checkpoint(
            self.tracking,
            manifest,
            self.out,
            BaseFacts("path", "tiny", None, "d" * 64, None, None),
            self.base,
            model_name=NAME,
            identity=Identity(RELEASE, "dagster-1", {"token_blocks": "b" * 64}),
        )


def make_result(folder: Path, adapter: Path) -> Path:
    """Write what a trainer leaves: the adapter, its curves, and facts."""
    folder.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (folder / name).write_bytes((adapter / name).read_bytes())
    for name, line in (("learning_curve", point), ("heldout_curve", measurement)):
        lines = "".join(json.dumps(line(n)) + "\n" for n in range(1, N_POINTS + 1))
        (folder / f"{name}.jsonl").write_text(lines)
    facts = {
        "n_blocks": 8,
        "n_steps": N_POINTS,
        "n_tokens_seen": 300,
        "n_trainable": 10,
        "n_epochs": 1.5,
        "recipe": RECIPE.as_dict(),
        "base": {"name": "tiny"},
        "versions": {"torch": "2.13.0"},
        "machine": {"device_name": "a CPU"},
        "plan": {"loss": "chunked", "reasons": ["because"]},
    }
    (folder / "training.json").write_text(json.dumps(facts))
    return folder
