"""The snapshot's asset alone: what it shows, and when it works again."""

import dagster as dg
import pytest

from astro_assets.artifacts.fingerprint import of_file
from astro_assets.defs.assets.ingest import arxiv_snapshot
from astro_assets.defs.resources import LogProgress, open_workspace
from astro_assets.ingest import kaggle
from astro_assets.ingest.kaggle import Held
from tests.builders import record, write_snapshot


@pytest.fixture
def materialised(tmp_path):
    def materialise(source, **flags):
        flags = {"home": tmp_path / "home", "snapshot": str(source), **flags}
        ran = dg.materialize(
            [arxiv_snapshot],
            resources={"workspace": open_workspace(flags), "progress": LogProgress()},
            instance=instance,
        )
        (made,) = ran.asset_materializations_for_node("arxiv_snapshot")
        return {name: value.value for name, value in made.metadata.items()}

    with dg.DagsterInstance.ephemeral() as instance:
        yield materialise


def test_a_file_is_shown_with_all_that_is_known_of_it(tmp_path, materialised):
    path = write_snapshot(tmp_path / "a.zip", [record("2307.00001"), record("2307.00002")])
    shown = materialised(path)
    assert shown["status"] == "made"
    assert shown["sha256"] == of_file(path)
    assert (shown["n_bytes"], shown["n_lines"]) == (path.stat().st_size, 2)
    assert (shown["vintage"], shown["vintage_from"]) == ("2023-07-04", "update_date")
    assert (shown["origin"], shown["source"], shown["path"]) == ("file", str(path), str(path))
    assert materialised(path)["status"] == "reused"


def test_one_file_from_kaggle_and_by_hand_are_two_snapshots(tmp_path, materialised, monkeypatch):
    path = write_snapshot(tmp_path / "a.zip", [record("2307.00001")])
    forced = []

    def fetch(version, root, *, progress, force):
        forced.append(force)
        return Held(path, 230, "2026-06-28")

    monkeypatch.setattr(kaggle, "fetch", fetch)
    assert materialised(path)["origin"] == "file"
    shown = materialised("kaggle")
    assert (shown["status"], shown["origin"], shown["kaggle_version"]) == ("made", "kaggle", 230)
    assert (shown["vintage"], shown["vintage_from"]) == ("2023-07-04", "update_date")
    assert materialised("kaggle", force=True)["status"] == "made"
    assert forced == [False, True]
