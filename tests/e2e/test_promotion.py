"""Planted candidates: one that reads worse, one that forgets. Neither becomes champion."""

import pytest

from astro_assets.console.run import Ended
from astro_assets.registry.tracking import Tracking
from astro_assets.registry.versions import CHAMPION, find_version
from tests.e2e.world import RELEASE, World, ledger_lines, statuses

pytestmark = pytest.mark.slow

DECIDING = ("lora_checkpoint", "perplexity_report", "knowledge_report", "champion_model")


def champion_version(world: World) -> int:
    home = world.store.home
    tracking = Tracking(f"sqlite:///{home.mlflow_db}", home.mlflow_artifacts)
    return find_version(tracking, "astrollama", alias=CHAMPION).version


def decision_of(world: World) -> dict:
    return world.store.require("champion_model", RELEASE).facts["decision"]


def test_the_good_candidate_is_promoted_and_the_ledger_says_why(chain: tuple[World, Ended]):
    world, _ = chain
    first = ledger_lines(world)[0]
    assert first["promoted"] and first["champion_after"] == first["candidate_version"] == 1
    assert all(reason.startswith("passed") for reason in first["reasons"])
    forgetting = world.store.require("perplexity_report", RELEASE).facts["report"]["forgetting"]
    for name in ("rise_far", "drift_nats_per_token"):
        assert first["figures"][name] == forgetting[name]


def test_a_worse_candidate_is_not_promoted(chain: tuple[World, Ended]):
    world, _ = chain
    before = champion_version(world)
    # So high a rate that training only breaks what the base could do.
    ended = world.with_recipe("worse", learning_rate=0.9).run(*DECIDING)
    assert statuses(ended)["champion_model"] == "made"
    decision = decision_of(world)
    assert not decision["promoted"]
    assert any("not below the base" in reason for reason in decision["reasons"])
    assert champion_version(world) == before
    assert ledger_lines(world)[-1]["failed"] == decision["failed"] != []


def test_a_forgetful_candidate_is_not_promoted_although_it_reads_astronomy_better(
    chain: tuple[World, Ended],
):
    world, _ = chain
    before = champion_version(world)
    forgetful = world.with_recipe(
        "forgetful", learning_rate=2e-2, rank=32, max_tokens=200_000, epochs=8
    )
    assert statuses(forgetful.run(*DECIDING))["champion_model"] == "made"
    report = world.store.require("perplexity_report", RELEASE).facts["report"]
    assert report["reduction_astro"] > 0
    assert report["forgetting"]["rise_far"] > 0.05
    assert report["forgetting"]["drift_nats_per_token"] > 0.1
    decision = decision_of(world)
    assert not decision["promoted"]
    failed = [reason for reason in decision["reasons"] if reason.startswith("failed")]
    assert decision["failed"] == ["forgetting"]
    assert len(failed) == 1 and "far abstracts" in failed[0] and "it has forgotten" in failed[0]
    assert champion_version(world) == before
