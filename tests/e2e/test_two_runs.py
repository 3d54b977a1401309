"""Two at once on one home: one works, the other is refused with a word, readers are not disturbed.

Real processes, all of them; the first run is held up by a server that does not answer yet, so that
"at the same time" is no matter of luck.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from tests.e2e import refreshes
from tests.e2e.children import PATIENCE_SECONDS
from tests.e2e.refreshes import JUNE, MAY, OF_A_RELEASE, Refresh
from tests.e2e.test_services import LAUNCH, STATUS, answers, free_port, processes_of, wait_for

pytestmark = pytest.mark.slow

HOLDER = f"`astro-assets run` of release {JUNE} (process "
RUN = ("run", "--json", "--release", JUNE, "--select", ",".join(OF_A_RELEASE))


@pytest.fixture(scope="module")
def made(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Refresh]:
    with refreshes.refresh_in(tmp_path_factory.mktemp("two"), tiny_base) as made:
        yield made


@pytest.fixture
def refresh(made: Refresh) -> Refresh:
    made.reset()
    return made


def test_a_second_run_and_gc_are_refused_and_readers_read(refresh: Refresh) -> None:
    with refresh.held_up() as first_request:
        first = refresh.start()
        assert first_request.came.wait(PATIENCE_SECONDS)
        refused = refresh.command(*RUN)
        assert refused.code == 2
        assert f"is being written to by {HOLDER}{first.pid})" in refused.told["error"]
        assert "To do: Wait for that run to end" in refused.err
        assert "Traceback" not in refused.err
        refused = refresh.command("gc", "--delete")
        assert refused.code == 2 and f"{HOLDER}{first.pid})" in refused.err

        assert refresh.command("verify", MAY).code == 0
        assert refresh.command("diff", MAY, MAY).code == 0
        assert refresh.command("gc").code == 0
        with duckdb.connect(str(refresh.home / "warehouse.duckdb"), read_only=True) as open_before:
            query = "select count(*) from astro_ph_papers_2026_05"
            n_papers = open_before.execute(query).fetchone()
            first_request.let_go.set()
            said = first.wait()
            assert said.code == 0, said.err
            assert open_before.execute(query).fetchone() == n_papers
    refreshes.assert_whole(refresh)


def test_a_run_killed_while_it_holds_the_home_blocks_nobody(refresh: Refresh) -> None:
    with refresh.held_up() as first_request:
        first = refresh.start()
        assert first_request.came.wait(PATIENCE_SECONDS)
        assert first.kill_after(0)
    said = refresh.run()
    assert said.code == 0, said.err
    refreshes.assert_whole(refresh)


@pytest.mark.parametrize("seed", range(2))
def test_of_several_at_once_one_works_and_the_others_are_refused(
    seed: int, refresh: Refresh
) -> None:
    chance = random.Random(seed)
    runs = []
    for number in range(4):
        at_work = refresh.start(folder=f"child-{number}")
        at_work.process.join(chance.uniform(0.0, 0.3))
        runs.append(at_work)
    ended = [child.wait() for child in runs]
    codes = [said.code for said in ended]
    assert set(codes) == {0, 2} or set(codes) == {0}, [said.err for said in ended]
    for said in ended:
        if said.code:
            assert "is being written to by " in said.told["error"]
    refreshes.assert_whole(refresh)


@pytest.fixture
def ui(refresh: Refresh) -> Iterator[str]:
    """Dagster's UI and daemon over the home; yields the address of its GraphQL."""
    port, mlflow_port = free_port(), free_port()
    command = [sys.executable, "-m", "astro_assets.cli", "ui", "--port", str(port)]
    services = subprocess.Popen(
        [*command, "--mlflow-port", str(mlflow_port)],
        env=os.environ | refresh.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/server_info"), seconds=120)
        yield f"http://127.0.0.1:{port}/graphql"
    finally:
        services.send_signal(signal.SIGTERM)
        services.wait(30)
        wait_for(lambda: not processes_of(refresh.home), seconds=10)


def _launch(url: str) -> str:
    launched = _ask(
        url,
        LAUNCH,
        params={
            "selector": {
                "repositoryName": "__repository__",
                "repositoryLocationName": "astro-assets",
                "pipelineName": "release",
                "assetSelection": [{"path": [name]} for name in OF_A_RELEASE],
            },
            "runConfigData": {},
            "mode": "default",
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": JUNE}]},
        },
    )["launchPipelineExecution"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    return str(launched["run"]["runId"])


def _status(url: str, run_id: str) -> str:
    return str(_ask(url, STATUS, id=run_id)["runOrError"]["status"])


def _ask(url: str, query: str, **variables: Any) -> Any:
    sent = {"query": query, "variables": variables}
    return httpx.post(url, json=sent, timeout=60).json()["data"]


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_run_of_the_ui_waits_for_a_command_and_a_command_is_refused_during_one(
    refresh: Refresh, ui: str
) -> None:
    with refresh.held_up() as request:
        first = refresh.start()
        assert request.came.wait(PATIENCE_SECONDS)
        run_id = _launch(ui)
        wait_for(lambda: _status(ui, run_id) == "QUEUED", seconds=120)
        request.let_go.set()
        said = first.wait()
        assert said.code == 0, said.err
    wait_for(lambda: _status(ui, run_id) == "SUCCESS", seconds=120)
    refreshes.assert_whole(refresh)

    refresh.store.home.releases.joinpath(JUNE, "arxiv_updates.json").unlink()
    for window in (refresh.home / "windows").iterdir():
        (window / "journal.jsonl").unlink()
    with refresh.held_up() as request:
        run_id = _launch(ui)
        assert request.came.wait(PATIENCE_SECONDS)
        refused = refresh.command(*RUN)
        assert refused.code == 2
        assert f"is being written to by Dagster run {run_id[:8]}" in refused.told["error"]
