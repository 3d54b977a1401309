"""MLflow tracking: where runs are kept, and one run's parameters, metrics and files.

Every call names its store, so two homes can be used in one process. What does not belong here: the
model registry (``versions``).
"""

from __future__ import annotations

import fcntl
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from astro_assets.artifacts.home import Home
from astro_assets.errors import RegistryError
from astro_assets.settings import without_password

EXPERIMENT = "astro-assets"
"""The MLflow experiment all runs belong to."""

_SQLITE = "sqlite:///"
_MAX_VALUE_CHARACTERS = 500
_MAX_BATCH = 500
"""Metrics per request; the server refuses more than 1,000."""
_FLUSH_SECONDS = 5.0


@dataclass(frozen=True)
class Tracking:
    """Which MLflow store is meant."""

    uri: str
    """``sqlite:////absolute/mlflow.db``, ``http://…`` or a database URI."""
    artifact_root: Path | None = None
    """Where artifacts of a store without a server go; None: the server decides."""

    @classmethod
    def of(cls, uri: str, home: Home) -> Tracking:
        """Return the store at ``uri``; artifacts of a SQLite store lie under the home."""
        return cls(uri, home.mlflow_artifacts if uri.startswith("sqlite:") else None)


@contextmanager
def reaching(tracking: Tracking) -> Iterator[None]:
    """Turn what MLflow or its database refuses into a RegistryError that names the store."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise RegistryError(
            f"MLflow at {without_password(tracking.uri)} refused: {without_password(reason)}",
            expected="an MLflow store of this version that can be read and written.",
            do="Check MLFLOW_TRACKING_URI, and that its server runs or its file is intact.",
        ) from error


def client_of(tracking: Tracking) -> MlflowClient:
    """Return a client bound to this store alone; makes or migrates a SQLite file first.

    Raises:
        RegistryError: the store cannot be reached.
    """
    with reaching(tracking):
        _prepare(tracking.uri)
        return MlflowClient(tracking_uri=tracking.uri, registry_uri=tracking.uri)


def experiment_of(tracking: Tracking) -> str:
    """Return the id of our experiment, made on first use under ``artifact_root``."""
    client = client_of(tracking)
    with reaching(tracking):
        known = client.get_experiment_by_name(EXPERIMENT)
        if known is not None:
            return str(known.experiment_id)
        root = tracking.artifact_root
        location = None if root is None else root.absolute().as_uri()
        return str(client.create_experiment(EXPERIMENT, artifact_location=location))


class RunLog:
    """One open MLflow run; metrics are sent in batches, because SQLite writes are slow."""

    def __init__(
        self, tracking: Tracking, run_id: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        """Write to the run ``run_id``; ``clock`` (seconds since 1970) is injected by tests."""
        self.run_id = run_id
        self._tracking, self._client, self._clock = tracking, client_of(tracking), clock
        self._waiting: list[Metric] = []
        self._sent_at = clock()

    def metric(self, step: int, values: Mapping[str, float]) -> None:
        """Record figures at a step; they arrive within some seconds or at the end of the run."""
        now = self._clock()
        self._waiting += [
            Metric(name, float(value), int(now * 1000), step) for name, value in values.items()
        ]
        if len(self._waiting) >= _MAX_BATCH or now - self._sent_at >= _FLUSH_SECONDS:
            self.flush()

    def tag(self, values: Mapping[str, str]) -> None:
        """Set tags on the run."""
        with reaching(self._tracking):
            for name, value in values.items():
                self._client.set_tag(self.run_id, name, value[:_MAX_VALUE_CHARACTERS])

    def artifact(self, path: Path) -> None:
        """Keep a copy of a file, or of a folder's content under the folder's name."""
        with reaching(self._tracking):
            if path.is_dir():
                self._client.log_artifacts(self.run_id, str(path), path.name)
            else:
                self._client.log_artifact(self.run_id, str(path))

    def flush(self) -> None:
        """Send what waits."""
        with reaching(self._tracking):
            while self._waiting:
                self._client.log_batch(self.run_id, metrics=self._waiting[:_MAX_BATCH])
                del self._waiting[:_MAX_BATCH]
        self._sent_at = self._clock()


@contextmanager
def open_run(
    tracking: Tracking,
    name: str,
    *,
    tags: Mapping[str, str] | None = None,
    params: Mapping[str, object] | None = None,
) -> Iterator[RunLog]:
    """Open a run and close it as FINISHED, FAILED, or KILLED when interrupted.

    Parameters longer than 500 characters are cut, marked by an ellipsis.
    """
    client = client_of(tracking)
    with reaching(tracking):
        run = client.create_run(experiment_of(tracking), run_name=name, tags=dict(tags or {}))
        entries = [Param(key, _short(value)) for key, value in (params or {}).items()]
        for start in range(0, len(entries), 100):
            client.log_batch(run.info.run_id, params=entries[start : start + 100])
    log = RunLog(tracking, run.info.run_id)
    status = "FAILED"
    try:
        yield log
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        log.flush()
        with reaching(tracking):
            client.set_terminated(log.run_id, status)


def _short(value: object) -> str:
    text = str(value)
    if len(text) <= _MAX_VALUE_CHARACTERS:
        return text
    return text[: _MAX_VALUE_CHARACTERS - 1] + "…"


@lru_cache(maxsize=64)
def _prepare(uri: str) -> None:
    """Make or migrate a SQLite store once, under a lock: two processes doing it at once race."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if not uri.startswith(_SQLITE):
        return
    database = Path(uri.removeprefix(_SQLITE))
    database.parent.mkdir(parents=True, exist_ok=True)
    with database.with_name(f".{database.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        MlflowClient(tracking_uri=uri, registry_uri=uri).search_experiments(max_results=1)
