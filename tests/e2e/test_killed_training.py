"""Trainings ended at random moments, by every signal, at either end: run again, nothing was lost.

The parent is the command, the trainer its child. Whatever is hit, the other must not live on, and
the next run must end with the adapter of a training that nothing ended, byte for byte.
"""

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from astro_assets.artifacts.manifest import Manifest
from astro_assets.defs.instance import open_instance
from tests.e2e import children
from tests.e2e.world import ENVIRONMENT, RELEASE, World, make_world

BEFORE = (
    "arxiv_snapshot",
    "snapshot_papers",
    "arxiv_updates",
    "astro_ph_papers",
    "general_papers",
    "base_model",
    "token_blocks",
    "near_copies",
)
SAME = ("adapter_model.safetensors", "adapter_config.json", "learning_curve.jsonl")
PATIENCE_SECONDS = 120.0
SIGNALS = {
    "trainer": (signal.SIGKILL, signal.SIGINT, signal.SIGTERM),
    "parent": (signal.SIGKILL, signal.SIGINT, signal.SIGTERM),
}
N_IN_THE_SUITE, N_IN_ALL = 4, 50


@dataclass(frozen=True)
class Blow:
    """What hits whom, and when."""

    victim: str
    signal: signal.Signals
    after_steps: int
    seconds_more: float

    @classmethod
    def drawn(cls, seed: int, n_steps: int) -> "Blow":
        """Every pair of victim and signal in turn, the moment at random."""
        pairs = [(victim, one) for victim, signals in SIGNALS.items() for one in signals]
        victim, number = pairs[seed % len(pairs)]
        draw = random.Random(seed)
        return cls(victim, number, draw.randrange(n_steps - 18), draw.uniform(0, 0.05))


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory, pretrained_base: Path) -> World:
    """A world in which everything is made but the checkpoint."""
    world = make_world(tmp_path_factory.mktemp("ready"), pretrained_base)
    assert world.run(*BEFORE).success
    return world


Whole = Callable[[World], Manifest]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Give the checkpoint of a training that nothing ended, made once per recipe."""
    made: dict[Path, Manifest] = {}

    def checkpoint(world: World) -> Manifest:
        if world.recipe not in made:
            folder = tmp_path_factory.mktemp("whole")
            made[world.recipe] = checkpoint_of(trained(copy_of(world, folder)))
        return made[world.recipe]

    return checkpoint


def test_the_blows_are_of_every_kind() -> None:
    drawn = [Blow.drawn(seed, 58) for seed in range(N_IN_ALL)]
    assert {(blow.victim, blow.signal) for blow in drawn} == {
        (victim, one) for victim, signals in SIGNALS.items() for one in signals
    }
    assert min(blow.after_steps for blow in drawn) < 5
    assert max(blow.after_steps for blow in drawn) > 35


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(N_IN_THE_SUITE))
def test_ended_and_run_again(ready: World, whole: Whole, tmp_path: Path, seed: int) -> None:
    end_and_run_again(ready, whole, tmp_path, seed)


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(N_IN_THE_SUITE, N_IN_ALL))
def test_ended_and_run_again_many_times(
    ready: World, whole: Whole, tmp_path: Path, seed: int
) -> None:
    end_and_run_again(ready, whole, tmp_path, seed)


def end_and_run_again(ready: World, whole: Whole, folder: Path, seed: int) -> None:
    if seed % 5 == 4:
        ready = ready.with_recipe("nf4", method="qlora", quantisation="nf4")
    reference = whole(ready)
    world = copy_of(ready, folder)
    blow = Blow.drawn(seed, reference.counts["n_steps"])
    print(f"seed {seed}: {blow}, recipe {world.recipe.stem}")
    assert strike(world, blow), "it had ended before the blow"
    assert list(trainers_of(world)) == [], "the trainer outlived what was ended"
    made = checkpoint_of(trained(world))
    assert made.fingerprint == reference.fingerprint
    assert {name: made.files[name] for name in SAME} == {
        name: reference.files[name] for name in SAME
    }
    assert list(trainers_of(world)) == []
    with open_instance(world.store.home) as instance:
        pool = instance.event_log_storage.get_concurrency_info("gpu")
        assert pool.claimed_slots == []
    assert n_runs_and_versions(world) == (1, 1)


def copy_of(world: World, folder: Path) -> World:
    shutil.copytree(world.home, folder / "home")
    return replace(world, root=folder)


def trained(world: World) -> World:
    said = children.run(world.root / "child", environment_of(world), *command_of(world))
    assert said.code == 0, said.err or said.out
    return world


def strike(world: World, blow: Blow) -> bool:
    """Start the command, strike when the training is so far, and wait until all is over."""
    child = children.start(world.root / "child", environment_of(world), *command_of(world))
    curves = world.store.home.trainings
    while child.process.is_alive() and not n_lines(curves) > blow.after_steps:
        time.sleep(0.005)
    time.sleep(blow.seconds_more)
    victims = [child.pid] if blow.victim == "parent" else list(trainers_of(world))
    was_hit = bool(victims) and child.process.is_alive()
    for pid in victims:
        os.kill(pid, blow.signal)
    child.process.join(PATIENCE_SECONDS)
    assert not child.process.is_alive(), "the command does not end"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while list(trainers_of(world)) and time.monotonic() < deadline:
        time.sleep(0.02)  # an orphan may save before it goes
    return was_hit


def n_lines(trainings: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in trainings.glob("*/curve.jsonl"))


def trainers_of(world: World) -> Iterator[int]:
    """Yield the processes that train in this home."""
    mark = str(world.store.home.trainings).encode()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            words = (folder / "cmdline").read_bytes()
            is_dead = (folder / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            continue  # ended meanwhile
        if mark in words and not is_dead:
            yield int(folder.name)


def command_of(world: World) -> tuple[str, ...]:
    return (
        *("run", "--release", RELEASE, "--select", "lora_checkpoint", "--json"),
        *("--snapshot", str(world.snapshot), "--base", str(world.base)),
        *("--recipe", str(world.recipe)),
    )


def environment_of(world: World) -> dict[str, str]:
    often = {"ASTRO_CHECKPOINT_MINUTES": "0.002", "OMP_NUM_THREADS": "1"}
    return {**ENVIRONMENT, **often, "ASTRO_HOME": str(world.home)}


def checkpoint_of(world: World) -> Manifest:
    made = world.store.current("lora_checkpoint", RELEASE)
    assert made is not None
    return made


def n_runs_and_versions(world: World) -> tuple[int, int]:
    """Return how many MLflow runs trained, and how many versions there are."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{world.store.home.mlflow_db}")
    experiment = client.get_experiment_by_name("astro-assets")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    trainings = [run for run in runs if "release" in run.data.tags]
    return len(trainings), len(client.search_model_versions("name='astrollama'"))
