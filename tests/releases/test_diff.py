"""Papers that differ between two releases are named once, under the right word."""

import json
from dataclasses import replace as replaced
from pathlib import Path

import polars as pl
import pytest

from astro_assets.artifacts.fingerprint import of_file
from astro_assets.artifacts.manifest import Store
from astro_assets.errors import DamagedArtifactError, MissingArtifactError
from astro_assets.releases.diff import SIDES, ReleaseDiff, diff_releases
from astro_assets.warehouse.shards import read_table
from tests.command_line import command
from tests.e2e.world import World
from tests.releases.conftest import AFTER, BEFORE


@pytest.fixture(scope="module")
def found(two_releases: World) -> ReleaseDiff:
    return diff_releases(two_releases.store, BEFORE, AFTER)


def rows_of(store: Store, asset: str, release: str) -> dict[str, dict]:
    """Return id -> row of a whole table: what the diff must agree with, read the plain way."""
    table = store.require(asset, release)
    paths = [store.path_of(table) / shard["file"] for shard in table.facts["shards"]]
    return {row["id"]: row for row in read_table(paths).iter_rows(named=True)}


@pytest.mark.parametrize(("table", "name"), [("astro", "astro_ph"), ("general", "general")])
def test_it_agrees_with_whole_tables(
    two_releases: World, found: ReleaseDiff, table: str, name: str
):
    store = two_releases.store
    old, new = (rows_of(store, f"{name}_papers", release) for release in (BEFORE, AFTER))
    part = getattr(found, table)
    used = {i for i, row in new.items() if row["excluded_because"] is None}
    was_used = {i for i, row in old.items() if row["excluded_because"] is None}
    assert {p.id for p in part.added} == used - set(old)
    assert {p.id for p in part.lost} == set(old) - set(new)
    assert {p.id for p in part.revised} == {
        i for i in used & was_used if old[i]["row_sha256"] != new[i]["row_sha256"]
    }
    assert {p.id for p in part.withdrawn} == {
        i
        for i in set(old) & set(new)
        if new[i]["excluded_because"] == "withdrawn" != old[i]["excluded_because"]
    }
    assert (part.n_before, part.n_after) == (len(was_used), len(used))


def test_every_planted_change_is_there_once(found: ReleaseDiff):
    astro = found.astro
    assert len(astro.revised) == 1 and len(astro.withdrawn) == 1 and len(astro.lost) == 2
    assert "title" in astro.revised[0].detail and "abstract" in astro.revised[0].detail
    assert sorted(paper.detail for paper in astro.lost) == ["", "in general_papers now"]
    # Some of the papers that changed in June were submitted in May, after the snapshot.
    assert AFTER in {p.month for p in astro.added} <= {BEFORE, AFTER} and len(astro.added) > 1
    moved = {p.id for p in astro.lost if p.detail}
    assert moved <= {p.id for p in found.general.added}


def test_the_other_way_round_everything_is_reversed(two_releases: World, found: ReleaseDiff):
    back = diff_releases(two_releases.store, AFTER, BEFORE)
    assert {p.id for p in found.astro.added} <= {p.id for p in back.astro.lost}
    assert {p.id for p in back.astro.added} <= {p.id for p in found.astro.lost}
    assert [p.id for p in back.astro.revised] == [p.id for p in found.astro.revised]
    assert back.astro.exclusions["withdrawn -> used"] == 1
    assert back.tokens_gained == {side: -n for side, n in found.tokens_gained.items()}


def test_a_release_equals_itself_without_reading_a_shard(two_releases: World):
    same = diff_releases(two_releases.store, AFTER, AFTER)
    assert same.n_shards_read == 0 and not same.astro.added and not same.astro.exclusions
    assert same.tokens_gained == dict.fromkeys(SIDES, 0)


def test_only_shards_that_differ_are_read(world: World):
    store = world.store
    files = [
        {shard["file"] for shard in store.require(asset, release).facts["shards"]}
        for asset in ("astro_ph_papers", "general_papers")
        for release in (BEFORE, AFTER)
    ]
    n_differing = len(files[0] ^ files[1]) + len(files[2] ^ files[3])
    for asset, shared in (("astro_ph_papers", files[0] & files[1]), ("general_papers", files[2])):
        for name in shared & (files[1] | files[3]):
            (world.home / "papers" / asset / name).write_bytes(b"nobody may read this")
    assert diff_releases(store, BEFORE, AFTER).n_shards_read == n_differing


def test_tokens_gained_are_those_of_the_blocks(two_releases: World, found: ReleaseDiff):
    old, new = (two_releases.store.require("token_blocks", r) for r in (BEFORE, AFTER))
    for side, gained in found.tokens_gained.items():
        assert gained == new.counts[f"{side}_tokens"] - old.counts[f"{side}_tokens"]
    assert found.tokens_gained["astro_train"] > 0


def test_tokens_of_different_tokenizers_are_not_subtracted(world: World):
    blocks = world.store.require("token_blocks", BEFORE)
    other = replaced(blocks, parameters={**blocks.parameters, "tokenizer": "0" * 64})
    world.store.point(other, BEFORE)
    found = diff_releases(world.store, BEFORE, AFTER)
    assert found.tokens_gained is None and "different tokenizers" in found.notes[0]
    (world.home / "releases" / BEFORE / "token_blocks.json").unlink()
    found = diff_releases(world.store, BEFORE, AFTER)
    assert found.tokens_gained is None and f"{BEFORE} has no token_blocks" in found.notes[0]


def test_a_release_that_was_not_made_is_named(two_releases: World):
    for pair in (("2024-01", AFTER), (BEFORE, "2024-01")):
        with pytest.raises(MissingArtifactError, match="release 2024-01"):
            diff_releases(two_releases.store, *pair)


def revised_shard(world: World, found: ReleaseDiff, release: str) -> Path:
    month = found.astro.revised[0].month
    table = world.store.require("astro_ph_papers", release)
    (file,) = [s["file"] for s in table.facts["shards"] if s["month"] == month]
    return world.store.path_of(table) / file


@pytest.mark.parametrize("release", [BEFORE, AFTER])
def test_a_shard_that_is_gone_is_named_with_its_release(
    world: World, found: ReleaseDiff, release: str
):
    path = revised_shard(world, found, release)
    path.unlink()
    told = rf"astro_ph_papers, release {release}: .*{path.name} cannot be read"
    with pytest.raises(DamagedArtifactError, match=told):
        diff_releases(world.store, BEFORE, AFTER)


def test_no_flipped_bit_gives_other_papers(world: World, found: ReleaseDiff):
    path = revised_shard(world, found, AFTER)
    whole = path.read_bytes()
    # Parquet as such takes some of these for whole files with other rows, and panics at others.
    for at in range(0, len(whole), len(whole) // 40):
        data = bytearray(whole)
        data[at] ^= 1 << (at % 8)
        path.write_bytes(data)
        with pytest.raises(DamagedArtifactError, match=rf"release {AFTER}: .*{path.name} has"):
            diff_releases(world.store, BEFORE, AFTER)
    path.write_bytes(whole)
    assert diff_releases(world.store, BEFORE, AFTER) == found


def test_a_paper_that_neither_release_uses_is_not_listed(world: World, found: ReleaseDiff):
    (withdrawn,) = found.astro.withdrawn
    table = world.store.require("astro_ph_papers", BEFORE)
    (file,) = [s["file"] for s in table.facts["shards"] if s["month"] == withdrawn.month]
    path = world.store.path_of(table) / file
    was_too = pl.when(pl.col("id") == withdrawn.id).then(pl.lit("withdrawn"))
    column = was_too.otherwise(pl.col("excluded_because")).alias("excluded_because")
    pl.read_parquet(path).with_columns(column).write_parquet(path)
    world.store.point(replaced(table, files={**table.files, file: of_file(path)}), BEFORE)
    now = diff_releases(world.store, BEFORE, AFTER).astro
    # Its text is another one in the later release, and nobody reads either.
    assert now == replaced(found.astro, withdrawn=())


def test_the_table_shows_titles_as_text_and_is_bounded(two_releases: World, found: ReleaseDiff):
    shown = command(two_releases.home, "diff", BEFORE, AFTER, "--limit", "1")
    assert shown.exit_code == 0
    assert "A better title with control and [bold]markup[/bold]" in shown.stdout
    assert f"… and {len(found.astro.added) - 1} more" in shown.stdout
    assert "\x85" not in shown.stdout and "\x1b" not in shown.stdout
    assert "astro train tokens +" in shown.stdout


def test_json_holds_everything(two_releases: World, found: ReleaseDiff):
    result = command(two_releases.home, "diff", BEFORE, AFTER, "--limit", "1", "--json")
    told = json.loads(result.stdout)
    assert [paper["id"] for paper in told["astro"]["added"]] == [p.id for p in found.astro.added]
    assert told["tokens_gained"] == found.tokens_gained
    missing = command(two_releases.home, "diff", "2024-01", AFTER, "--json")
    assert missing.exit_code == 2 and "2024-01" in missing.output
