"""A request becomes one Dagster run in this process, under the home's lock."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from astro_assets.artifacts import disk, lock
from astro_assets.artifacts.disk import full_disk_named
from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Store
from astro_assets.code_versions import CODE_VERSIONS
from astro_assets.console.display import Display
from astro_assets.console.quiet import quieten
from astro_assets.defs.asked import SCRATCH, asked_base, refuse_unmeetable_here
from astro_assets.defs.build import build_defs
from astro_assets.defs.instance import open_instance, tidy
from astro_assets.defs.jobs import RELEASE
from astro_assets.defs.metadata import STATUS
from astro_assets.errors import UnknownNameError
from astro_assets.months import newest_ended, parse_release
from astro_assets.settings import Settings, load_settings

if TYPE_CHECKING:
    from dagster._core.events.log import EventLogEntry

ASSETS = tuple(CODE_VERSIONS)
"""All assets in the order of the flow."""

INTERRUPTED = "interrupted. What is whole is kept, and a training goes on from its checkpoint."
_INTERRUPTED_ERROR = "DagsterExecutionInterruptedError"


@dataclass(frozen=True)
class Request:
    """What a person asked for; None and empty mean: not given."""

    release: str | None = None
    select: tuple[str, ...] = ()
    flags: dict[str, Any] = field(default_factory=dict)
    """Settings given as flags: snapshot, recipe, base_model, force, …"""


@dataclass(frozen=True)
class AssetOutcome:
    """How one asset ended."""

    asset: str
    status: str
    """made, reused, skipped or failed."""
    seconds: float


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    release: str
    run_id: str
    success: bool
    assets: tuple[AssetOutcome, ...]
    errors: tuple[str, ...]
    store: Store
    settings: Settings


def run(request: Request, display: Display, *, now: datetime) -> Ended:
    """Materialise what was asked for, through Dagster, and wait for it.

    Raises:
        AstroError: the request cannot be met; nothing was started.
    """
    settings = load_settings(**request.flags)
    release = str(parse_release(request.release or str(newest_ended(now)), now=now))
    selected = _selected(request.select)
    _refuse_in_vain(settings, selected)
    home = Home(settings.home)
    run_id = str(uuid.uuid4())
    quieten()
    holder = f"`astro-assets run` of release {release}"
    with full_disk_named(home.root), lock.exclusive(home.lock, holder=holder):
        with open_instance(home) as instance:
            tidy(instance)
            watch = _Watch(display, home)
            instance.add_event_listener(run_id, watch.see)
            result = (
                build_defs(resources={"progress": display})
                .resolve_job_def(RELEASE)
                .execute_in_process(
                    instance=instance,
                    partition_key=release,
                    run_id=run_id,
                    run_config=_run_config(request.flags),
                    asset_selection=[dg.AssetKey(name) for name in selected],
                    raise_on_error=False,
                )
            )
        outcomes = tuple(watch.outcome(name) for name in ASSETS if name in selected)
        return Ended(
            release, run_id, result.success, outcomes, tuple(watch.errors), Store(home), settings
        )


def _selected(names: Sequence[str]) -> list[str]:
    unknown = [name for name in names if name not in ASSETS]
    if unknown:
        raise UnknownNameError(
            f"There is no asset {unknown[0][:60]!r}.", expected=f"some of {', '.join(ASSETS)}."
        )
    return list(names) or list(ASSETS)


def _refuse_in_vain(settings: Settings, selected: Sequence[str]) -> None:
    """Say now, not after minutes of work, that recipe or base do not exist or cannot be met."""
    if not {"lora_checkpoint", "base_model"} & set(selected):
        return
    from astro_assets.training.recipe import load_recipe

    recipe = load_recipe(settings.recipe)
    refuse_unmeetable_here(settings, recipe, block_length=settings.block_length)
    base = asked_base(settings, recipe)
    if "base_model" in selected and base != SCRATCH:
        from astro_assets.models.base import refuse_unknown_base

        refuse_unknown_base(base)


def _run_config(flags: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in flags.items() if value is not None}
    return {
        "resources": {"workspace": {"config": given}},
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }


class _Watch:
    """Follows a run's events: which assets began, were made, or failed, and when."""

    def __init__(self, display: Display, home: Home) -> None:
        self._display, self._home = display, home
        self._began: dict[str, float] = {}
        self._seconds: dict[str, float] = {}
        self._status: dict[str, str] = {}
        self._said: dict[str, str] = {}
        self._stopped_by: dict[str, list[str]] = {}
        self.errors: list[str] = []

    def see(self, entry: EventLogEntry, _cursor: str = "") -> None:
        """Take in one event."""
        event = entry.dagster_event
        if event is None:
            return
        name = event.step_key or ""
        kind = event.event_type
        if kind == dg.DagsterEventType.STEP_START:
            self._began[name] = entry.timestamp
        elif kind == dg.DagsterEventType.ASSET_MATERIALIZATION:
            metadata = event.step_materialization_data.materialization.metadata
            self._status[name] = str(metadata[STATUS].value)
            rows = metadata.get("dagster/row_count")
            self._said[name] = f"{rows.value:,} rows" if rows else ""
        elif kind == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            self._check(event)
        elif kind == dg.DagsterEventType.STEP_SUCCESS:
            self._ended(name, entry.timestamp, self._status.get(name, "made"))
        elif kind == dg.DagsterEventType.STEP_FAILURE:
            self._ended(name, entry.timestamp, "failed")
            said = "; ".join(self._stopped_by.get(name, [])) or self._told(event)
            self.errors.append(f"{name}: {said}")
        elif kind == dg.DagsterEventType.RUN_FAILURE and not self.errors:
            self.errors.append(self._named(_first_cause(event)))

    def _told(self, event: Any) -> str:
        """Return what a step failure says to a person: a named error's text, else the last line."""
        failure = event.step_failure_data
        if failure.user_failure_data is not None and failure.user_failure_data.description:
            return str(failure.user_failure_data.description)
        said = _innermost(failure.error) or "failed without a word"
        return INTERRUPTED if said.endswith(_INTERRUPTED_ERROR) else self._named(said)

    def _named(self, said: str) -> str:
        """Return what was said, or the named error where Dagster itself found the disk full."""
        is_full = disk.says_full(said, self._home.root)
        return str(disk.named(said, self._home.root)) if is_full else said

    def _check(self, event: Any) -> None:
        evaluation = event.asset_check_evaluation_data
        if not evaluation.passed:
            grave = evaluation.severity == dg.AssetCheckSeverity.ERROR
            asset = evaluation.asset_key.to_user_string()
            said = f"{evaluation.check_name}: {evaluation.description}"
            self._display.say(f"{'✗' if grave else '!'} {asset}.{said}")
            if grave:
                self._stopped_by.setdefault(asset, []).append(said)

    def _ended(self, name: str, at: float, status: str) -> None:
        self._status[name] = status
        self._seconds[name] = at - self._began.get(name, at)
        mark = {"made": "✓", "reused": "=", "failed": "✗"}.get(status, " ")
        said = self._said.get(name, "")
        self._display.say(
            f"{mark} {name:<18} {status:<7} {self._seconds[name]:7.1f} s  {said}".rstrip()
        )

    def outcome(self, name: str) -> AssetOutcome:
        """Return how an asset ended; one that never began was skipped."""
        return AssetOutcome(
            name, self._status.get(name, "skipped"), round(self._seconds.get(name, 0.0), 3)
        )


def _first_cause(event: Any) -> str:
    """Return why a run failed outside any step, say while its resources were set up."""
    data = event.job_failure_data
    return _innermost(data.error if data is not None else None) or str(event.message)


def _innermost(error: Any) -> str:
    """Return the message of the error that the others came from; empty without any."""
    while error is not None and error.cause is not None:
        error = error.cause
    return str(error.message).strip() if error is not None else ""
