"""Evaluations of single models outlive gc as long as what they were measured on does."""

import os
from pathlib import Path

import pytest

from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.registry.scorecards import ASSET, leaderboard
from tests.registry.evaluations import (
    PAPERS,
    RELEASE,
    keep,
    knowledge,
    measured,
    perplexity,
    scores,
)
from tests.releases.collecting import collect, garbage_of, kinds


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(Home(tmp_path))
    keep(store, "astro_ph_papers", PAPERS, facts={"shards": []})
    return store


def evaluated(store: Store, digest: str, **given: str) -> list[Manifest]:
    report = perplexity(model=scores(1.0))
    first = measured(store, digest, "perplexity", report, made=f"{digest * 15}1", **given)
    second = measured(store, digest, "knowledge", knowledge(model=1), made=f"{digest * 15}2")
    return [first, second]


def test_every_model_s_evaluation_stays_though_a_pointer_names_the_last_one(store: Store) -> None:
    made = [*evaluated(store, "a"), *evaluated(store, "b")]
    assert collect(store).items == ()
    assert all(store.path_of(one).is_dir() for one in made)
    assert len(leaderboard(store)[0].cards) == 2


def test_it_goes_with_its_release(store: Store) -> None:
    made = [*evaluated(store, "a"), *evaluated(store, "b")]
    found = collect(store, forget=[RELEASE])
    # Of the release: papers and the evaluation made last.
    assert kinds(found) == {"pointers of forgotten releases": 2, "manifests": 5, "evaluations": 4}
    assert not any(store.path_of(one).exists() for one in made)
    assert not list((store.home.manifests / ASSET).iterdir()) and leaderboard(store) == []


def test_it_goes_when_its_papers_do_and_never_keeps_them(store: Store) -> None:
    evaluated(store, "a")
    keep(store, "astro_ph_papers", "q" * 64, facts={"shards": []})
    collect(store)
    assert store.find_content("astro_ph_papers", PAPERS) is None
    # What was asked of the model has nothing to do with the papers.
    (left,) = (store.home.manifests / ASSET).glob("*.json")
    kept = store.find(ASSET, left.stem)
    assert kept is not None and kept.parameters["part"] == "knowledge"


def test_nothing_is_kept_for_a_release_that_is_gone(store: Store) -> None:
    made = measured(store, "a", "knowledge", knowledge(model=1), release="2026-05", made="a" * 16)
    (store.home.releases / "2026-05" / f"{ASSET}.json").unlink()
    assert kinds(garbage_of(store)) == {"manifests": 1, "evaluations": 1}
    collect(store)
    assert store.find(ASSET, made.key) is None


def test_a_killed_write_of_the_leaderboard_leaves_nothing_for_good(store: Store) -> None:
    store.home.reports.mkdir()
    left = [
        store.home.reports / ".leaderboard.html.k3v_x0aa",
        store.home.reports / ".leaderboard.json.k3v_x0aa",
        store.home.reports / ".2026-06.json.k3v_x0aa",
        store.home.reports / ".index.json.k3v_x0aa",
        store.home.releases / RELEASE / f".{ASSET}.json.k3v_x0aa",
    ]
    stranger = store.home.reports / ".mine.html.k3v_x0aa"
    for path in (*left, stranger):
        path.write_text("x")
        os.utime(path, (0, 0))
    (store.home.reports / "leaderboard.html").write_text("x")
    assert kinds(collect(store)) == {"left by killed writes": len(left)}
    assert stranger.exists() and (store.home.reports / "leaderboard.html").exists()
