"""Several releases in one home: each is what a fresh home would give."""

from dataclasses import replace
from pathlib import Path

import pytest

from astro_assets.console.run import Ended
from tests.e2e.world import RELEASE, World, make_world

TABLES = ("arxiv_snapshot", "arxiv_updates", "snapshot_papers", "astro_ph_papers", "general_papers")


def tables(world: World, release: str) -> dict[str, tuple[str, int]]:
    world.run(*TABLES, release=release)
    found = {name: world.store.require(name, release) for name in TABLES[3:]}
    return {name: (table.fingerprint, table.counts["n_rows"]) for name, table in found.items()}


def test_a_second_release_is_not_the_first_ones_papers(tmp_path: Path):
    both = make_world(tmp_path / "both", tmp_path)
    newest, older = tables(both, RELEASE), tables(both, "2024-06")
    assert older["astro_ph_papers"][1] < newest["astro_ph_papers"][1]
    alone = make_world(tmp_path / "alone", tmp_path)
    assert tables(alone, "2024-06") == older
    assert tables(both, RELEASE) == newest


def test_months_that_did_not_change_are_shared(tmp_path: Path):
    world = make_world(tmp_path / "world", tmp_path)
    shards = []
    for release in ("2026-05", RELEASE):
        world.run(*TABLES, release=release)
        table = world.store.require("astro_ph_papers", release)
        shards.append({shard["file"] for shard in table.facts["shards"]})
    assert len(shards[0] - shards[1]) <= 1 and len(shards[0] & shards[1]) > 50


def test_a_home_that_is_a_file_is_named(tmp_path: Path):
    from typer.testing import CliRunner

    from astro_assets.cli import app

    (tmp_path / "home").write_text("no folder")
    environment = {"ASTRO_HOME": str(tmp_path / "home")}
    result = CliRunner().invoke(app, ["run", "--json"], env=environment)
    assert result.exit_code == 2
    assert "cannot be used as home" in result.stdout and "Traceback" not in result.output


@pytest.mark.slow
def test_parts_that_do_not_fit_are_refused(chain: tuple[World, Ended], tiny_base: Path):
    world, _ = chain
    other = replace(world, base=tiny_base)
    ended = other.run("base_model", "lora_checkpoint")
    assert "token_blocks" in ended.errors[0] and not ended.success
    # The report of the adapter made before still loads the base it was trained on.
    report = other.run("perplexity_report", "knowledge_report")
    assert [outcome.status for outcome in report.assets] == ["reused", "reused"]
    world.run("base_model")
