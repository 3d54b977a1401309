"""The whole chain: made once, re-used, promoted, and shown."""

import json
from dataclasses import replace

import pytest

from astro_assets.console import outcome
from astro_assets.console.run import ASSETS, Ended
from astro_assets.defs.assets.registry import guarded_by
from astro_assets.defs.resources import open_workspace
from astro_assets.defs.verdicts import blocking_failures
from tests.e2e.world import RELEASE, World, ledger_lines, make_snapshot, statuses

pytestmark = pytest.mark.slow


def test_every_asset_is_made_and_every_blocking_check_passes(chain: tuple[World, Ended]):
    world, ended = chain
    assert ended.errors == ()
    assert statuses(ended) == dict.fromkeys(ASSETS, "made")
    with world.environment():
        guarded = guarded_by(open_workspace(), RELEASE)
    assert None not in guarded.values()
    assert blocking_failures(world.store, guarded) == []


def test_the_result_tells_what_came_of_it(chain: tuple[World, Ended]):
    world, ended = chain
    with world.environment():
        told = json.loads(json.dumps(outcome.as_json(ended), allow_nan=False))
    assert told["release"] == RELEASE and told["error"] is None
    assert told["corpus"]["papers"] <= told["corpus"]["papers_any"]
    assert told["corpus"]["papers_primary"] < told["corpus"]["papers_any"]
    assert told["corpus"]["train_tokens"] > 3 * told["corpus"]["test_tokens"] / 2
    assert told["perplexity"]["tuned_astro"] < told["perplexity"]["base_astro"]
    assert told["model"]["name"] == "astrollama" and told["model"]["version"] == 1
    page = world.store.home.reports / f"{RELEASE}.html"
    assert told["report"] == str(page) and "<script" not in page.read_text()


def test_every_paper_is_in_the_table_or_counted_under_a_reason(chain: tuple[World, Ended]):
    world, _ = chain
    papers = world.store.require("astro_ph_papers", RELEASE)
    raw = world.store.require("snapshot_papers", None)
    assert papers.counts["n_rows"] == raw.counts["n_astro"] > 300
    assert papers.counts["excluded_withdrawn"] > 0
    assert papers.counts["excluded_duplicate_text"] > 0


def test_a_second_run_re_uses_everything(chain: tuple[World, Ended]):
    world, first = chain
    lines = ledger_lines(world)
    again = world.run()
    assert statuses(again) == dict.fromkeys(ASSETS, "reused")
    with world.environment():
        assert outcome.as_json(again)["model"] == outcome.as_json(first)["model"]
    assert ledger_lines(world) == lines


def test_another_snapshot_does_not_rewrite_a_release(chain: tuple[World, Ended]):
    world, _ = chain
    before = world.store.require("astro_ph_papers", RELEASE)
    other = make_snapshot(world.root / "other.zip", n=700)
    ended = world.run(
        "arxiv_snapshot", "arxiv_updates", "snapshot_papers", "astro_ph_papers", snapshot=str(other)
    )
    assert statuses(ended)["arxiv_updates"] == "failed"
    assert "--rebase" in ended.errors[0]
    assert world.store.require("astro_ph_papers", RELEASE) == before
    # Without naming it again, the release stays with its own.
    kept = replace(world, snapshot=other)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASTRO_SNAPSHOT", str(other))
        ended = kept.run("astro_ph_papers", snapshot=None)
    assert statuses(ended)["astro_ph_papers"] == "reused"
    assert world.store.require("astro_ph_papers", RELEASE).fingerprint == before.fingerprint
    world.run("arxiv_snapshot", "snapshot_papers")  # the first snapshot is the present one again


def test_only_what_was_selected_runs(chain: tuple[World, Ended]):
    world, _ = chain
    ended = world.run("token_blocks", "release_report")
    assert statuses(ended) == {"token_blocks": "reused", "release_report": "reused"}


def test_near_copies_are_left_out_of_the_reports_unless_kept(chain: tuple[World, Ended]):
    world, _ = chain
    before = world.store.require("perplexity_report", RELEASE)
    copies = world.store.require("near_copies", RELEASE)
    assert before.parents["near_copies"] == copies.fingerprint
    left = {field: len(ids) for field, ids in copies.facts["near_copies"].items()}
    assert before.facts["report"]["near_copies_left_out"] == left
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASTRO_NEAR_COPIES", "keep")
        assert statuses(world.run("perplexity_report")) == {"perplexity_report": "made"}
        kept = world.store.require("perplexity_report", RELEASE)
    assert kept.facts["report"]["near_copies_left_out"] is None
    assert "near_copies" not in kept.parents
    assert statuses(world.run("perplexity_report")) == {"perplexity_report": "reused"}
    assert world.store.require("perplexity_report", RELEASE) == before
