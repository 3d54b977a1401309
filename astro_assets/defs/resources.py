"""What assets are handed: the workspace of the run, and whoever shows progress.

The workspace holds the home's lock as long as its run lives, so two runs never write side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import dagster as dg
from pydantic import Field

from astro_assets.artifacts import lock
from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.progress import LineProgress, Progress
from astro_assets.settings import Settings, load_settings


@dataclass(frozen=True)
class Workspace:
    """Settings and store of one run."""

    settings: Settings
    store: Store
    snapshot_given: bool
    """Whether this run named its snapshot itself, rather than the environment or the default."""

    @property
    def home(self) -> Home:
        """The home's paths."""
        return self.store.home


def open_workspace(flags: dict[str, Any] | None = None) -> Workspace:
    """Return the workspace the environment and the given flags describe."""
    given = flags or {}
    settings = load_settings(**given)
    return Workspace(settings, Store(Home(settings.home)), given.get("snapshot") is not None)


def snapshot_of(workspace: Workspace, release: str) -> Manifest:
    """Return the snapshot a release is, or is to be, bound to."""
    from astro_assets.warehouse.binding import bound_snapshot

    return bound_snapshot(
        workspace.store,
        release,
        rebase=workspace.settings.rebase,
        snapshot_given=workspace.snapshot_given,
    )


class WorkspaceResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Fields for the launchpad; what is left empty comes from the environment (``ASTRO_*``)."""

    snapshot: str = Field("", description="A file, kaggle, kaggle:N, oai or synthetic:N.")
    recipe: str = Field("", description="Training recipe: a bundled name or a YAML path.")
    base_model: str = Field(
        "", description="scratch, a local folder, or a hub id; empty: the recipe's, else scratch."
    )
    force: bool = Field(False, description="Make again what is unchanged.")
    rebase: bool = Field(False, description="Bind the release to the present snapshot.")
    rebuild_base: bool = Field(False, description="Pretrain the scratch base again.")

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Workspace]:
        """Open the workspace and hold the home's lock until the run ends."""
        from astro_assets.releases.leftovers import clear_leftovers

        fields = ("snapshot", "recipe", "base_model", "force", "rebase", "rebuild_base")
        workspace = open_workspace({name: getattr(self, name) or None for name in fields})
        run_id = context.run.run_id if context.run else "?"
        with lock.exclusive(workspace.home.lock, holder=f"Dagster run {run_id[:8]}"):
            clear_leftovers(workspace.home)
            yield workspace


class ProgressSource(Protocol):
    """Gives each asset the progress it reports to."""

    def for_log(self, log: Callable[[str], None]) -> Progress:
        """Return a progress; ``log`` writes one line into Dagster's log."""
        ...


class LogProgress:
    """Progress as sparse lines in Dagster's log: the choice wherever nobody watches a terminal."""

    def for_log(self, log: Callable[[str], None]) -> Progress:
        """Return a line progress that writes to the run's log."""
        return LineProgress(log)


def now() -> datetime:
    """Return the present instant, UTC."""
    return datetime.now(UTC)
