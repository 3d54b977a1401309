"""What no kept release and no registered model names goes; everything else stays, whatever ends."""

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from astro_assets.artifacts.fingerprint import of_folder
from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Built, Store, Work
from astro_assets.errors import (
    DamagedArtifactError,
    MissingArtifactError,
)
from astro_assets.progress import NO_PROGRESS
from astro_assets.releases import garbage
from astro_assets.releases.garbage import Garbage, find_garbage, remove
from astro_assets.warehouse.contracts import CONTRACTS
from astro_assets.warehouse.views import publish_views
from tests.command_line import command
from tests.e2e.world import World, statuses
from tests.releases.collecting import KEY, NOBODY, NOW, collect, garbage_of, is_clean, kinds
from tests.releases.conftest import AFTER, BEFORE, PARTS


def plant(home: Path) -> set[str]:
    """Put in what nobody names, in every place we make things in; return the paths."""
    files = [
        f"manifests/token_blocks/{KEY * 4}.json",
        f"papers/astro_ph_papers/2020-01-{KEY}.parquet",
        f"papers/general_papers/2020-01-{KEY}.parquet",
        "snapshots/synthetic-12-2020-01.zip",
        f"proofs/papers-snapshot-{KEY}.json",
    ]
    folders = [
        f"papers/snapshot/{KEY}",
        f"tokens/general-2020-01-train-{KEY}",
        f"tokens/general-2020-01-train-{KEY[:8]}-{KEY}",
        f"adapters/{KEY}",
        f"trainings/{KEY}",
        f"evaluations/perplexity-{KEY}",
        f"bases/scratch-{KEY}",
        "bases/downloaded/astrollama/7",
    ]
    for name in [*files, *(f"{folder}/astro/{KEY}" for folder in folders)]:
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x" * 10)
    work = Work("token_blocks", None, {}, {})
    superseded = Store(Home(home)).commit(work, Built("f" * 64, home / "tokens"))
    (home / "releases" / "all" / "token_blocks.json").unlink()
    (home / files[0]).unlink()
    return {*files[1:], *folders, f"manifests/token_blocks/{superseded.key}.json"}


def test_a_home_without_leavings_has_no_garbage(two_releases: World):
    assert garbage_of(two_releases.store) == Garbage((), ())


def test_what_nobody_names_is_found_and_goes_and_releases_stay_clean(world: World):
    before = of_folder(world.home)
    planted = plant(world.home)
    found = collect(world.store)
    assert {item.path for item in found.items} == planted
    assert found.n_bytes >= 10 * (len(planted) - 1)
    after = of_folder(world.home)
    # The views are written anew, over the shards of this home.
    assert {n for n in before if before[n] != after.pop(n)} <= {"warehouse.duckdb"} and not after
    assert is_clean(world.store, BEFORE) and is_clean(world.store, AFTER)


def test_a_dry_run_removes_nothing(world: World):
    plant(world.home)
    before = of_folder(world.home)
    assert garbage_of(world.store).items
    assert of_folder(world.home) == before


@pytest.mark.slow
def test_a_release_that_is_run_again_after_gc_is_reused(world: World):
    plant(world.home)
    collect(world.store)
    for release in (BEFORE, AFTER):
        assert set(statuses(world.run(*PARTS, release=release)).values()) == {"reused"}


def test_files_we_do_not_know_stay(world: World):
    ours = world.home / "papers" / "astro_ph_papers"
    strangers = [
        ours / "notes.txt",
        ours / "2020-01-ABCDEF.parquet",
        ours / f"2020-01-{KEY}.parquet.bak",
        world.home / "papers" / "mine" / f"2020-01-{KEY}.parquet",
        world.home / "tokens" / "mine" / "tokens.npy",
        world.home / "adapters" / "my-adapter" / "adapter_model.safetensors",
        world.home / "snapshots" / "arxiv-metadata-oai-snapshot.json.zip",
        world.home / "snapshots" / "kaggle" / "1" / "file",
        world.home / "snapshots" / "oai-2026-07-01" / "arxiv-oai.jsonl.gz",
        world.home / "snapshots" / "oai-2026-07-01" / "astro-ph" / "page-00001.xml.gz",
        world.home / "windows" / "2020-01" / "page-00001.xml.gz",
        world.home / "windows" / "2020-01" / f"rows-{KEY}-{KEY}.parquet",
        world.home / "proofs" / "papers-mine.json",
        world.home / "releases" / "notes" / "x.json",
        world.home / "releases" / "notes" / "2026-06.txt",
        world.home / "manifests" / "mine" / f"{KEY * 4}.json",
        world.home / "mlflow" / "artifacts" / KEY / "model",
        world.home / "dagster" / KEY,
        world.home / "reports" / "2020-01.html",
        world.home / ".profile.settings",
        world.home / "ledger.jsonl",
    ]
    for path in strangers:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    shutil.rmtree(world.home / "manifests" / "mine")
    collect(world.store)
    assert [path for path in strangers if not path.exists()] == [
        world.home / "manifests" / "mine" / f"{KEY * 4}.json"
    ]


def test_what_killed_writes_left_goes_when_it_is_a_day_old(world: World):
    papers = world.home / "papers" / "astro_ph_papers"
    snapshot = world.store.path_of(world.store.require("snapshot_papers", None))
    left = [
        papers / f".2020-01-{KEY}.parquet.k3v_x0aa",
        papers / ".duckdb.k3v_x0aa" / "spill" / "block",
        snapshot / ".keys.parquet.k3v_x0aa",
        world.home / "proofs" / ".papers-astro_ph_papers.json.k3v_x0aa",
        world.home / "proofs" / f".papers-snapshot-{KEY}.json.k3v_x0aa",
        world.home / "proofs" / ".tokens.json.k3v_x0aa",
        world.home
        / "tokens"
        / f".general-2020-01-train-{KEY[:8]}-{KEY[:9]}.k3v_x0aa"
        / "tokens.npy",
        world.home / "near_copies" / f".general-2020-01-train-{KEY}.n.k3v_x0aa",
        world.home / "near_copies" / f".pairs-{KEY}.parquet.k3v_x0aa",
        world.home / "proofs" / ".near_copies.json.k3v_x0aa",
        world.home / "adapters" / f".{KEY}.k3v_x0aa" / "adapter_config.json",
        world.home / "manifests" / "token_blocks" / f".{(KEY * 4)[:40]}.k3v_x0aa",
        world.home / "releases" / AFTER / ".astro_ph_papers.json.k3v_x0aa",
        world.home / ".warehouse.duckdb.k3v_x0aa",
    ]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    assert not garbage_of(world.store).items
    tomorrow = datetime.now(UTC) + timedelta(days=1, minutes=5)  # of the files, not of the import
    found = find_garbage(world.store, NOBODY, now=tomorrow)
    assert kinds(found) == {"left by killed writes": len(left)}
    remove(world.store, found, progress=NO_PROGRESS)
    assert not any(path.exists() for path in left)


def test_scratch_of_a_killed_rebuild_goes_at_once(world: World):
    (world.home / ".verify.aaaaaaaa").mkdir()
    (world.home / ".verify.aaaaaaaa" / ".in-use").touch()
    assert [item.path for item in collect(world.store).items] == [".verify.aaaaaaaa"]


def test_no_link_is_followed(world: World, tmp_path: Path):
    outside = tmp_path / "outside"
    (outside / "inner").mkdir(parents=True)
    for name in (f"2020-01-{KEY}.parquet", f"inner/2020-01-{KEY}.parquet"):
        (outside / name).write_text("precious")
    # A folder of ours that is a link, an entry that is a link, and a link below an entry.
    shutil.rmtree(world.home / "adapters", ignore_errors=True)
    (outside / KEY).mkdir()
    (world.home / "adapters").symlink_to(outside)
    (world.home / "papers" / "astro_ph_papers" / f"2020-01-{KEY}.parquet").symlink_to(
        outside / f"2020-01-{KEY}.parquet"
    )
    stream = world.home / "tokens" / f"astro-2020-01-test-{KEY}"
    stream.mkdir()
    (stream / "inner").symlink_to(outside / "inner")
    before = of_folder(outside)
    found = collect(world.store)
    assert found.links == ("adapters",)
    assert [item.path for item in found.items] == [stream.relative_to(world.home).as_posix()]
    assert not stream.exists()
    assert of_folder(outside) == before and (outside / KEY).is_dir()


def test_a_place_that_becomes_a_link_after_the_search_is_left_alone(world: World, tmp_path: Path):
    planted = world.home / "evaluations" / f"decision-{KEY}"
    planted.mkdir(parents=True)
    found = garbage_of(world.store)
    assert len(found.items) == 1
    outside = tmp_path / "outside"
    (outside / planted.name).mkdir(parents=True)
    shutil.rmtree(world.home / "evaluations")
    (world.home / "evaluations").symlink_to(outside)
    remove(world.store, found, progress=NO_PROGRESS)
    assert (outside / planted.name).is_dir()


def test_a_forgotten_release_goes_and_the_other_stays_clean(world: World):
    import duckdb

    found = collect(world.store, forget=[BEFORE])
    assert not list((world.home / "releases" / BEFORE).glob("*.json"))
    assert kinds(found)["pointers of forgotten releases"] == 5
    assert kinds(found)["paper shards"] >= 2 and kinds(found)["token streams"] >= 2
    assert kinds(found)["words of months"] >= 2 and kinds(found)["lists of near copies"] == 1
    # All it shared with the other release is still there, and views read what is.
    assert is_clean(world.store, AFTER) and not garbage_of(world.store).items
    with duckdb.connect(str(world.store.home.warehouse), read_only=True) as connection:
        views = connection.execute("select string_agg(view_name) from duckdb_views()").fetchone()
        papers = connection.execute("select count(*) from astro_ph_papers_latest").fetchone()
    assert f"astro_ph_papers_{BEFORE.replace('-', '_')}" not in views[0]
    assert papers == (world.store.require("astro_ph_papers", AFTER).counts["n_rows"],)


def views_of(store: Store) -> set[str]:
    """Return the names of the views, each of which can be read to its end."""
    import duckdb

    with duckdb.connect(str(store.home.warehouse), read_only=True) as connection:
        found = "select view_name from duckdb_views() where not internal"
        names = {name for (name,) in connection.execute(found).fetchall()}
        for name in names:
            connection.execute(f'from "{name}"').fetchall()
    return names


def test_views_are_right_after_a_call_that_was_killed_when_the_pointers_were_gone(world: World):
    publish_views(world.store)
    for pointer in (world.home / "releases" / BEFORE).glob("*.json"):
        pointer.unlink()
    assert collect(world.store).items
    views, this = views_of(world.store), AFTER.replace("-", "_")
    assert {f"astro_ph_papers_{this}", "general_papers_latest", "papers_by_month_latest"} <= views
    assert {view.removesuffix(f"_{this}").removesuffix("_latest") for view in views} <= {*CONTRACTS}


def test_a_cut_shard_of_a_kept_release_stops_nothing(world: World):
    kept, changed = (
        {shard["file"] for shard in world.store.require("astro_ph_papers", release).facts["shards"]}
        for release in (AFTER, BEFORE)
    )
    shard = world.home / "papers" / "astro_ph_papers" / min(changed - kept)
    shard.write_bytes(shard.read_bytes()[:-9])
    planted = plant(world.home)
    assert {item.path for item in collect(world.store).items} == planted
    assert not left_of(planted, world.home)
    views = views_of(world.store)
    assert f"papers_by_month_{AFTER.replace('-', '_')}" in views
    assert f"astro_ph_papers_{BEFORE.replace('-', '_')}" not in views


def test_a_full_disk_is_freed_although_no_views_can_be_written(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    written = []

    def refused_at_first(store: Store) -> None:
        written.append(left_of(planted, store.home.root))
        if len(written) == 1:
            raise OSError(28, "No space left on device")

    planted = plant(world.home)
    monkeypatch.setattr(garbage, "publish_views", refused_at_first)
    collect(world.store)
    assert written == [planted, set()]
    assert not world.store.home.warehouse.exists()


def left_of(names: set[str], home: Path) -> set[str]:
    return {name for name in names if (home / name).exists()}


def test_an_unknown_release_cannot_be_forgotten(two_releases: World):
    with pytest.raises(MissingArtifactError, match="2020-01"):
        garbage_of(two_releases.store, forget=["2020-01"])


def test_a_manifest_that_cannot_be_read_stops_everything(world: World):
    plant(world.home)
    (world.home / "releases" / AFTER / "token_blocks.json").write_text("{")
    before = of_folder(world.home)
    with pytest.raises(DamagedArtifactError, match=r"token_blocks\.json is not a manifest"):
        collect(world.store)
    assert of_folder(world.home) == before


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Store
from astro_assets.progress import NO_PROGRESS
from astro_assets.releases import garbage
from astro_assets.releases.registered import Registered

store, after, left = Store(Home(Path(sys.argv[1]))), int(sys.argv[2]), int(sys.argv[2])
whole = os.unlink, os.rename

def counted(call):
    def guarded(*arguments, **given):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **given)
    return guarded

os.unlink, os.rename = map(counted, whole)
found = garbage.find_garbage(store, Registered(), forget=[sys.argv[3]], now=datetime.now(UTC))
garbage.remove(store, found, progress=NO_PROGRESS)
"""


@pytest.mark.slow
def test_killed_anywhere_it_leaves_whole_releases_and_ends_when_called_again(
    two_releases: World, tmp_path: Path
):
    whole = tmp_path / "whole"
    shutil.copytree(two_releases.home, whole)
    store = Store(Home(whole))
    collect(store, forget=[BEFORE])
    for n_steps in (0, 1, 3, 6, 10, 14, 20):
        home = tmp_path / f"killed-{n_steps}"
        shutil.copytree(two_releases.home, home)
        done = subprocess.run([sys.executable, "-c", KILLED, home, str(n_steps), BEFORE])
        assert done.returncode == -9
        killed = Store(Home(home))
        assert all(
            killed.is_intact(manifest)
            for asset in PARTS
            for release in (BEFORE, AFTER, None)
            if (manifest := killed.current(asset, release)) is not None
        )
        again = [BEFORE] if any((home / "releases" / BEFORE).glob("*.json")) else []
        collect(killed, forget=again)
        later = NOW + timedelta(days=2)
        remove(killed, find_garbage(killed, NOBODY, now=later), progress=NO_PROGRESS)
        assert set(of_folder(home)) == set(of_folder(whole))


def test_the_command_lists_first_and_removes_when_told(world: World):
    planted = plant(world.home)
    listed = command(world.home, "gc")
    assert listed.exit_code == 0 and "--delete removes them" in listed.stdout
    assert "token streams" in listed.stdout
    told = json.loads(command(world.home, "gc", "--json").stdout)
    assert {item["path"] for item in told["items"]} == planted and not told["deleted"]
    assert command(world.home, "gc", "--delete").exit_code == 0
    again = command(world.home, "gc")
    assert again.exit_code == 0 and "Nothing to remove" in again.stdout
    assert not any(os.path.lexists(world.home / name) for name in planted)
    refused = command(world.home, "gc", "--forget", "2020-01")
    assert refused.exit_code == 2 and "2020-01" in refused.output


def test_the_command_waits_for_nobody(world: World):
    import fcntl

    plant(world.home)
    with (world.home / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert command(world.home, "gc").exit_code == 0
        refused = command(world.home, "gc", "--delete")
    assert refused.exit_code == 2 and "being written to" in refused.output


@pytest.mark.slow
def test_after_a_whole_chain_all_is_reused_and_registered_adapters_stay(
    tmp_path: Path, tiny_base: Path
):
    from tests.e2e.world import RELEASE, make_world

    chain = make_world(tmp_path / "chain", tiny_base)
    assert chain.run().success
    assert chain.with_recipe("other", learning_rate=2e-3).run().success
    with chain.environment():
        assert command(chain.home, "gc", "--delete").exit_code == 0
    # The first adapter is a registered version, so it stays although the release has another.
    assert len(list((chain.home / "adapters").iterdir())) == 2
    assert is_clean(chain.store, RELEASE)
    ended = chain.with_recipe("other", learning_rate=2e-3).run()
    assert set(statuses(ended).values()) == {"reused"}, ended.errors
