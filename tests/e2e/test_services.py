"""The UI's services: they serve, they run assets, and one signal ends all of them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.world import RELEASE, make_snapshot

pytestmark = pytest.mark.slow

TABLES = ["arxiv_snapshot", "arxiv_updates", "snapshot_papers", "astro_ph_papers", "general_papers"]
LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: Callable[[], Any], *, seconds: float) -> Any:
    """Return the first true answer; polls because the other side is another process."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = what()
        if answer:
            return answer
        time.sleep(0.3)
    raise AssertionError(f"nothing within {seconds} s")


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def processes_of(home: Path) -> list[int]:
    """Every process whose environment names this home."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if f"ASTRO_HOME={home}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def start_ui(home: Path, port: int, mlflow_port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "astro_assets.cli", "ui", "--port", str(port)]
    return subprocess.Popen(
        [*command, "--mlflow-port", str(mlflow_port)],
        env=os.environ | {"ASTRO_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_run_from_the_ui_is_green_and_one_signal_ends_everything(tmp_path: Path):
    home, port, mlflow_port = tmp_path / "home", free_port(), free_port()
    snapshot = make_snapshot(tmp_path / "snapshot.zip", n=300)
    ui = start_ui(home, port, mlflow_port)
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/server_info"), seconds=120)
        wait_for(lambda: answers(f"http://127.0.0.1:{mlflow_port}/health"), seconds=120)

        def ask(query: str, **variables: Any) -> Any:
            url = f"http://127.0.0.1:{port}/graphql"
            sent = {"query": query, "variables": variables}
            return httpx.post(url, json=sent, timeout=60).json()["data"]

        launched = ask(
            LAUNCH,
            params={
                "selector": {
                    "repositoryName": "__repository__",
                    "repositoryLocationName": "astro-assets",
                    "pipelineName": "release",
                    "assetSelection": [{"path": [name]} for name in TABLES],
                },
                "runConfigData": {
                    "resources": {"workspace": {"config": {"snapshot": str(snapshot)}}}
                },
                "mode": "default",
                "executionMetadata": {"tags": [{"key": "dagster/partition", "value": RELEASE}]},
            },
        )["launchPipelineExecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        ended = {"SUCCESS", "FAILURE", "CANCELED"}

        def status() -> str | None:
            told = ask(STATUS, id=launched["run"]["runId"])["runOrError"]["status"]
            return told if told in ended else None

        assert wait_for(status, seconds=120) == "SUCCESS"
        assert len(processes_of(home)) >= 4
    finally:
        ui.send_signal(signal.SIGTERM)
        began = time.monotonic()
        code = ui.wait(20)
    assert code == 0 and time.monotonic() - began < 20
    wait_for(lambda: not processes_of(home), seconds=5)


def test_a_taken_port_is_named(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "astro_assets.cli", "ui", "--port", str(port)],
            env=os.environ | {"ASTRO_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 2
    assert f"Port {port}" in done.stderr and "Traceback" not in done.stderr
