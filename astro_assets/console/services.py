"""Webserver, daemon and MLflow UI over one home, as children of one process.

One Ctrl-C or SIGTERM ends them all: each child leads a process group of its own, the groups are
asked to stop together, and what has not stopped in time is killed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from astro_assets.artifacts import lock
from astro_assets.artifacts.home import Home
from astro_assets.defs.instance import open_instance, prepare, tidy
from astro_assets.errors import BadSettingError, HomeTakenError
from astro_assets.settings import Settings

HOST = "127.0.0.1"
_GRACE_SECONDS = 12.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Service:
    """One child."""

    name: str
    command: tuple[str, ...]
    url: str | None


def services_of(settings: Settings, *, port: int, mlflow_port: int) -> list[Service]:
    """Return what serves a home: Dagster webserver, daemon, MLflow UI."""
    home, workspace = Home(settings.home), _workspace_flags()
    python = (sys.executable, "-m")
    return [
        Service(
            "Dagster UI",
            (*python, "dagster_webserver", *workspace, "-h", HOST, "-p", str(port)),
            f"http://{HOST}:{port}",
        ),
        Service("Dagster daemon", (*python, "dagster._daemon", "run", *workspace), None),
        Service(
            "MLflow UI",
            (
                *python,
                "mlflow",
                "server",
                "--backend-store-uri",
                settings.tracking_uri,
                "--default-artifact-root",
                home.mlflow_artifacts.as_uri(),
                "--host",
                HOST,
                "--port",
                str(mlflow_port),
                "--workers",
                "1",
            ),
            f"http://{HOST}:{mlflow_port}",
        ),
    ]


def serve(settings: Settings, *, port: int, mlflow_port: int, say: Callable[[str], None]) -> int:
    """Start everything, wait until asked to stop or a child ends, end everything.

    Returns:
        0 if asked to stop, 1 if a child ended by itself.

    Raises:
        BadSettingError: a port is taken.
    """
    for number in (port, mlflow_port):
        _refuse_taken(number)
    if port == mlflow_port:
        raise BadSettingError(f"Both services cannot have port {port}.", expected="two ports.")
    home = Home(settings.home)
    _tidied(home)
    home.mlflow_db.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {
        "ASTRO_HOME": str(settings.home),
        "DAGSTER_HOME": str(home.dagster),
        "PYTHONWARNINGS": "ignore",
    }
    stop = _StopRequest()
    children: list[tuple[Service, subprocess.Popen[bytes]]] = []
    try:
        for service in services_of(settings, port=port, mlflow_port=mlflow_port):
            children.append((service, _start(service, environment)))
            if service.url:
                say(f"{service.name:<14} {service.url}")
        say("Ctrl-C ends all of them.")
        while not stop.asked:
            ended = [service for service, child in children if child.poll() is not None]
            if ended:
                say(f"{ended[0].name} ended by itself; ending the others.")
                return 1
            time.sleep(0.2)
        return 0
    finally:
        end([child for _, child in children])
        say("All ended.")


def _tidied(home: Home) -> None:
    """Write the home's configuration and clear away killed runs, unless a run is at work."""
    try:
        with lock.exclusive(home.lock, holder="`astro-assets ui`"), open_instance(home) as instance:
            tidy(instance)
    except HomeTakenError:
        prepare(home)


class _StopRequest:
    """Remembers SIGINT, SIGTERM and SIGHUP instead of dying of them."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.asked = True


def _start(service: Service, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        service.command,
        env=environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_die_with_parent if sys.platform == "linux" else None,
    )


def _die_with_parent() -> None:
    """Ask the kernel for SIGTERM when this process's parent dies, even of SIGKILL."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def end(children: Sequence[subprocess.Popen[bytes]], *, grace_seconds: float = _GRACE_SECONDS):
    """Ask the children's process groups to stop, wait, kill what is left."""
    _signal(children, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    for child in children:
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            continue
    # Grandchildren (code servers, workers) may outlive their parent by a moment or for good.
    _signal(children, signal.SIGKILL)
    for child in children:
        child.wait()


def _signal(children: Sequence[subprocess.Popen[bytes]], number: signal.Signals) -> None:
    for child in children:
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            continue


def _refuse_taken(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise BadSettingError(
                f"Port {port} on {HOST} cannot be had: {error.strerror}.",
                do="End what listens there, or choose others with --port and --mlflow-port.",
            ) from None


def _workspace_flags() -> tuple[str, ...]:
    """Return the checkout's workspace.yaml, or the installed module where there is no checkout."""
    path = Path(__file__).parents[2] / "workspace.yaml"
    return ("-w", str(path)) if path.is_file() else ("-m", "astro_assets.definitions")
