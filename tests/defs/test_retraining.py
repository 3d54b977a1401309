"""The retraining sensor: which release a tick asks for, and what it says when it asks for none."""

import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Built, Store, Work
from astro_assets.defs.build import build_defs
from astro_assets.defs.instance import open_instance
from astro_assets.defs.jobs import REFRESH, RELEASE, RETRAIN
from astro_assets.defs.retraining import EVERY_SECONDS, NAME
from astro_assets.defs.runs import WHY
from astro_assets.registry.tracking import Tracking, client_of
from astro_assets.training.recipe import load_recipe

MODEL, MARCH, JUNE = "astrollama", "2026-03", "2026-06"
ENDED = {
    "failed": dg.DagsterRunStatus.FAILURE,
    "was cancelled": dg.DagsterRunStatus.CANCELED,
    "has ended": dg.DagsterRunStatus.SUCCESS,
}
BASE = "b" * 64


class Clockwork:
    """A home with its registry, a Dagster instance, and a sensor whose ticks are asked for."""

    def __init__(self, home: Path, instance: dg.DagsterInstance, empty_registry: Path) -> None:
        self.store, self.instance = Store(Home(home)), instance
        self.repository = build_defs().get_repository_def()
        self.sensor = self.repository.get_sensor_def(NAME)
        self._empty = empty_registry

    def blocks(self, release: str, n_tokens: int) -> str:
        """Keep a release's blocks; return their fingerprint."""
        content = f"{release}-{n_tokens}".ljust(64, "0")
        self.store.home.tokens.mkdir(parents=True, exist_ok=True)
        work = Work("token_blocks", release, {"tokenizer": "t", "of": content}, {})
        counts = {"astro_train_tokens": n_tokens}
        self.store.commit(work, Built(content, self.store.home.tokens, counts=counts))
        return content

    def champion(self, release: str, trained_on: str) -> None:
        """Make a version of that release champion of the home's registry."""
        database = self.store.home.mlflow_db
        database.parent.mkdir(parents=True, exist_ok=True)
        if not database.is_file():
            shutil.copyfile(self._empty, database)
        client = client_of(Tracking(f"sqlite:///{database}"))
        if not client.search_registered_models(filter_string=f"name = '{MODEL}'"):
            client.create_registered_model(MODEL)
        tags = {"release": release, "made_from.token_blocks": trained_on}
        version = client.create_model_version(MODEL, source="file:///somewhere", tags=tags).version
        client.set_registered_model_alias(MODEL, "champion", version)

    def trained(self, release: str, on: str) -> None:
        """Keep a checkpoint of these blocks, by the present recipe and base."""
        home = self.store.home
        self.store.commit(Work("base_model", None, {}, {}), Built(BASE, home.root))
        parents = {"token_blocks": on, "base_model": BASE}
        recipe = load_recipe("smoke").as_dict()
        work = Work("lora_checkpoint", release, {"recipe": recipe}, parents)
        self.store.commit(work, Built("c" * 64, home.root))

    def tick(self):
        context = dg.build_sensor_context(instance=self.instance, repository_def=self.repository)
        return self.sensor.evaluate_tick(context)

    def said(self) -> str:
        """Return why a tick asked for nothing."""
        ticked = self.tick()
        assert ticked.run_requests == [] and ticked.skip_message is not None
        return " ".join(ticked.skip_message.split())

    def submit(self, status: dg.DagsterRunStatus) -> dg.DagsterRun:
        """Do as the daemon does: a run for the one request, which then ends as given."""
        (request,) = self.tick().run_requests
        tags = {"dagster/sensor_name": NAME, "dagster/run_key": request.run_key}
        run = dg.DagsterRun(job_name=RETRAIN, status=status, tags={**request.tags, **tags})
        self.instance.add_run(run)
        return run

    def run_of(self, job: str, release: str) -> dg.DagsterRun:
        """Let a run be at work that somebody else asked for."""
        run = dg.DagsterRun(
            job_name=job,
            status=dg.DagsterRunStatus.STARTED,
            tags={"dagster/partition": release},
        )
        self.instance.add_run(run)
        return run


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory):
    with open_instance(Home(tmp_path_factory.mktemp("dagster"))) as opened:
        yield opened


@pytest.fixture(scope="module")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty registry's file, made once: its many migrations take seconds."""
    database = tmp_path_factory.mktemp("registry") / "mlflow.db"
    client_of(Tracking(f"sqlite:///{database}"))
    return database


@pytest.fixture
def clockwork(
    tmp_path: Path,
    instance: dg.DagsterInstance,
    empty_registry: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Clockwork:
    instance.wipe()
    monkeypatch.setenv("ASTRO_HOME", str(tmp_path / "home"))
    return Clockwork(tmp_path / "home", instance, empty_registry)


@pytest.fixture
def grown(clockwork: Clockwork) -> Clockwork:
    """June has 2 % more than March, which the champion was trained on."""
    clockwork.champion(MARCH, clockwork.blocks(MARCH, 1_000))
    clockwork.blocks(JUNE, 1_020)
    return clockwork


def test_it_starts_stopped_and_ticks_at_most_once_an_hour(clockwork: Clockwork):
    sensor = clockwork.sensor
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED
    assert sensor.minimum_interval_seconds == EVERY_SECONDS == 3_600
    assert sensor.job_name == RETRAIN


def test_its_job_makes_what_follows_the_blocks_and_nothing_else(clockwork: Clockwork):
    job = clockwork.repository.get_job(RETRAIN)
    selected = {key.to_user_string() for key in job.asset_layer.executable_asset_keys}
    upstream = {
        *("arxiv_snapshot", "snapshot_papers", "base_model", "arxiv_updates"),
        *("astro_ph_papers", "general_papers", "token_blocks"),
    }
    every = {
        key.to_user_string()
        for key in clockwork.repository.get_job(RELEASE).asset_layer.executable_asset_keys
    }
    assert selected == every - upstream and "near_copies" in selected


def test_a_home_without_blocks_is_told_what_to_do_and_no_home_is_made(clockwork: Clockwork):
    assert "No release has token blocks" in clockwork.said()
    assert not clockwork.store.home.root.exists()


def test_without_a_champion_it_does_nothing_and_makes_no_registry(clockwork: Clockwork):
    clockwork.blocks(JUNE, 1_000)
    said = clockwork.said()
    assert "astrollama has no champion" in said and "astro-assets run --release 2026-06" in said
    assert not clockwork.store.home.mlflow_db.exists()


def test_a_grown_release_is_asked_for_and_says_why(grown: Clockwork):
    (request,) = grown.tick().run_requests
    assert request.partition_key == request.tags["dagster/partition"] == JUNE
    assert request.tags[WHY].startswith("Grown enough: release 2026-06 has 1,020 astro training")
    assert "2.00 % more than the 1,000 of release 2026-03" in request.tags[WHY]
    # The same request once more starts nothing, for Dagster knows it by this key.
    assert request.run_key == grown.tick().run_requests[0].run_key


@pytest.mark.parametrize(
    ("variable", "value", "asks"),
    [
        ("ASTRO_RETRAIN_GROWTH", "0.02", True),
        ("ASTRO_RETRAIN_GROWTH", "0.021", False),
        ("ASTRO_RETRAIN_MONTHS", "3", True),
    ],
)
def test_the_bounds_are_settings(
    grown: Clockwork, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, asks: bool
):
    if variable.endswith("MONTHS"):
        monkeypatch.setenv("ASTRO_RETRAIN_GROWTH", "0.5")
    monkeypatch.setenv(variable, value)
    assert bool(grown.tick().run_requests) is asks


def test_a_release_that_shrank_or_grew_little_is_not_asked_for(grown: Clockwork):
    grown.blocks("2026-07", 990)
    assert "1.00 % fewer than" in grown.said()
    grown.blocks("2026-08", 1_009)
    assert "0.90 % more than" in grown.said()


@pytest.mark.parametrize("how", ENDED)
def test_no_release_is_asked_for_twice_however_the_first_ended(grown: Clockwork, how: str):
    run = grown.submit(ENDED[how])
    said = grown.said()
    assert f"Not asking for 2026-06 again: run {run.run_id[:8]} was asked for before and" in said
    assert how in said and "2.00 % more" in said
    if how != "has ended":
        assert "launch the job retrain for 2026-06" in said


def test_another_recipe_does_not_make_it_ask_again(
    grown: Clockwork, monkeypatch: pytest.MonkeyPatch
):
    grown.submit(dg.DagsterRunStatus.FAILURE)
    monkeypatch.setenv("ASTRO_RECIPE", "paper")
    assert "was asked for before" in grown.said()


def test_the_release_after_one_that_came_to_nothing_is_judged_by_the_same_champion(
    grown: Clockwork,
):
    grown.submit(dg.DagsterRunStatus.SUCCESS)
    grown.blocks("2026-07", 1_021)
    (request,) = grown.tick().run_requests
    assert request.partition_key == "2026-07"
    assert "2.10 % more than the 1,000 of release 2026-03" in request.tags[WHY]


def test_what_was_trained_by_hand_is_not_asked_for(grown: Clockwork):
    grown.trained(JUNE, grown.blocks(JUNE, 1_020))
    said = grown.said()
    assert "trained on with the recipe smoke before (lora_checkpoint of 2026-06" in said
    # With other blocks, it is another training.
    grown.blocks(JUNE, 1_030)
    assert grown.tick().run_requests


@pytest.mark.parametrize("job", [REFRESH, RELEASE, RETRAIN])
@pytest.mark.parametrize("release", [JUNE, "2026-07"])
def test_it_waits_for_runs_of_releases(grown: Clockwork, job: str, release: str):
    run = grown.run_of(job, release)
    assert f"under way: {release} ({job}, run {run.run_id[:8]})" in grown.said()
    grown.instance.report_run_canceled(run)
    assert grown.tick().run_requests


def test_its_own_queued_run_is_waited_for(grown: Clockwork):
    run = grown.submit(dg.DagsterRunStatus.STARTED)
    assert f"2026-06 (retrain, run {run.run_id[:8]})" in grown.said()


def test_a_champion_whose_blocks_are_gone_is_not_guessed_about(grown: Clockwork):
    for manifest in grown.store.home.manifests.glob("token_blocks/*.json"):
        if MARCH in manifest.read_text():
            manifest.unlink()
    said = grown.said()
    assert "Not asking for 2026-06" in said and "growth cannot be told" in said


def test_a_registry_that_cannot_be_reached_asks_for_nothing(
    grown: Clockwork, monkeypatch: pytest.MonkeyPatch
):
    grown.store.home.mlflow_db.write_bytes(b"no database" * 1_000)
    said = grown.said()
    assert "Not asking for 2026-06: MLflow at sqlite:" in said and "MLFLOW_TRACKING_URI" in said


def test_loading_it_imports_no_mlflow_and_the_environment_switches_it_on(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("ASTRO_SCHEDULES", "on")
    script = (
        "import sys\n"
        "from astro_assets.defs.retraining import retrain_when_grown\n"
        "print(retrain_when_grown.default_status.name, 'mlflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["RUNNING", "False"]
