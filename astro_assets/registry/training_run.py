"""The MLflow run of one training: told of its curves while it goes on, and closed with its result.

A training outlives an MLflow server that is down: what could not be sent is sent when it is back,
or at the end. One training has one run, also when it is stopped, killed and gone on with: a note
beside its checkpoints names the run, and a tag on the run names the training. What has arrived is
asked of MLflow itself, so nothing is sent twice after an answer that got lost.

What does not belong here: which metrics there are (``training_metrics``), registered versions.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric

from astro_assets.artifacts import atomic
from astro_assets.errors import RegistryError
from astro_assets.registry import training_metrics
from astro_assets.registry.tracking import (
    MAX_BATCH,
    Tracking,
    client_of,
    experiment_of,
    log_params,
    reaching,
    set_tags,
    uploading,
)
from astro_assets.registry.training_metrics import Point

TRAINING_TAG = "training_id"
_SEND_SECONDS = 5.0
_RETRY_SECONDS = 60.0


@dataclass(frozen=True)
class About:
    """What a run says of its training from the beginning."""

    name: str
    params: Mapping[str, object]
    tags: Mapping[str, str]
    n_steps: int
    """Optimiser steps planned; a long training's points are thinned by it."""


class TrainingRun:
    """One training's run; points are sent by a thread, so that no server holds the training up."""

    def __init__(
        self,
        tracking: Tracking,
        note: Path,
        about: About,
        *,
        say: Callable[[str], None],
        on_run_id: Callable[[str], None] = lambda _run_id: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the run, or the one that ``note`` names; a server that is down is no error.

        Args:
            tracking: The store.
            note: Where it is kept which run this training has.
            about: What the run says.
            say: Told once when MLflow cannot be reached, and when it is back.
            on_run_id: Called once with the run's id, by the thread that calls ``on_point``.
            clock: Seconds; injected by tests.
        """
        self._wire = _Wire(tracking, note, about)
        self._about, self._say, self._on_run_id, self._clock = about, say, on_run_id, clock
        self._waiting: list[Point] = []
        self._last: Point | None = None
        self._is_down = self._is_told = False
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="mlflow")
        self._sending: Future[int] | None = None
        self._send()

    def on_point(self, line: Mapping[str, Any]) -> None:
        """Take a line of the learning curve."""
        self._last = training_metrics.training_point(line)
        if training_metrics.is_kept(self._last.step, n_steps=self._about.n_steps):
            self._take(self._last)

    def on_heldout(self, line: Mapping[str, Any]) -> None:
        """Take a line of the held-out curve."""
        self._take(training_metrics.heldout_point(line))

    def finish(self, *, tags: Mapping[str, str], artifacts: Sequence[Path]) -> str:
        """Send all that is left, close the run as FINISHED and return its id.

        Raises:
            RegistryError: MLflow cannot be reached; calling it again later does the same.
        """
        self._settle()
        if self._last is not None and self._last not in self._waiting[-2:]:
            self._waiting.append(self._last)  # an early end is no step that would be kept
        try:
            self._wire.send(self._waiting)
            self._wire.finish(tags, artifacts)
        finally:
            self._pool.shutdown(wait=False)
        self._tell()
        return self._wire.require_run_id()

    def break_off(self, status: str) -> None:
        """Close the run as ``KILLED`` or ``FAILED`` if MLflow can be reached, and say if not."""
        self._settle()
        try:
            if not self._is_down:
                self._wire.send(self._waiting)
                self._wire.set_status(status)
        except RegistryError as error:
            self._say(f"The MLflow run could not be marked as {status}. {error.found}")
        finally:
            self._pool.shutdown(wait=False)

    def _take(self, point: Point) -> None:
        self._waiting.append(point)
        if self._sending is not None and self._sending.done():
            self._settle()
        if self._sending is None and self._clock() - self._sent_at >= self._pause:
            self._send()

    @property
    def _pause(self) -> float:
        return _RETRY_SECONDS if self._is_down else _SEND_SECONDS

    def _send(self) -> None:
        self._sent_at = self._clock()
        self._sending = self._pool.submit(self._wire.send, list(self._waiting))

    def _settle(self) -> None:
        """Wait for what is being sent, and draw the conclusions."""
        if self._sending is None:
            return
        try:
            n_sent = self._sending.result()
        except RegistryError as error:
            if not self._is_down:
                self._say(f"{error.found} The training goes on; what is missing is sent later.")
            self._is_down = True
        else:
            if self._is_down:
                self._say("MLflow is back; nothing of the training's curves is lost.")
            self._is_down = False
            del self._waiting[:n_sent]
            self._tell()
        finally:
            self._sending = None

    def _tell(self) -> None:
        if not self._is_told:
            self._is_told = True
            self._on_run_id(self._wire.require_run_id())


class _Wire:
    """The calls themselves, by one thread at a time; every failure is a RegistryError."""

    def __init__(self, tracking: Tracking, note: Path, about: About) -> None:
        self._tracking, self._note_path, self._about = tracking, note, about
        self._note = _read(note)
        self._arrived: dict[str, int] | None = None
        """Series -> last step MLflow holds; None: must be asked."""

    def require_run_id(self) -> str:
        """Return the run's id, known once anything was sent."""
        run_id = self._note["run_id"]
        assert isinstance(run_id, str)
        return run_id

    def send(self, points: Sequence[Point]) -> int:
        """Send what MLflow does not hold yet; return how many points need not be kept."""
        client = client_of(self._tracking)
        if self._arrived is None:
            with reaching(self._tracking):
                self._open(client)
                self._arrived = self._ask(client)
        arrived, self._arrived = self._arrived, None  # a failure leaves it to be asked again
        new = [point for point in points if point.step > arrived[point.series]]
        with reaching(self._tracking):
            for batch in _batches(new):
                client.log_batch(self.require_run_id(), metrics=_metrics(batch))
        self._arrived = arrived | {point.series: point.step for point in new}
        return len(points)

    def finish(self, tags: Mapping[str, str], artifacts: Sequence[Path]) -> None:
        """Set tags, keep files, and mark the run as finished."""
        client, run_id = client_of(self._tracking), self.require_run_id()
        with reaching(self._tracking):
            set_tags(client, run_id, tags)
        with uploading(self._tracking):
            for path in artifacts:
                client.log_artifact(run_id, str(path))
        self.set_status("FINISHED")

    def set_status(self, status: str) -> None:
        """Close the run."""
        with reaching(self._tracking):
            client_of(self._tracking).set_terminated(self.require_run_id(), status)

    def _open(self, client: MlflowClient) -> None:
        """Find this training's run or make it, and let it say that it is running."""
        about, experiment = self._about, experiment_of(self._tracking)
        tag = self._note["training"]
        found = client.search_runs([experiment], f"tags.{TRAINING_TAG} = '{tag}'", max_results=1)
        if found:
            run_id = str(found[0].info.run_id)
            client.update_run(run_id, status="RUNNING")
        else:
            tags = {TRAINING_TAG: tag}
            run_id = str(client.create_run(experiment, run_name=about.name, tags=tags).info.run_id)
        set_tags(client, run_id, about.tags)
        log_params(client, run_id, about.params)
        self._note = {"training": tag, "run_id": run_id}
        _write(self._note_path, self._note)

    def _ask(self, client: MlflowClient) -> dict[str, int]:
        return {
            series: max(
                (found.step for found in client.get_metric_history(self.require_run_id(), series)),
                default=-1,
            )
            for series in (training_metrics.TRAINING, training_metrics.HELDOUT)
        }


def _read(path: Path) -> dict[str, Any]:
    """Return which run a training has; a training that has none yet gets a name, kept at once.

    The name is written before a run is made: a run whose id could not be kept is found by it.
    """
    try:
        note = json.loads(path.read_bytes())
        return {"training": str(note["training"]), "run_id": note["run_id"]}
    except (OSError, ValueError, KeyError, TypeError):
        note = {"training": uuid.uuid4().hex, "run_id": None}
        _write(path, note)
        return note


def _write(path: Path, note: Mapping[str, Any]) -> None:
    atomic.write_text(path, json.dumps(note) + "\n", durable=True)


def _batches(points: Sequence[Point]) -> list[list[Point]]:
    """Cut points into requests, never through one: what arrived is told by whole points."""
    batches: list[list[Point]] = []
    room = 0
    for point in points:
        if len(point.values) > room:
            batches.append([])
            room = MAX_BATCH
        batches[-1].append(point)
        room -= len(point.values)
    return batches


def _metrics(points: Sequence[Point]) -> list[Metric]:
    now_ms = int(time.time() * 1000)
    return [
        Metric(name, value, now_ms, point.step)
        for point in points
        for name, value in point.values.items()
    ]
