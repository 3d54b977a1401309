"""The training assets: which base is meant, and how trainings end in a release."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from astro_assets.artifacts.manifest import Manifest
from astro_assets.defs.instance import open_instance
from astro_assets.defs.training_figures import starting_point
from astro_assets.models.base import describe_base
from astro_assets.registry.tracking import Tracking, client_of
from astro_assets.registry.versions import find_version, set_alias, versions_of
from tests.e2e.world import ENVIRONMENT, RELEASE, World, make_world, statuses
from tests.tiny import make_tiny_base

pytestmark = pytest.mark.slow

BEFORE = (
    "arxiv_snapshot",
    "snapshot_papers",
    "base_model",
    "arxiv_updates",
    "astro_ph_papers",
    "general_papers",
    "token_blocks",
    "near_copies",
)
NAME = "astrollama"


@pytest.fixture(scope="module")
def fed(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> World:
    """A world with all that a training needs; tests must not change it."""
    world = make_world(tmp_path_factory.mktemp("training"), tiny_base)
    ended = world.run(*BEFORE)
    assert ended.success, ended.errors
    return world


@pytest.fixture
def world(fed: World, tmp_path: Path) -> World:
    shutil.copytree(fed.home, tmp_path / "home")
    return replace(fed, root=tmp_path).with_recipe("short", max_tokens=2_048)


def train(world: World, **flags: Any) -> Manifest:
    ended = world.run("lora_checkpoint", **flags)
    assert ended.success, ended.errors
    return world.store.require("lora_checkpoint", RELEASE)


def tracking(world: World) -> Tracking:
    home = world.store.home
    return Tracking.of(f"sqlite:///{home.mlflow_db}", home)


def test_a_training_leaves_its_result_and_nothing_else(world: World) -> None:
    made = train(world)
    home = world.store.home
    assert list(home.trainings.iterdir()) == []
    curve = (world.store.path_of(made) / "heldout_curve.jsonl").read_text().splitlines()
    assert {"astro", "general"} <= set(json.loads(curve[-1])["nll_nats_per_token"])
    assert made.facts["heldout_last"]["astro"] < made.facts["heldout_first"]["astro"]
    run = client_of(tracking(world)).get_run(made.facts["mlflow_run_id"])
    assert run.info.status == "FINISHED"
    with open_instance(home) as instance:
        (started,) = [found for found in instance.get_runs() if "mlflow_run_id" in found.tags]
    assert started.tags["mlflow_run_id"] == run.info.run_id
    assert run.data.tags["dagster_run_id"] == started.run_id
    assert starting_point(made) == "the base"


def test_a_child_of_the_champion_names_it_and_goes_on_from_it(world: World) -> None:
    child = world.with_recipe("child", max_tokens=2_048, init_from="champion")
    alone = train(child)
    assert starting_point(alone) == "the base: there was no champion yet"
    assert alone.parameters["parent"] is None
    set_alias(tracking(world), find_version(tracking(world), NAME, version=1), "champion")
    again = child.run("lora_checkpoint")
    assert statuses(again)["lora_checkpoint"] == "reused", "the choice was remembered"
    forced = train(child, force=True)
    assert forced.parameters["parent"] == alone.fingerprint
    assert starting_point(forced) == "the champion, version 1"
    # It begins where its parent ended.
    ended_at = alone.facts["heldout_last"]["astro"]
    assert forced.facts["heldout_first"]["astro"] == pytest.approx(ended_at, rel=1e-6)
    newest = versions_of(tracking(world), NAME)[0]
    assert newest.tags["parent_version"] == "1"
    assert newest.tags["parent_fingerprint"] == alone.fingerprint


def test_another_base_than_the_homes_is_not_trained_on(world: World) -> None:
    """Nothing is trained, and nothing is reused that another base was the base of."""
    train(world)
    for asked, base in (("scratch", None), ("", "org/name")):
        other = world.with_recipe("other", max_tokens=2_048, base=base)
        ended = other.run("lora_checkpoint", base_model=asked)
        assert not ended.success
        assert "Materialise base_model and token_blocks first" in ended.errors[0]
    assert list(world.store.home.trainings.iterdir()) == []


def test_training_elsewhere_is_a_command_and_then_a_version(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRO_TRAINER", "elsewhere")
    ended = world.run("lora_checkpoint")
    assert not ended.success
    (work,) = world.store.home.trainings.iterdir()
    assert f"python -m astro_assets.training --job {work}/job.json" in ended.errors[0]
    subprocess.run(
        [sys.executable, "-m", "astro_assets.training", "--job", f"{work}/job.json"],
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    train(world)
    assert [found.version for found in versions_of(tracking(world), NAME)] == [1]
    assert not work.exists()


def test_a_recipe_that_may_end_early_is_made_from_its_held_out_papers(world: World) -> None:
    early = world.with_recipe("early", max_tokens=2_048, early_stopping=3)
    made = train(early)
    assert {"near_copies", "astro_ph_papers", "general_papers"} <= set(made.parents)
    assert made.parameters["max_heldout_tokens"] == 6_000


def test_a_setting_above_what_a_training_measures_trains_nothing_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = world.with_recipe("early", max_tokens=2_048, early_stopping=3, heldout_tokens=3_000)
    assert train(early).parameters["max_heldout_tokens"] == 3_000
    for setting, status in (("5000", "reused"), ("2000", "made")):
        monkeypatch.setitem(ENVIRONMENT, "ASTRO_MAX_EVAL_TOKENS", setting)
        assert statuses(early.run("lora_checkpoint"))["lora_checkpoint"] == status


def test_a_recipe_that_replays_is_given_general_papers(world: World) -> None:
    replaying = world.with_recipe("replaying", max_tokens=4_096, replay_fraction=0.25)
    made = train(replaying)
    assert made.counts["n_tokens_seen"] == 4_096


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub's cache with one base in it, and the token it was asked with."""
    folder = tmp_path / "hub" / ("c" * 40)
    folder.mkdir(parents=True)
    make_tiny_base(folder)
    asked = tmp_path / "asked"

    def resolve(spec: str, *, hub_token: str | None = None) -> Any:
        asked.write_text(f"{spec} {hub_token}")
        return describe_base(folder, name="org/name", kind="hub", revision=folder.name)

    monkeypatch.setattr("astro_assets.models.base.resolve_base", resolve)
    return folder


def test_the_recipes_base_is_asked_of_the_hub_with_the_token(
    world: World, hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    named = world.with_recipe("named", base=f"org/name@{hub.name}")
    ended = named.run("base_model", base_model=None)
    assert ended.success, ended.errors
    assert (tmp_path / "asked").read_text() == f"org/name@{hub.name} hf_secret"
    assert world.store.require("base_model", None).facts["name"] == "org/name"
    # A base that is named beside the recipe wins.
    assert named.run("base_model").success
    assert (tmp_path / "asked").read_text().startswith(str(world.base))


def test_a_hubs_base_with_other_files_is_refused_and_the_recorded_one_stays(
    world: World, hub: Path
) -> None:
    spec = f"org/name@{hub.name}"
    assert world.run("base_model", base_model=spec).success
    before = world.store.require("base_model", None)
    config = json.loads((hub / "config.json").read_text())
    (hub / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 1e-3}))
    ended = world.run("base_model", base_model=spec)
    assert not ended.success
    assert "the same files for the same revision" in ended.errors[0]
    assert world.store.require("base_model", None) == before
