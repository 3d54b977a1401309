"""From a job to a registered version, through every way a training can end."""

import json
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from astro_assets.artifacts.fingerprint import of_folder
from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Store
from astro_assets.errors import RegistryError, TrainingError, TrainingStoppedError
from astro_assets.registry.base_facts import ParentFacts
from astro_assets.registry.checkout import commit_tags
from astro_assets.registry.checkpoint import MLFLOW_NOTE, retire
from astro_assets.registry.tracking import Tracking, client_of
from astro_assets.registry.training_run import TrainingRun
from astro_assets.registry.versions import versions_of
from astro_assets.training.runtime import Runtime
from tests.registry.conftest import NAME
from tests.registry.orders import N_POINTS, Training, make_result
from tests.registry.test_training_run import down, runs, steps


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, adapter: Path) -> Path:
    return make_result(tmp_path_factory.mktemp("made") / "result", adapter)


@pytest.fixture
def training(tmp_path: Path, tracking: Tracking, tiny_base: Path, made: Path) -> Training:
    return Training(tmp_path, tracking, tiny_base, made)


def test_a_training_ends_as_a_folder_and_a_finished_run(training: Training) -> None:
    built = training.train()
    assert built.path == training.out
    assert of_folder(training.out) == built.files == of_folder(training.made)
    assert built.counts["n_steps"] == N_POINTS
    (run,) = runs(training.tracking)
    assert built.facts["mlflow_run_id"] == run.info.run_id and training.run_ids == [run.info.run_id]
    assert run.info.status == "FINISHED"
    assert run.data.params["n_train_blocks"] == "8" and run.data.params["rank"] == "4"
    assert run.data.params["n_steps_planned"] == "4"
    wanted = {
        "release": "2026-06",
        "dagster_run_id": "dagster-1",
        "made_from.token_blocks": "b" * 64,
        "version.torch": "2.13.0",
        "hardware.device_name": "a CPU",
        "plan.loss": "chunked",
        "base_name": "tiny",
    }
    assert wanted.items() <= run.data.tags.items()
    assert steps(training.tracking, run.info.run_id) == [1, 2, 3]
    kept = client_of(training.tracking).list_artifacts(run.info.run_id)
    assert {item.path for item in kept} == {
        "learning_curve.jsonl",
        "heldout_curve.jsonl",
        "learning_curve.png",
        "training.json",
    }


def test_a_result_is_linked_and_not_copied(training: Training) -> None:
    training.train()
    name = "adapter_model.safetensors"
    assert (training.out / name).samefile(training.work / "result" / name)


@pytest.mark.parametrize(
    ("plan", "error", "status"),
    [
        ([("points", 1), ("exit", 75)], TrainingStoppedError, "KILLED"),
        ([("points", 1), ("kill", signal.SIGKILL)], TrainingError, "FAILED"),
    ],
)
def test_a_training_that_breaks_off_goes_on_in_the_same_run(
    training: Training, plan: list[Any], error: type[Exception], status: str
) -> None:
    with pytest.raises(error):
        training.train(*plan)
    (run,) = runs(training.tracking)
    assert run.info.status == status
    assert not training.out.exists()
    training.train(("points", N_POINTS - 1), ("result", str(training.made)))
    (run,) = runs(training.tracking)
    assert run.info.status == "FINISHED"
    assert steps(training.tracking, run.info.run_id) == [1, 2, 3]


class Interrupted(BaseException):
    """As Dagster's: no Exception."""


def test_an_interruption_marks_the_run_as_killed(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(line: Any) -> None:
        raise Interrupted

    monkeypatch.setattr(TrainingRun, "on_heldout", lambda _self, line: interrupt(line))
    with pytest.raises(Interrupted):
        training.train(("points", 1), ("save",))
    (run,) = runs(training.tracking)
    assert run.info.status == "KILLED"
    assert (training.work / "saved").read_text() == "SIGTERM"


def test_without_mlflow_at_the_end_the_result_is_kept_and_nothing_is_trained_again(
    training: Training,
) -> None:
    with down(training.tracking), pytest.raises(RegistryError, match="finished and kept") as caught:
        training.train()
    assert "nothing is trained" in caught.value.do
    assert not training.out.exists()
    built = training.train(("exit", 1))  # would fail if it were started
    (run,) = runs(training.tracking)
    assert run.info.run_id == built.facts["mlflow_run_id"]
    assert steps(training.tracking, run.info.run_id) == [1, 2, 3]


def test_training_elsewhere_ends_with_the_command_until_there_is_a_result(
    training: Training,
) -> None:
    with pytest.raises(TrainingError, match="done elsewhere") as caught:
        training.train(is_here=False)
    assert f"-m astro_assets.training --job {training.work}/job.json" in caught.value.do
    assert runs(training.tracking) == []
    make_there(training)
    built = training.train(is_here=False)
    assert built.files == of_folder(training.made)


@pytest.mark.parametrize(
    ("changes", "n_processes", "device", "launched"),
    [
        ({}, 0, "auto", None),
        ({}, 1, "auto", None),
        ({}, 4, "auto", "4"),
        ({"min_devices": 2}, 0, "auto", "gpu"),
        ({"min_devices": 2, "sharding": "fsdp"}, 0, "cuda", "gpu"),
        ({"min_devices": 2, "sharding": "fsdp"}, 2, "auto", "2"),
        ({"min_devices": 2}, 0, "cpu", None),
    ],
)
def test_training_elsewhere_is_told_with_as_many_processes_as_the_recipe_needs(
    training: Training, changes: Any, n_processes: int, device: Any, launched: str | None
) -> None:
    order = training.order()
    job = replace(
        order.job,
        recipe=replace(order.job.recipe, **changes),
        runtime=Runtime(device=device, n_processes=n_processes),
    )
    with pytest.raises(TrainingError, match="done elsewhere") as caught:
        training.train(is_here=False, job=job)
    launch = f"python -m torch.distributed.run --standalone --nproc-per-node {launched} -m astro"
    assert (launch if launched else "python -m astro_assets.training --job") in caught.value.do


def make_there(training: Training) -> None:
    """Do by hand what the error said; the fake trainer stands for the trainer."""
    order = training.order()
    subprocess.run(order.command, check=True, stdin=subprocess.DEVNULL)


def test_a_parent_is_told_by_run_facts_and_version(training: Training, tmp_path: Path) -> None:
    built = training.train(parent=ParentFacts(7, "f" * 64))
    (run,) = runs(training.tracking)
    assert run.data.tags["parent_version"] == "7"
    assert run.data.tags["parent_fingerprint"] == "f" * 64
    assert built.facts["parent_version"] == 7


def test_a_work_folder_goes_with_the_manifest_of_its_own_training(training: Training) -> None:
    built = training.train()
    manifest = training.keep(built, Store(Home(training.root)))
    note = training.work / MLFLOW_NOTE
    own = note.read_text()
    note.write_text(json.dumps(json.loads(own) | {"run_id": "another"}))
    retire(training.work, manifest)
    assert training.work.is_dir()
    note.write_text(own)
    retire(training.work, manifest)
    assert not training.work.exists()
    retire(training.work, manifest)
    assert list((training.root / "trainings").iterdir()) == []
    assert manifest.files == of_folder(training.out)


def test_a_version_that_was_not_named_yet_becomes_candidate(training: Training) -> None:
    manifest = training.keep(training.train(), Store(Home(training.root)))
    version = training.register(manifest)
    assert version.aliases == ("candidate",)
    client_of(training.tracking).delete_registered_model_alias(NAME, "candidate")
    assert training.register(manifest).aliases == ("candidate",)
    assert [found.version for found in versions_of(training.tracking, NAME)] == [1]


def test_the_commit_is_told_only_in_our_own_checkout(tmp_path: Path) -> None:
    tags = commit_tags()
    assert len(tags["git_commit"]) == 40 and tags["git_dirty"] in ("yes", "no")
    (tmp_path / "__init__.py").write_text("")
    assert commit_tags(tmp_path) == {}
    # A virtual environment in somebody's checkout: there, but not tracked.
    assert commit_tags(Path(pytest.__file__).parent) == {}
