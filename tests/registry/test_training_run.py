"""The run of a training: what arrives in it, whatever happens to MLflow or to us meanwhile."""

import json
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from astro_assets.errors import RegistryError
from astro_assets.registry.tracking import Tracking, client_of, experiment_of
from astro_assets.registry.training_metrics import MAX_POINTS
from astro_assets.registry.training_run import TRAINING_TAG, About, TrainingRun
from tests.fakes.trainer import measurement, point

NLL = "training/nll_nats_per_token"


class Told:
    """Who is told, and a clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.run_ids: list[str] = []
        self.seconds = 0.0


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def note(tmp_path: Path) -> Path:
    return tmp_path / "mlflow.json"


def open_training(tracking: Tracking, note: Path, told: Told, n_steps: int = 10) -> TrainingRun:
    return TrainingRun(
        tracking,
        note,
        About("smoke 2026-06", {"rank": 8, "note": "x" * 600}, {"release": "2026-06"}, n_steps),
        say=told.said.append,
        on_run_id=told.run_ids.append,
        clock=lambda: told.seconds,
    )


def runs(tracking: Tracking) -> list[Any]:
    return client_of(tracking).search_runs([experiment_of(tracking)])


def steps(tracking: Tracking, run_id: str, metric: str = NLL) -> list[int]:
    return [found.step for found in client_of(tracking).get_metric_history(run_id, metric)]


def finish(run: TrainingRun) -> str:
    return run.finish(tags={"hardware.device": "cpu"}, artifacts=[])


@contextmanager
def down(tracking: Tracking, column: str = "experiments.name") -> Iterator[None]:
    """A store that cannot answer: one of its columns has another name."""
    table, name = column.split(".")
    connection = sqlite3.connect(tracking.uri.removeprefix("sqlite:///"))
    connection.execute(f"alter table {table} rename column {name} to away")
    connection.commit()
    try:
        yield
    finally:
        connection.execute(f"alter table {table} rename column away to {name}")
        connection.commit()
        connection.close()


def test_both_curves_arrive_under_their_names(tracking, note, told, tmp_path) -> None:
    (tmp_path / "curve.jsonl").write_text("{}\n")
    run = open_training(tracking, note, told)
    for n in (1, 2, 3):
        run.on_point(point(n))
        run.on_heldout(measurement(n))
    run_id = run.finish(tags={"hardware.device": "cpu"}, artifacts=[tmp_path / "curve.jsonl"])
    client = client_of(tracking)
    found = client.get_run(run_id)
    assert found.info.status == "FINISHED" and found.info.run_name == "smoke 2026-06"
    assert found.data.params == {"rank": "8", "note": "x" * 499 + "…"}
    assert found.data.tags["release"] == "2026-06"
    assert found.data.tags["hardware.device"] == "cpu"
    assert steps(tracking, run_id) == [1, 2, 3]
    assert steps(tracking, run_id, "heldout/subfield/astro-ph.GA") == [1, 2, 3]
    metrics = found.data.metrics
    assert metrics["training/tokens_per_second"] == 1234.5
    assert metrics["training/perplexity"] == pytest.approx(2.718281828)
    assert metrics["heldout/astro_perplexity"] == pytest.approx(1.947734)
    assert metrics["heldout/general_perplexity"] == pytest.approx(12.182494)
    assert [item.path for item in client.list_artifacts(run_id)] == ["curve.jsonl"]
    assert told.run_ids == [run_id] and told.said == []
    assert json.loads(note.read_text())["run_id"] == run_id


def test_points_are_sent_while_the_training_goes_on(tracking, note, told) -> None:
    run = open_training(tracking, note, told)
    run.on_point(point(1))
    for seconds in (6.0, 12.0):
        until_idle(run)
        told.seconds = seconds
        run.on_point(point(int(seconds)))
    until_idle(run)
    assert steps(tracking, json.loads(note.read_text())["run_id"]) == [1, 6, 12]
    run.break_off("KILLED")


def until_idle(run: TrainingRun) -> None:
    assert run._sending is not None
    run._sending.exception(20)


def test_a_long_training_is_thinned_and_its_ends_are_there(tracking, note, told) -> None:
    run = open_training(tracking, note, told, n_steps=2_500)
    for n in range(1, 2_500):  # one step short: it ended early
        run.on_point(point(n))
    found = steps(tracking, finish(run))
    assert found[:3] == [1, 3, 6] and found[-2:] == [2_496, 2_499]
    assert len(found) <= MAX_POINTS


def test_a_training_that_is_gone_on_with_has_one_run_and_each_step_once(
    tracking, note, told
) -> None:
    first = open_training(tracking, note, told)
    for n in (1, 2):
        first.on_point(point(n))
    first.break_off("KILLED")
    (found,) = runs(tracking)
    assert found.info.status == "KILLED"
    again = open_training(tracking, note, told)
    for n in (1, 2, 3):
        again.on_point(point(n))
    assert finish(again) == found.info.run_id
    (found,) = runs(tracking)
    assert found.info.status == "FINISHED"
    assert steps(tracking, found.info.run_id) == [1, 2, 3]


def test_a_run_whose_id_could_not_be_kept_is_found_by_its_tag(tracking, note, told) -> None:
    first = open_training(tracking, note, told)
    first.on_point(point(1))
    first.break_off("FAILED")
    document = json.loads(note.read_text())
    note.write_text(json.dumps(document | {"run_id": None}))
    again = open_training(tracking, note, told)
    assert finish(again) == document["run_id"]
    (found,) = runs(tracking)
    assert found.data.tags[TRAINING_TAG] == document["training"]


def test_a_store_that_is_down_from_the_beginning_loses_nothing(tracking, note, told) -> None:
    with down(tracking):
        run = open_training(tracking, note, told)
        until_idle(run)
        for n, told.seconds in ((1, 10.0), (2, 20.0), (3, 90.0)):
            run.on_point(point(n))
        until_idle(run)
    told.seconds = 200.0
    run.on_point(point(4))
    until_idle(run)
    assert steps(tracking, finish(run)) == [1, 2, 3, 4]
    assert len(told.said) == 2
    assert "The training goes on" in told.said[0] and "MLflow is back" in told.said[1]
    assert len(told.run_ids) == 1


def test_a_store_that_fails_halfway_is_asked_what_it_holds(tracking, note, told) -> None:
    run = open_training(tracking, note, told)
    until_idle(run)
    told.seconds = 10.0
    run.on_point(point(1))
    until_idle(run)
    with down(tracking, "latest_metrics.value"):
        told.seconds = 20.0
        run.on_point(point(2))
        until_idle(run)
        told.seconds = 21.0
        run.on_point(point(3))
    assert steps(tracking, finish(run)) == [1, 2, 3]


def test_a_store_that_is_down_at_the_end_is_an_error_and_the_next_time_closes_the_run(
    tracking, note, told
) -> None:
    run = open_training(tracking, note, told)
    run.on_point(point(1))
    until_idle(run)
    with down(tracking, "runs.status"), pytest.raises(RegistryError):
        finish(run)
    again = open_training(tracking, note, told)
    again.on_point(point(1))
    run_id = finish(again)
    (found,) = runs(tracking)
    assert (found.info.run_id, found.info.status) == (run_id, "FINISHED")
    assert steps(tracking, run_id) == [1]


def test_a_store_that_is_down_when_a_training_breaks_off_hides_no_error(
    tracking, note, told
) -> None:
    run = open_training(tracking, note, told)
    until_idle(run)
    run.on_point(point(1))
    with down(tracking, "runs.status"):
        run.break_off("FAILED")
    assert "could not be marked as FAILED" in told.said[-1]


def test_a_server_that_never_answers_holds_nothing_up(
    note, told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.create_server(("127.0.0.1", 0)) as server:
        run = open_training(Tracking(f"http://127.0.0.1:{server.getsockname()[1]}"), note, told)
        began = time.monotonic()
        for n in range(1, 50):
            told.seconds += 10.0
            run.on_point(point(n))
        # One that waited for every answer would need more than a second for each.
        assert time.monotonic() - began < 10.0
        with pytest.raises(RegistryError, match="refused"):
            finish(run)
    assert threading.active_count() < 10


def test_a_run_that_was_deleted_is_made_anew(tracking, note, told) -> None:
    first = open_training(tracking, note, told)
    first.on_point(point(1))
    gone = finish(first)
    client_of(tracking).delete_run(gone)
    again = open_training(tracking, note, told)
    again.on_point(point(1))
    made = finish(again)
    assert made != gone
    assert steps(tracking, made) == [1]
