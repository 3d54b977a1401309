"""Which test papers the evaluations of a release leave out."""

from pathlib import Path

import pytest

from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Built, Manifest, Store, Work
from astro_assets.errors import DamagedArtifactError, MissingArtifactError
from astro_assets.releases.held_out import left_out
from astro_assets.settings import Settings

RELEASE = "2026-06"
TABLES = ("astro_ph_papers", "general_papers")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(Home(tmp_path))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def keep(store: Store, asset: str, content: str, **facts) -> Manifest:
    parents = {n: store.require(n, RELEASE).fingerprint for n in TABLES if asset == "near_copies"}
    counts = {"n_pairs": len(facts.get("first", []))}
    built = Built(content, store.home.root, counts=counts, facts=facts)
    return store.commit(Work(asset, RELEASE, {"content": content}, parents), built)


def made(store: Store) -> Manifest:
    for table in TABLES:
        keep(store, table, f"{table} as it is")
    found = {"astro": ["1"], "general": []}
    return keep(store, "near_copies", "c", near_copies=found, first=[], pairs="pairs.parquet")


def test_near_copies_are_left_out_and_their_list_is_part_of_the_work(
    store: Store, settings: Settings
):
    copies = made(store)
    left = left_out(store, RELEASE, settings)
    assert left.ids == {"astro": ["1"], "general": []} and left.astro == ["1"]
    assert left.parents == (copies,)


def test_who_keeps_them_needs_no_list(store: Store, settings: Settings):
    left = left_out(store, RELEASE, settings.model_copy(update={"near_copies": "keep"}))
    assert (left.parents, left.ids, left.astro) == ((), None, None)


def test_a_list_that_was_never_made_is_asked_for(store: Store, settings: Settings):
    with pytest.raises(MissingArtifactError, match=f"Materialise near_copies, release {RELEASE}"):
        left_out(store, RELEASE, settings)


@pytest.mark.parametrize("table", TABLES)
def test_a_list_of_other_papers_is_refused(store: Store, settings: Settings, table: str):
    made(store)
    keep(store, table, "as it is now")
    with pytest.raises(DamagedArtifactError, match=f"another state of {table}"):
        left_out(store, RELEASE, settings)
