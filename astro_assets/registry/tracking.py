"""MLflow tracking: where runs are kept, how long a server is waited for, parameters and tags.

Every call names its store, so two homes can be used in one process. What does not belong here: the
run of a training (``training_run``), the model registry (``versions``).
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Param, RunTag
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from astro_assets.artifacts.home import Home
from astro_assets.errors import RegistryError
from astro_assets.settings import without_password

EXPERIMENT = "astro-assets"
"""The MLflow experiment all runs belong to."""

_SQLITE = "sqlite:///"
_MAX_VALUE_CHARACTERS = 500
MAX_BATCH = 500
"""Metrics per request; the server refuses more than 1,000."""
_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
_ENVIRONMENT = {
    _TIMEOUT: "30",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # our commands print JSON there
}
"""Seconds and tries per request, unless the environment says otherwise. MLflow's own values keep a
caller of a server that takes connections and never answers waiting for a quarter of an hour."""
_UPLOAD_SECONDS = 900


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
        reason = _short(" ".join(str(error).split()), 240)
        raise RegistryError(
            f"MLflow at {without_password(tracking.uri)} refused: {without_password(reason)}",
            expected="an MLflow store of this version that can be read and written.",
            do="Check MLFLOW_TRACKING_URI, and that its server runs or its file is intact.",
        ) from error


@contextmanager
def uploading(tracking: Tracking) -> Iterator[None]:
    """Do as ``reaching``, for files: a server answers once one is stored, maybe minutes later."""
    before = os.environ.get(_TIMEOUT)
    os.environ[_TIMEOUT] = str(max(_UPLOAD_SECONDS, int(before or 0)))
    try:
        with reaching(tracking):
            yield
    finally:
        if before is None:
            del os.environ[_TIMEOUT]
        else:
            os.environ[_TIMEOUT] = before


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


@dataclass(frozen=True)
class OpenRun:
    """A run that is open while something short is done."""

    run_id: str


@contextmanager
def open_run(
    tracking: Tracking,
    name: str,
    *,
    tags: Mapping[str, str] | None = None,
    params: Mapping[str, object] | None = None,
) -> Iterator[OpenRun]:
    """Open a run and close it as FINISHED, FAILED, or KILLED when interrupted.

    Parameters longer than 500 characters are cut, marked by an ellipsis.
    """
    client = client_of(tracking)
    with reaching(tracking):
        run = client.create_run(experiment_of(tracking), run_name=name, tags=dict(tags or {}))
        log_params(client, run.info.run_id, params or {})
    opened = OpenRun(str(run.info.run_id))
    status = "FAILED"
    try:
        yield opened
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        with reaching(tracking):
            client.set_terminated(opened.run_id, status)


def log_params(client: MlflowClient, run_id: str, params: Mapping[str, object]) -> None:
    """Record a run's parameters; those longer than 500 characters are cut, with an ellipsis."""
    entries = [Param(key, _short(value)) for key, value in params.items()]
    for start in range(0, len(entries), 100):
        client.log_batch(run_id, params=entries[start : start + 100])


def set_tags(client: MlflowClient, run_id: str, tags: Mapping[str, str]) -> None:
    """Set tags on a run, one request for all; long values are cut like parameters."""
    entries = [RunTag(name, _short(value)) for name, value in tags.items()]
    for start in range(0, len(entries), 100):
        client.log_batch(run_id, tags=entries[start : start + 100])


def _short(value: object, n_characters: int = _MAX_VALUE_CHARACTERS) -> str:
    text = str(value)
    return text if len(text) <= n_characters else text[: n_characters - 1] + "…"


@lru_cache(maxsize=64)
def _prepare(uri: str) -> None:
    """Make or migrate a SQLite store once, under a lock: two processes doing it at once race."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if not uri.startswith(_SQLITE):
        return
    database = Path(uri.removeprefix(_SQLITE))
    database.parent.mkdir(parents=True, exist_ok=True)
    with database.with_name(f".{database.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        MlflowClient(tracking_uri=uri, registry_uri=uri).search_experiments(max_results=1)
