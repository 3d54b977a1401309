"""Damage is noticed before anything is made of it, though a refresh does not read every byte."""

import json
import os
from pathlib import Path

import pytest

from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Built, Manifest, Store, Work, make_or_reuse
from astro_assets.artifacts.proofs import Proofs
from astro_assets.errors import DamagedArtifactError
from astro_assets.months import Month
from astro_assets.progress import NO_PROGRESS
from astro_assets.warehouse.papers import Rules, build_release_table
from astro_assets.warehouse.snapshot_papers import KEYS_FILE
from tests.builders import record
from tests.warehouse.tables import SALT, papers_of, shard_paths, snapshot, window_file

RECORDS = [record(f"23{m:02d}.00001", abstract=f"{m} " * 200, versions=None) for m in (5, 6)]


def table(papers: Built, out: Path, month: str = "2023-07", proofs: Proofs | None = None) -> Built:
    window = record(f"{month[2:4]}{month[5:]}.00001", versions=None) | {"datestamp": "2023-07-09"}
    rules = Rules(SALT, 1.0)
    return build_release_table(
        "astro_ph_papers",
        papers_of(papers),
        [window_file(out.with_name(f"window-{month}.parquet"), [window], rules)],
        release=Month.parse(month),
        out=out,
        rules=rules,
        progress=NO_PROGRESS,
        proofs=proofs or Proofs(out, note_of(out)),
    )


def note_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.json")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)


def rot(path: Path, folder: Path, note: Path) -> None:
    """Change a byte so that neither size nor times tell: what only reading can find."""
    flip(path)
    proven = json.loads(note.read_text())
    found = path.stat()
    proven[path.relative_to(folder).as_posix()][1] = [
        found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns,
    ]  # fmt: skip
    note.write_text(json.dumps(proven))


@pytest.mark.parametrize("damage", [flip, Path.unlink])
def test_damaged_keys_are_refused(tmp_path: Path, damage) -> None:
    papers = snapshot(tmp_path / "papers", RECORDS)
    damage(tmp_path / "papers" / KEYS_FILE)
    with pytest.raises(DamagedArtifactError, match=KEYS_FILE):
        table(papers, tmp_path / "out")


@pytest.mark.parametrize("damage", [flip, Path.unlink])
def test_a_damaged_shard_of_the_snapshot_is_never_copied(tmp_path: Path, damage) -> None:
    papers = snapshot(tmp_path / "papers", RECORDS)
    damage(shard_paths(papers)[0])
    with pytest.raises(DamagedArtifactError, match="2023-05"):
        table(papers, tmp_path / "out")


def test_a_month_that_is_there_needs_nothing_of_the_snapshot(tmp_path: Path) -> None:
    papers = snapshot(tmp_path / "papers", RECORDS)
    first = table(papers, tmp_path / "out")
    for path in shard_paths(papers):
        path.unlink()
    assert table(papers, tmp_path / "out").files == first.files


@pytest.mark.parametrize("damage", ["cut", "remove", "replace"])
def test_what_shows_without_reading_is_made_again(tmp_path: Path, damage: str) -> None:
    papers = snapshot(tmp_path / "papers", RECORDS)
    built = table(papers, tmp_path / "out")
    path = shard_paths(built)[0]
    before, good = path.stat(), path.read_bytes()
    if damage == "cut":
        path.write_bytes(good[:-1])
    elif damage == "remove":
        path.unlink()
    else:
        other = path.with_name("other")
        other.write_bytes(good)
        flip(other)
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        other.replace(path)
    assert table(papers, tmp_path / "out").files == built.files
    assert path.read_bytes() == good


class World:
    """A home in which astro tables of two releases are made as the asset makes them."""

    def __init__(self, root: Path) -> None:
        self.store = Store(Home(root))
        self.folder = self.store.home.papers / "astro_ph_papers"
        self.papers = snapshot(root / "papers" / "snapshot", RECORDS)

    def make(self, month: str) -> tuple[Manifest, bool]:
        work = Work("astro_ph_papers", month, {"release": month}, {})

        def build() -> Built:
            return table(self.papers, self.folder, month, self.store.proofs(self.folder))

        return make_or_reuse(self.store, work, build)


def test_rot_is_found_by_the_checksums_and_mended_by_the_next_run(tmp_path: Path) -> None:
    world = World(tmp_path)
    first, _ = world.make("2023-07")
    shared = world.folder / first.facts["shards"][0]["file"]
    good = shared.read_bytes()
    (note,) = world.store.home.proofs.iterdir()
    rot(shared, world.folder, note)
    second, _ = world.make("2023-08")
    assert shared.read_bytes() != good, "taken as proven: a refresh does not read it"
    with pytest.raises(DamagedArtifactError, match=shared.name):
        world.store.verify(second)
    again, reused = world.make("2023-08")
    assert not reused and shared.read_bytes() == good
    world.store.verify(again)
    assert again.fingerprint == second.fingerprint
    assert world.make("2023-07")[1], "the other release is whole again as well"
