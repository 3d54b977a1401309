"""A release is verified against a rebuild; what differs is named; nothing is left behind."""

import fcntl
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from astro_assets.artifacts.fingerprint import of_folder
from astro_assets.artifacts.manifest import Store
from astro_assets.code_versions import CODE_VERSIONS
from astro_assets.errors import BadSettingError, DamagedArtifactError, MissingArtifactError
from astro_assets.progress import NO_PROGRESS
from astro_assets.releases import verify
from astro_assets.releases.scratch import PREFIX, abandoned, scratch_folder
from astro_assets.releases.verify import ABSENT, NOT_REPEATED, verify_release
from tests.command_line import command
from tests.e2e.world import World
from tests.releases.conftest import AFTER, BEFORE

REBUILT = {"snapshot_papers", "astro_ph_papers", "general_papers", "token_blocks", "near_copies"}


def verified(store: Store, release: str, *, from_papers: bool = False):
    return verify_release(store, release, from_papers=from_papers, progress=NO_PROGRESS)


def first_shard(store: Store, asset: str, release: str | None) -> tuple[Path, str]:
    manifest = store.require(asset, release)
    shard = manifest.facts["shards"][0]
    return store.path_of(manifest) / shard["file"], shard["month"]


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_release_is_clean_also_after_a_later_one_was_made(two_releases: World):
    before = of_folder(two_releases.home)
    for release in (BEFORE, AFTER):
        found = verified(two_releases.store, release)
        assert found.is_clean, found.differences
        assert set(found.compared) == REBUILT and all(found.compared.values())
        assert NOT_REPEATED in found.notes
    assert of_folder(two_releases.home) == before


def test_a_damaged_shard_is_named_with_its_month(world: World):
    path, month = first_shard(world.store, "astro_ph_papers", AFTER)
    flip_a_byte(path)
    found = verified(world.store, AFTER)
    (difference,) = [d for d in found.differences if d.what == "kept file"]
    assert (difference.asset, difference.month) == ("astro_ph_papers", month)
    assert difference.name == path.name and difference.expected != difference.found
    # The rebuilt bytes are those the manifest lists: only what is kept is damaged.
    assert found.differences == (difference,)


def test_a_missing_token_stream_is_named(world: World):
    blocks = world.store.require("token_blocks", AFTER)
    name = sorted(name for name in blocks.files if name.endswith("tokens.npy"))[0]
    (world.store.path_of(blocks) / name).unlink()
    (difference,) = verified(world.store, AFTER).differences
    assert (difference.asset, difference.name, difference.found) == ("token_blocks", name, ABSENT)


def test_damaged_words_of_a_month_are_named(world: World):
    copies = world.store.require("near_copies", AFTER)
    name = sorted(name for name in copies.files if name.startswith("astro-2026-06-train"))[0]
    flip_a_byte(world.store.path_of(copies) / name)
    (difference,) = verified(world.store, AFTER).differences
    told = (difference.asset, difference.month, difference.what, difference.name)
    assert told == ("near_copies", "2026-06", "kept file", name)


def test_another_rebuild_than_the_manifest_lists_is_named(world: World):
    pointer = world.home / "releases" / AFTER / "astro_ph_papers.json"
    document = json.loads(pointer.read_text())
    document["parameters"]["category_rule"] = "primary"
    pointer.write_text(json.dumps(document))
    found = verified(world.store, AFTER)
    told = {(d.asset, d.what) for d in found.differences}
    assert ("astro_ph_papers", "rebuilt content") in told
    assert ("astro_ph_papers", "rebuilt file") in told
    assert ("token_blocks", "rebuilt content") in told
    months = [
        d.month
        for d in found.differences
        # the list of near copies is of no month
        if d.what == "rebuilt file" and not d.name.startswith("pairs-")
    ]
    assert months and all(months)


def test_a_part_made_from_another_state_is_named(world: World):
    pointer = world.home / "releases" / AFTER / "token_blocks.json"
    document = json.loads(pointer.read_text())
    document["parents"]["general_papers"] = "0" * 64
    pointer.write_text(json.dumps(document))
    (difference,) = verified(world.store, AFTER).differences
    assert (difference.what, difference.name) == ("parent", "general_papers")


def test_a_snapshot_that_is_gone_says_so_and_offers_the_papers(world: World, tmp_path: Path):
    raw = world.store.require("arxiv_snapshot", None)
    path = world.home / "manifests" / "arxiv_snapshot" / f"{raw.key}.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"path": str(tmp_path / "gone.zip")}))
    with pytest.raises(MissingArtifactError, match=r"gone\.zip is gone[\s\S]*--from-papers"):
        verified(world.store, BEFORE)
    found = verified(world.store, BEFORE, from_papers=True)
    assert found.is_clean and set(found.compared) == REBUILT - {"snapshot_papers"}
    assert any("raw snapshot was not read" in note for note in found.notes)


def test_a_snapshot_that_changed_says_so(world: World, tmp_path: Path):
    raw = world.store.require("arxiv_snapshot", None)
    path = world.home / "manifests" / "arxiv_snapshot" / f"{raw.key}.json"
    changed = tmp_path / "snapshot.zip"
    changed.write_bytes(world.snapshot.read_bytes() + b"more")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"path": str(changed)}))
    with pytest.raises(DamagedArtifactError, match="has changed"):
        verified(world.store, BEFORE)


@pytest.mark.parametrize("what", ["page", "papers"])
def test_nothing_is_rebuilt_from_damaged_parts(world: World, what: str):
    if what == "page":
        path = next((world.home / "windows" / AFTER).glob("page-*"))
    else:
        path, _ = first_shard(world.store, "snapshot_papers", None)
    flip_a_byte(path)
    found = verified(world.store, AFTER, from_papers=True)
    assert not found.is_clean and not found.compared
    assert found.notes[0].startswith("Not rebuilt: ")


def test_code_that_moved_since_is_told(world: World, monkeypatch: pytest.MonkeyPatch):
    now = CODE_VERSIONS["token_blocks"]
    monkeypatch.setitem(CODE_VERSIONS, "token_blocks", "other")
    notes = verified(world.store, AFTER).notes
    assert f"token_blocks was made with code version {now}; this is other." in notes


def test_a_release_without_blocks_is_verified_up_to_its_tables(world: World):
    (world.home / "releases" / AFTER / "token_blocks.json").unlink()
    found = verified(world.store, AFTER)
    assert found.is_clean and "token_blocks" not in found.compared
    assert "The release has no token_blocks." in found.notes


def test_an_unknown_tokenizer_is_an_error_and_leaves_no_scratch(world: World):
    pointer = world.home / "releases" / AFTER / "token_blocks.json"
    document = json.loads(pointer.read_text())
    document["parameters"]["tokenizer"] = "0" * 64
    pointer.write_text(json.dumps(document))
    with pytest.raises(MissingArtifactError, match="tokenizer"):
        verified(world.store, AFTER)
    assert not list(world.home.glob(f"{PREFIX}*"))


def test_scratch_of_a_killed_rebuild_goes_with_the_next(world: World):
    home = world.store.home
    with scratch_folder(home) as living:
        (living / "shard").write_text("x")
        killed = home.root / f"{PREFIX}aaaaaaaa"
        killed.mkdir()
        (killed / ".in-use").touch()
        beginning = home.root / f"{PREFIX}bbbbbbbb"
        beginning.mkdir()
        assert abandoned(home) == [killed]
        with scratch_folder(home):
            assert living.is_dir() and beginning.is_dir() and not killed.exists()
    assert not living.exists()
    os.utime(beginning, (0, 0))
    assert abandoned(home) == [beginning]


def test_scratch_is_known_to_be_in_use_by_another_process(world: World):
    folder = world.home / f"{PREFIX}cccccccc"
    folder.mkdir()
    with (folder / ".in-use").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert abandoned(world.store.home) == []
    assert abandoned(world.store.home) == [folder]


REFUSED = [
    OSError(28, "No space left on device"),
    duckdb.OutOfMemoryException("failed to allocate\n  64 KiB"),
    pa.ArrowInvalid("Couldn't deserialize thrift"),
    pl.exceptions.ComputeError("zstd frame"),
]


@pytest.mark.parametrize("refusal", REFUSED, ids=lambda error: type(error).__name__)
def test_what_disk_or_engine_refuse_tells_nothing_about_the_release(
    world: World, monkeypatch: pytest.MonkeyPatch, refusal: Exception
):
    def refused(*_: object, **__: object) -> Iterator[None]:
        raise refusal
        yield

    monkeypatch.setattr(verify, "rebuild", refused)
    with pytest.raises(BadSettingError, match="tells nothing about the release") as caught:
        verified(world.store, AFTER)
    told = str(caught.value)
    assert AFTER in told and type(refusal).__name__ in told
    assert not list(world.home.glob(f"{PREFIX}*"))


def test_a_defect_of_ours_keeps_its_traceback(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(verify, "rebuild", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        verified(world.store, AFTER)


def test_a_disk_that_is_full_ends_the_command_with_2(world: World):
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = subprocess.run(
        [sys.executable, "-m", "astro_assets.cli", "verify", AFTER],
        env={**os.environ, "ASTRO_HOME": str(world.home)},
        capture_output=True,
        text=True,
        preexec_fn=small_files,
    )
    assert done.returncode == 2, done.stderr
    assert "tells nothing about the release" in done.stderr and "Traceback" not in done.stderr
    assert not list(world.home.glob(f"{PREFIX}*"))


def test_the_command_ends_with_0_1_or_2(world: World):
    clean = command(world.home, "verify", AFTER)
    assert clean.exit_code == 0 and "is what it was, byte for byte" in clean.stdout
    assert NOT_REPEATED in clean.stdout
    path, month = first_shard(world.store, "general_papers", AFTER)
    flip_a_byte(path)
    shown = command(world.home, "verify", AFTER, "--from-papers")
    assert shown.exit_code == 1 and path.name in shown.stdout and month in shown.stdout
    (world.home / "releases" / AFTER / "token_blocks.json").unlink()
    damaged = command(world.home, "verify", AFTER, "--from-papers", "--json")
    assert damaged.exit_code == 1
    told = json.loads(damaged.stdout)
    assert not told["clean"] and told["differences"][0]["month"] == month
    for release in ("2020-01", "../../etc", "2026-13"):
        unknown = command(world.home, "verify", release)
        assert unknown.exit_code == 2 and "Traceback" not in unknown.output, unknown.output
