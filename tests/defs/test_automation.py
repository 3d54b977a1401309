"""The monthly refresh: which months a tick asks for, and what it says when it asks for none."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Built, Store, Work
from astro_assets.defs.automation import MOST_A_TICK, NAME, WHY
from astro_assets.defs.build import build_defs
from astro_assets.defs.instance import open_instance
from astro_assets.defs.jobs import REFRESH, RELEASE
from astro_assets.releases.due import NEEDED

JULY = datetime(2024, 7, 2, 6, tzinfo=UTC)
AUGUST = datetime(2024, 8, 2, 6, tzinfo=UTC)
ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "repository"), REFRESH
)
"""A queued run has to say where its job is loaded from."""


class Clockwork:
    """A home, a Dagster instance, and a schedule whose ticks are asked for by hand."""

    def __init__(self, home: Path, instance: dg.DagsterInstance) -> None:
        self.store, self.instance = Store(Home(home)), instance
        self.repository = build_defs().get_repository_def()
        self.schedule = self.repository.get_schedule_def(NAME)

    def made(self, asset: str, release: str | None = None) -> None:
        home = self.store.home.root
        home.mkdir(parents=True, exist_ok=True)
        self.store.commit(Work(asset, release, {"release": release}, {}), Built("f" * 64, home))

    def parts_made(self) -> None:
        for asset in NEEDED:
            self.made(asset)

    def tick(self, at: datetime):
        context = dg.build_schedule_context(
            instance=self.instance,
            scheduled_execution_time=at,
            repository_def=self.repository,
        )
        return self.schedule.evaluate_tick(context)

    def asked(self, at: datetime) -> list[str]:
        return [request.partition_key for request in self.tick(at).run_requests]

    def submit(self, at: datetime, status: dg.DagsterRunStatus) -> list[dg.DagsterRun]:
        """Do as the daemon does: one run for each request, which then ends as given."""
        runs = [
            dg.DagsterRun(
                job_name=REFRESH,
                status=status,
                remote_job_origin=ORIGIN,
                tags={
                    **request.tags,
                    "dagster/schedule_name": NAME,
                    "dagster/run_key": request.run_key,
                },
            )
            for request in self.tick(at).run_requests
        ]
        for run in runs:
            self.instance.add_run(run)
        return runs


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory):
    # Not in the home of any test: a tick must not be what makes one.
    with open_instance(Home(tmp_path_factory.mktemp("dagster"))) as opened:
        yield opened


@pytest.fixture
def clockwork(tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch):
    instance.wipe()
    monkeypatch.setenv("ASTRO_HOME", str(tmp_path / "home"))
    return Clockwork(tmp_path / "home", instance)


def test_it_runs_on_the_second_at_six_utc_and_starts_stopped(clockwork: Clockwork):
    schedule = clockwork.schedule
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 6 2-8 * *", "UTC")
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    assert schedule.job_name == REFRESH


def test_a_home_without_a_snapshot_is_told_what_to_do(clockwork: Clockwork):
    clockwork.made("base_model")
    said = clockwork.tick(JULY)
    assert not said.run_requests
    assert "arxiv_snapshot, snapshot_papers not made" in said.skip_message
    assert "astro-assets run --release 2024-06" in said.skip_message


def test_a_tick_makes_no_home(clockwork: Clockwork):
    clockwork.tick(JULY)
    assert not clockwork.store.home.root.exists()


def test_a_fresh_home_with_a_snapshot_asks_for_the_newest_month_alone(clockwork: Clockwork):
    clockwork.parts_made()
    clockwork.made("astro_ph_papers", "2023-01")
    assert clockwork.asked(JULY) == ["2024-06"]


def test_missed_months_are_caught_up_oldest_first_and_say_why(clockwork: Clockwork):
    clockwork.parts_made()
    clockwork.made("token_blocks", "2024-03")
    requests = clockwork.tick(JULY).run_requests
    assert [request.tags[WHY] for request in requests] == [
        "2024-04 was missed",
        "2024-05 was missed",
        "2024-06 has just ended",
    ]
    assert [request.tags["dagster/partition"] for request in requests] == [
        "2024-04",
        "2024-05",
        "2024-06",
    ]


def test_a_made_month_is_not_asked_for(clockwork: Clockwork):
    clockwork.parts_made()
    clockwork.made("token_blocks", "2024-06")
    said = clockwork.tick(JULY)
    assert not said.run_requests and "2024-06 has its blocks" in said.skip_message
    assert clockwork.asked(AUGUST) == ["2024-07"]


@pytest.mark.parametrize(
    "status", [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED], ids=["queued", "started"]
)
def test_a_second_tick_does_not_ask_for_what_is_under_way(
    clockwork: Clockwork, status: dg.DagsterRunStatus
):
    clockwork.parts_made()
    clockwork.made("token_blocks", "2024-05")
    (run,) = clockwork.submit(JULY, status)
    said = clockwork.tick(JULY)
    assert not said.run_requests
    assert f"2024-06 (run {run.run_id[:8]})" in said.skip_message
    assert clockwork.asked(AUGUST) == ["2024-07"]


def test_a_month_that_a_person_is_making_is_not_asked_for(clockwork: Clockwork):
    clockwork.parts_made()
    clockwork.made("token_blocks", "2024-05")
    by_hand = dg.DagsterRun(
        job_name=RELEASE,
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": "2024-06"},
    )
    clockwork.instance.add_run(by_hand)
    assert clockwork.asked(JULY) == []


IN_VAIN = pytest.mark.parametrize(
    ("status", "how"),
    [(dg.DagsterRunStatus.FAILURE, "failed"), (dg.DagsterRunStatus.CANCELED, "was cancelled")],
    ids=["failed", "cancelled"],
)


@IN_VAIN
def test_a_month_that_failed_is_asked_for_again_under_another_run_key(
    clockwork: Clockwork, status: dg.DagsterRunStatus, how: str
):
    clockwork.parts_made()
    clockwork.made("token_blocks", "2024-05")
    (first,) = clockwork.submit(JULY, status)
    again = clockwork.tick(AUGUST).run_requests
    assert [request.tags[WHY] for request in again] == [
        f"2024-06 {how} before",
        "2024-07 has just ended",
    ]
    assert first.tags["dagster/run_key"] not in {request.run_key for request in again}


@IN_VAIN
def test_a_failed_month_behind_the_newest_is_asked_for_again(
    clockwork: Clockwork, status: dg.DagsterRunStatus, how: str
):
    clockwork.parts_made()
    clockwork.made("token_blocks", "2024-04")
    clockwork.submit(JULY, status)
    clockwork.made("token_blocks", "2024-06")
    requests = clockwork.tick(JULY).run_requests
    assert [request.tags[WHY] for request in requests] == [f"2024-05 {how} before"]
    clockwork.made("token_blocks", "2024-05")
    assert clockwork.asked(JULY) == []


def test_a_month_that_failed_and_was_then_cancelled_is_no_hole(clockwork: Clockwork):
    clockwork.parts_made()
    clockwork.made("token_blocks", "2024-04")
    clockwork.submit(JULY, dg.DagsterRunStatus.FAILURE)
    clockwork.submit(JULY.replace(day=3), dg.DagsterRunStatus.CANCELED)
    clockwork.made("token_blocks", "2024-06")
    requests = clockwork.tick(AUGUST).run_requests
    assert [request.tags[WHY] for request in requests] == [
        "2024-05 was cancelled before",
        "2024-07 has just ended",
    ]


def test_one_tick_asks_for_a_bounded_number_of_months(
    clockwork: Clockwork, capsys: pytest.CaptureFixture[str]
):
    clockwork.parts_made()
    clockwork.made("token_blocks", "2021-06")
    asked = clockwork.asked(JULY)
    assert len(asked) == MOST_A_TICK and asked[0] == "2021-07" and asked[-1] == "2023-06"
    assert "remain 12 months, 2023-07 to 2024-06" in capsys.readouterr().err


def test_a_tag_that_is_no_month_is_passed_over(clockwork: Clockwork):
    clockwork.parts_made()
    strange = dg.DagsterRun(
        job_name=RELEASE,
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": "all of them"},
    )
    clockwork.instance.add_run(strange)
    assert clockwork.asked(JULY) == ["2024-06"]


def test_the_schedule_runs_from_the_start_where_the_environment_says_so(
    monkeypatch: pytest.MonkeyPatch,
):
    import subprocess
    import sys

    monkeypatch.setenv("ASTRO_SCHEDULES", "on")
    script = (
        "from astro_assets.defs.automation import monthly_refresh\n"
        "print(monthly_refresh.default_status.name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "RUNNING"
