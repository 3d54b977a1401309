"""Half a year of arXiv, month by month: the schedule refreshes, the sensor asks, runs are done.

What belongs here: time, the server's papers, and doing what Dagster's daemon does with requests.
What does not: what has to come of it (test_half_year).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from astro_assets.defs import automation, retraining
from astro_assets.defs.build import build_defs
from astro_assets.defs.instance import open_instance
from astro_assets.ingest.oai_pace import Pace
from astro_assets.ingest.synthetic import generate
from astro_assets.months import Month
from astro_assets.registry.tracking import Tracking
from astro_assets.registry.versions import CHAMPION, find_version
from astro_assets.warehouse.sides import SPLIT_SALT, side_of
from tests.builders import write_snapshot
from tests.e2e.world import ENVIRONMENT, World, write_recipe
from tests.fakes.arxiv_oai import Exchange, FakeArxiv, serving
from tests.fakes.clock import FakeClock

FIRST, LAST = Month(2025, 12), Month(2026, 6)
_SNAPSHOT_FROM = "2509"
"""Few months: a shard each is what takes time."""
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
WEAK: dict[str, Any] = {"name": "weak", "max_tokens": 6_000}
STRONG: dict[str, Any] = {"name": "strong", "max_tokens": 40_000, "learning_rate": 2e-3}
BREAKING: dict[str, Any] = {"name": "breaking", "learning_rate": 0.9}
"""So high a rate that training only breaks what the base could do."""


@dataclass(frozen=True)
class Plan:
    """What a month brings."""

    n_papers: int
    """New astronomy papers on the train side; a few general ones come with them."""
    n_withdrawn: int = 0
    """Of the astronomy papers on the train side."""
    recipe: str = "strong"
    base_is_gone: bool = False
    """Whether the base's weights are not there when training begins."""


PLANS = {
    Month(2026, 1): Plan(1),
    Month(2026, 2): Plan(5),
    Month(2026, 3): Plan(0),
    Month(2026, 4): Plan(40, recipe="breaking"),
    Month(2026, 5): Plan(1, base_is_gone=True),
    Month(2026, 6): Plan(0, n_withdrawn=70),
}


@dataclass
class Said:
    """What the sensor said in a month, and what it asked for."""

    before: str = ""
    """On the 1st, before the month's refresh."""
    meanwhile: str = ""
    """While the refresh was at work."""
    asked: list[dg.RunRequest] = field(default_factory=list)
    """By any tick from the refresh on."""
    after: list[str] = field(default_factory=list)
    """Why later ticks asked for nothing."""
    made: set[str] = field(default_factory=set)
    """Assets that the run which was asked for materialised."""
    succeeded: bool | None = None
    champion: str = ""
    """The release of the champion at the month's end."""


@dataclass
class HalfYear:
    """A home, the server it is refreshed from, and Dagster without its daemon."""

    world: World
    fake: FakeArxiv
    clock: FakeClock
    instance: dg.DagsterInstance
    to_come: dict[Month, list[dict[str, Any]]]
    """What is submitted in each month."""
    on_train_side: list[str]
    """Astronomy papers that can be withdrawn."""
    diary: dict[Month, Said] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.repository = build_defs().get_repository_def()

    def live(self) -> None:
        """Let every month pass."""
        for month, plan in PLANS.items():
            self._pass_month(month, plan, self.diary.setdefault(month, Said()))

    def _pass_month(self, month: Month, plan: Plan, said: Said) -> None:
        self._submit(month, plan)
        self._to(month.end + timedelta(hours=12))
        said.before = self._tick(said)
        self._to(month.end + timedelta(days=1, hours=6))
        self._refresh(said)
        self._to(month.end + timedelta(days=1, hours=7))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ASTRO_RECIPE", str(self.world.root / f"{plan.recipe}.yaml"))
            said.after.append(self._tick(said))
            if said.asked:
                self._train(said, plan)
            for _ in range(3):
                self._to(self.clock.now + timedelta(days=7))
                said.after.append(self._tick(said))
        said.champion = self._champion()

    def _to(self, moment: datetime) -> None:
        self.clock.now = moment

    def _submit(self, month: Month, plan: Plan) -> None:
        *papers, last = self.to_come[month]
        for day, paper in enumerate(papers):
            self._to(month.start + timedelta(days=day % 25 + 1))
            self.fake.add(paper)
        for _ in range(plan.n_withdrawn):
            self.fake.withdraw(self.on_train_side.pop())
        # A server without any change at the month's end is one that lags behind.
        self._to(month.end - timedelta(hours=6))
        self.fake.add(last)

    def _tick(self, said: Said) -> str:
        """Let the sensor tick; note what it asks for, return what it says if nothing."""
        context = dg.build_sensor_context(instance=self.instance, repository_def=self.repository)
        ticked = self.repository.get_sensor_def(retraining.NAME).evaluate_tick(context)
        said.asked += ticked.run_requests
        return " ".join((ticked.skip_message or "").split())

    def _refresh(self, said: Said) -> None:
        """Do what the schedule asks for; the sensor ticks while arXiv is being asked."""
        context = dg.build_schedule_context(
            instance=self.instance,
            scheduled_execution_time=self.clock.now,
            repository_def=self.repository,
        )
        asked = self.repository.get_schedule_def(automation.NAME).evaluate_tick(context)
        assert len(asked.run_requests) == 1, asked.skip_message

        def tick_and_answer(exchange: Exchange) -> None:
            said.meanwhile = self._tick(said)
            exchange.answer()

        self.fake.faults = {len(self.fake.queries) + 1: tick_and_answer}
        (request,) = asked.run_requests
        ended = self._do(request, {"dagster/schedule_name": automation.NAME})
        assert ended.success and not self.fake.faults

    def _train(self, said: Said, plan: Plan) -> None:
        """Do what the sensor asked for."""
        weights = self.world.base / "model.safetensors"
        if plan.base_is_gone:
            weights.rename(weights.with_suffix(".gone"))
        ended = self._do(said.asked[0], {"dagster/sensor_name": retraining.NAME})
        said.succeeded = ended.success
        said.made = {
            event.asset_key.to_user_string()
            for event in ended.get_asset_materialization_events()
            if event.asset_key is not None
        }
        if plan.base_is_gone:
            weights.with_suffix(".gone").rename(weights)

    def _do(self, request: dg.RunRequest, tags: dict[str, str]) -> dg.ExecuteInProcessResult:
        """Do as the daemon does with a request: one run, tagged by who asked for it."""
        job = {automation.NAME: "refresh", retraining.NAME: "retrain"}[next(iter(tags.values()))]
        return self.repository.get_job(job).execute_in_process(
            instance=self.instance,
            partition_key=request.partition_key,
            tags={**request.tags, **tags, "dagster/run_key": request.run_key or ""},
            run_config=_QUIET,
            raise_on_error=False,
        )

    def _champion(self) -> str:
        home = self.world.store.home
        tracking = Tracking(f"sqlite:///{home.mlflow_db}", home.mlflow_artifacts)
        return find_version(tracking, "astrollama", alias=CHAMPION).tags["release"]


@contextmanager
def half_year_in(root: Path, base: Path) -> Iterator[HalfYear]:
    """Make the first release with its champion, and yield the half year that can be lived."""
    root.mkdir(parents=True, exist_ok=True)
    records = [r for r in generate(12_000, until=LAST) if r["id"][:4] >= _SNAPSHOT_FROM]
    old = [r for r in records if r["id"][:4] <= "2512" and (r["update_date"] or "") < "2026"]
    world = World(
        root,
        write_snapshot(root / "snapshot.zip", old),
        shutil.copytree(base, root / "base"),
        write_recipe(root / "weak.yaml", **WEAK),
    )
    for fields in (STRONG, BREAKING):
        world.with_recipe(**fields)
    with pytest.MonkeyPatch.context() as patch:
        # The harvest takes its turns without pausing in between.
        pace = Pace(root / "turns.pace", sleep=lambda _seconds: None)
        patch.setattr(Pace, "of", classmethod(lambda _cls, _url: pace))
        ended = world.run(release=str(FIRST))
        assert ended.success, ended.errors
        clock = FakeClock(FIRST.end)
        held = [{**r, "datestamp": "2025-10-01"} for r in old if _can_be_new(r)]
        with (
            serving(FakeArxiv(held, per_page=60, now=clock.clock)) as fake,
            open_instance(world.store.home) as instance,
        ):
            environment = ENVIRONMENT | {
                "ASTRO_HOME": str(world.home),
                "ASTRO_SNAPSHOT": str(world.snapshot),
                "ASTRO_BASE_MODEL": str(world.base),
                "ASTRO_HARVEST": "on",
                "ASTRO_CONTACT": "me@example.org",
                "ASTRO_OAI_URL": fake.url,
                "ASTRO_RETRAIN_MONTHS": "4",
                # Not what this is about: a base as tiny as that forgets easily.
                "ASTRO_MAX_FORGETTING": "0.2",
            }
            for name, value in environment.items():
                patch.setenv(name, value)
            trained_on = [r["id"] for r in _trained_on(held)]
            yield HalfYear(world, fake, clock, instance, _to_come(records), trained_on)


def _to_come(records: list[dict[str, Any]]) -> dict[Month, list[dict[str, Any]]]:
    """Return what each month of the plan brings: as many to train on, and some general papers."""
    fit = [record for record in records if _can_be_new(record)]
    return {
        month: _trained_on(_of(month, fit))[: plan.n_papers] + _general(_of(month, fit))[:5]
        for month, plan in PLANS.items()
    }


def _of(month: Month, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [r for r in records if r["id"].startswith(str(month)[2:].replace("-", ""))]


def _trained_on(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    astro = [r for r in records if "astro-ph" in r["categories"]]
    return [r for r in astro if side_of(r["id"], SPLIT_SALT) == "train"]


def _general(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [r for r in records if "astro-ph" not in r["categories"]]


def _can_be_new(record: dict[str, Any]) -> bool:
    """Tell whether a record says all a server has to, and is not withdrawn from the start."""
    is_withdrawn = "withdrawn" in f"{record['comments']} {record['abstract']}".lower()
    return bool(record["versions"] and record["update_date"]) and not is_withdrawn
