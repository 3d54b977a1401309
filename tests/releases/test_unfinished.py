"""Unfinished trainings stay as long as somebody may go on with them."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from astro_assets.artifacts import lock
from astro_assets.artifacts.home import Home
from astro_assets.releases.kept import Kept
from astro_assets.releases.leftovers import clear_leftovers
from astro_assets.releases.registered import Registered
from astro_assets.releases.unfinished import WANTED_FOR, is_wanted

NOW = datetime.now(UTC)
STREAM = "tokens/astro-2026-06-train-01234567-0123456789abcdef/tokens.npy"
KEPT = Kept(frozenset(), frozenset({STREAM}), Registered())


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def work(home: Home) -> Path:
    folder = home.trainings / "0123456789abcdef"
    (folder / "checkpoints" / "checkpoint-5").mkdir(parents=True)
    streams = [{"path": str(home.root / STREAM)}]
    (folder / "job.json").write_text(json.dumps({"blocks": {"streams": streams}}))
    return folder


def test_a_training_on_blocks_that_are_kept_is_wanted(home: Home, work: Path) -> None:
    assert is_wanted(home, work, KEPT, now=NOW)
    nothing = Kept(frozenset(), frozenset(), Registered())
    assert not is_wanted(home, work, nothing, now=NOW)


def test_one_that_nobody_went_on_with_for_a_month_is_not(home: Home, work: Path) -> None:
    later = NOW + WANTED_FOR + timedelta(hours=1)
    assert not is_wanted(home, work, KEPT, now=later)
    touched = later.timestamp() - 3600
    (work / "curve.jsonl").write_text("{}\n")
    os.utime(work / "curve.jsonl", (touched, touched))
    assert is_wanted(home, work, KEPT, now=later)


def test_one_without_a_job_is_not(home: Home, work: Path) -> None:
    (work / "job.json").write_text("{")
    assert not is_wanted(home, work, KEPT, now=NOW)


def test_one_that_is_at_work_is_wanted_whatever_it_reads(home: Home, work: Path) -> None:
    (work / "job.json").unlink()
    later = NOW + 2 * WANTED_FOR
    with lock.exclusive(work / "lock", holder="a trainer", guarded=lock.TRAINING):
        assert is_wanted(home, work, KEPT, now=later)
    assert not is_wanted(home, work, KEPT, now=later)


def test_what_we_left_half_written_goes_and_what_a_trainer_writes_stays(
    home: Home, work: Path
) -> None:
    ours = [".job.json.k3v_x0aa", ".mlflow.json.k3v_x0aa", ".heldout.npz.k3v_x0aa"]
    theirs = [".result.k3v_x0aa", "result", ".seal.json.k3v_x0aa"]
    for name in (*ours, *theirs):
        (work / name).write_text("x")
    removed = home.trainings / ".fedcba9876543210.k3v_x0aa"
    removed.mkdir()
    (home.trainings / ".parent-0123456789abcdef.json.k3v_x0aa").write_text("x")
    assert clear_leftovers(home) == len(ours) + 2
    assert {path.name for path in work.iterdir()} == {*theirs, "job.json", "checkpoints"}
    assert not removed.exists()
