"""What the asset shows of near copies."""

from pathlib import Path

import pytest

from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.defs import judges
from astro_assets.defs.assets.near_copies import _shown
from astro_assets.defs.resources import Workspace
from astro_assets.settings import Settings
from tests.releases.near_copies import RELEASE, made

PAIR = {
    "similarity": 0.955,
    "test_id": "1",
    "test_title": "A | <b>title</b>",
    "train_id": "2",
    "train_title": "Another\ntitle",
}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(Settings(home=tmp_path), Store(Home(tmp_path)), False)


def test_the_first_pairs_are_shown_and_no_title_breaks_out_of_the_table(workspace: Workspace):
    shown = _shown(workspace.store, made(workspace.store, pairs=[PAIR]))
    said = shown["first_pairs"].value
    lines = said.splitlines()
    assert lines[0] == "The first 1 of 1 pairs" and len(lines) == 5
    assert "96%" in lines[4] and "<b>" not in said and "Another title" in lines[4]


@pytest.mark.parametrize(("n", "passed"), [(0, True), (10, True), (11, False)])
def test_more_than_one_in_a_hundred_is_a_warning(workspace: Workspace, n: int, passed: bool):
    counts = {"n_test_with_near_copy": n, "n_test_papers": 1_000, "n_pairs": n}
    manifest = Manifest("near_copies", RELEASE, "k", "f", ".", counts, {}, {}, {}, {}, "1", "")
    verdict = judges.few_near_copies(manifest, workspace.store)
    assert verdict.passed is passed and f"{n} of 1,000 test papers" in verdict.said
    none = Manifest(
        "near_copies", RELEASE, "k", "f", ".", dict.fromkeys(counts, 0), {}, {}, {}, {}, "1", ""
    )
    assert judges.few_near_copies(none, workspace.store).passed
