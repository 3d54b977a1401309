"""The command on a home that a whole chain made: folders, an adapter, the champion by its alias."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from astro_assets.artifacts.fingerprint import of_folder
from astro_assets.cli import app
from astro_assets.console.run import Ended
from tests.e2e.world import RELEASE, World
from tests.tiny import make_tiny_base

pytestmark = pytest.mark.slow


def evaluate(world: World, *models: str | Path) -> dict[str, Any]:
    with world.environment():
        result = CliRunner().invoke(app, ["evaluate", *map(str, models), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_any_model_goes_through_a_release_s_reports(
    chain: tuple[World, Ended], tmp_path: Path
) -> None:
    world, _ = chain
    store = world.store
    adapter = store.path_of(store.require("lora_checkpoint", RELEASE))
    (tmp_path / "stranger").mkdir()
    stranger = make_tiny_base(tmp_path / "stranger", seed=3)
    told = evaluate(world, world.base, adapter, "candidate", stranger)
    assert told["release"] == RELEASE and told["success"]
    base, tuned, version, other = (model["figures"] for model in told["models"])
    report = store.require("perplexity_report", RELEASE).facts["report"]

    def bits(label: str) -> float:
        return report["models"][label]["astro"]["per_document"]["bits_per_byte"]

    # The release's own reports say the same of the same models.
    assert base["bits_per_byte"] == pytest.approx(bits("base"), rel=1e-6)
    assert tuned["bits_per_byte"] == pytest.approx(bits("tuned"), rel=1e-6)
    assert version["bits_per_byte"] == pytest.approx(tuned["bits_per_byte"], rel=1e-9)
    assert (version["name"], version["base"]) == ("astrollama 1", world.base.name)
    assert other["bits_per_byte"] != base["bits_per_byte"]

    board = json.loads(Path(told["leaderboard"]).with_suffix(".json").read_text())
    (group,) = board["groups"]
    names = {card["name"]: card["role"] for card in group["cards"]}
    # Base and version are the release's own and stand there once.
    assert names == {
        world.base.name: "base", "astrollama 1": "tuned", adapter.name: "evaluated",
        "stranger": "evaluated",
    }  # fmt: skip

    before = of_folder(world.home / "evaluations")
    again = evaluate(world, world.base, adapter, "candidate", stranger)
    assert {part for model in again["models"] for part in model["parts"].values()} == {"reused"}
    assert [model["figures"] for model in again["models"]] == [
        model["figures"] for model in told["models"]
    ]
    assert of_folder(world.home / "evaluations") == before
    # The release is what it was: no report of it was replaced.
    assert store.require("perplexity_report", RELEASE).facts["report"] == report
