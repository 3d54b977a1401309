from datetime import UTC, datetime
from pathlib import Path

import pytest

from astro_assets.artifacts.fingerprint import of_folder, of_value
from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Built, Store, Work, make_or_reuse
from astro_assets.errors import DamagedArtifactError, MissingArtifactError


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(Home(tmp_path / "home"), now=lambda: datetime(2026, 7, 1, tzinfo=UTC))


def work(release: str = "2026-06", **parameters: int) -> Work:
    return Work("token_blocks", release, parameters, {"base_model": "abc"})


class Builder:
    """Writes one file and counts how often it was asked to."""

    def __init__(self, folder: Path, text: str = "x") -> None:
        self.folder, self.text, self.n_calls = folder, text, 0

    def __call__(self) -> Built:
        self.n_calls += 1
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "a").write_text(self.text)
        return Built(of_value(self.text), self.folder, {"n": 1}, of_folder(self.folder))


def test_equal_work_is_done_once_also_across_releases(store: Store):
    build = Builder(store.home.tokens)
    first, reused = make_or_reuse(store, work("2026-05"), build)
    assert not reused
    again, reused = make_or_reuse(store, work("2026-06"), build)
    assert reused and build.n_calls == 1
    assert again.release == "2026-06" and again.fingerprint == first.fingerprint
    assert store.require("token_blocks", "2026-06").key == first.key


@pytest.mark.parametrize(
    "other",
    [
        work(block_length=2),
        Work("token_blocks", "2026-06", {}, {"base_model": "other"}),
        Work("base_model", "2026-06", {}, {"base_model": "abc"}),
    ],
)
def test_the_key_follows_parameters_parents_and_asset(other: Work):
    assert other.key != work().key


def test_the_key_does_not_hold_the_release():
    assert work("2026-05").key == work("2026-06").key


def test_force_makes_again(store: Store):
    build = Builder(store.home.tokens)
    make_or_reuse(store, work(), build)
    _, reused = make_or_reuse(store, work(), build, force=True)
    assert not reused and build.n_calls == 2


@pytest.mark.parametrize("damage", ["change", "remove"])
def test_damaged_work_is_done_again(store: Store, damage: str):
    build = Builder(store.home.tokens)
    manifest, _ = make_or_reuse(store, work(), build)
    path = store.path_of(manifest) / "a"
    path.write_text("y") if damage == "change" else path.unlink()
    with pytest.raises(DamagedArtifactError, match="token_blocks, release 2026-06"):
        store.verify(manifest)
    _, reused = make_or_reuse(store, work(), build)
    assert not reused and path.read_text() == "x"


def test_retracting_makes_the_earlier_work_current_again(store: Store):
    first, _ = make_or_reuse(store, work(), Builder(store.home.tokens))
    later = Store(store.home)
    second, _ = make_or_reuse(later, work(block_length=2), Builder(store.home.tokens))
    assert later.require("token_blocks", "2026-06").key == second.key
    later.retract(second)
    assert later.require("token_blocks", "2026-06").key == first.key


def test_retracting_the_first_work_leaves_nothing_current(store: Store):
    manifest, _ = make_or_reuse(store, work(), Builder(store.home.tokens))
    store.retract(manifest)
    assert store.current("token_blocks", "2026-06") is None


def test_what_was_never_made_is_named_with_the_release(store: Store):
    with pytest.raises(MissingArtifactError, match="token_blocks, release 2026-06"):
        store.require("token_blocks", "2026-06")


def test_a_failing_build_leaves_the_old_work_current(store: Store):
    make_or_reuse(store, work(), Builder(store.home.tokens))

    def fails() -> Built:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        make_or_reuse(store, work(block_length=2), fails)
    assert store.require("token_blocks", "2026-06").key == work().key


def test_a_file_that_is_no_manifest_is_named(store: Store):
    path = store.home.releases / "2026-06" / "token_blocks.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"asset": ')
    with pytest.raises(DamagedArtifactError, match=r"token_blocks\.json"):
        store.current("token_blocks", "2026-06")


def test_paths_inside_the_home_are_kept_relative_so_a_home_can_be_moved(store: Store):
    manifest, _ = make_or_reuse(store, work(), Builder(store.home.tokens))
    assert manifest.path == "tokens"
    moved = store.home.root.with_name("moved")
    store.home.root.rename(moved)
    there = Store(Home(moved))
    assert there.is_intact(there.require("token_blocks", "2026-06"))
