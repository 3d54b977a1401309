"""Which test papers the evaluations of a release leave out."""

from pathlib import Path

import pytest

from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Store
from astro_assets.errors import DamagedArtifactError, MissingArtifactError
from astro_assets.releases.held_out import left_out
from astro_assets.settings import Settings
from tests.releases.near_copies import RELEASE, TABLES, keep, made


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(Home(tmp_path))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


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
