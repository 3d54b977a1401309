"""Training as arXiv grows: a sensor that asks for it, off until it is switched on.

It looks at finished blocks only and remakes nothing upstream of them. Store and registry are asked
in the tick; importing this module reads nothing but the environment. What does not belong here: the
rule (``releases.growth``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from astro_assets.defs.adapter import tracking_of
from astro_assets.defs.jobs import RETRAIN, retrain
from astro_assets.defs.resources import Workspace, open_workspace
from astro_assets.defs.runs import IN_VAIN, RUN_KEY, SENSOR, WHY, under_way
from astro_assets.errors import MissingArtifactError, RegistryError
from astro_assets.months import Month
from astro_assets.releases.due import newest_with_blocks
from astro_assets.settings import load_settings

if TYPE_CHECKING:
    from astro_assets.registry.versions import ModelVersion

NAME = "retrain_when_grown"
EVERY_SECONDS = 3_600


@dg.sensor(
    name=NAME,
    job=retrain,
    minimum_interval_seconds=EVERY_SECONDS,
    description="Asks for training, reports and promotion of the newest release with token blocks "
    "when its astro training tokens are ASTRO_RETRAIN_GROWTH more than those the champion was "
    "trained on, or its month is ASTRO_RETRAIN_MONTHS later. Once per release, whatever comes of "
    "it. Each tick says why it asked or not. Off until ASTRO_SCHEDULES=on or switched on here.",
    default_status=dg.DefaultSensorStatus.RUNNING
    if load_settings().schedules == "on"
    else dg.DefaultSensorStatus.STOPPED,
)
def retrain_when_grown(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ask for the newest release if it has outgrown the champion and was not asked for before."""
    workspace = open_workspace()
    release = newest_with_blocks(workspace.store)
    if release is None:
        return dg.SkipReason(
            f"No release has token blocks in {workspace.home.root}: there is nothing to train on. "
            "Run `astro-assets run` once, or materialise a release here."
        )
    waiting = _waiting_for(context.instance)
    if waiting is not None:
        return dg.SkipReason(waiting)
    try:
        is_due, why = _judged(workspace, release)
    except (RegistryError, MissingArtifactError) as error:
        # Nobody knows whether it has grown, so nothing is asked for.
        return dg.SkipReason(f"Not asking for {release}: {error}")
    refused = _why_not_again(context.instance, workspace, release) if is_due else None
    if refused is not None:
        return dg.SkipReason(f"Not asking for {release} again: {refused} {why}")
    if not is_due:
        return dg.SkipReason(why)
    context.log.info(f"Asking for {release}. {why}")
    return dg.RunRequest(
        run_key=run_key(release, workspace.settings.model_name),
        partition_key=str(release),
        tags={WHY: why},
    )


def run_key(release: Month, model_name: str) -> str:
    """Return what Dagster knows a request by: a second one with this key starts nothing.

    The recipe is not in it: another recipe for a release that was asked for is a person's to start.
    """
    return f"{model_name} of {release}"


def _waiting_for(instance: dg.DagsterInstance) -> str | None:
    """Say which runs of releases wait or work; any of them may bring blocks or move the champion.

    None where there is none.
    """
    busy = under_way(instance)
    if not busy:
        return None
    runs = ", ".join(
        f"{month} ({run.job_name}, run {run.run_id[:8]})" for month, run in sorted(busy.items())
    )
    return f"Waiting for what is under way: {runs}. It is looked at again by the next tick."


def _judged(workspace: Workspace, release: Month) -> tuple[bool, str]:
    """Compare a release with the champion; without one there is nothing to compare with.

    Raises:
        RegistryError: the registry cannot be reached, or its champion does not say what it is.
        MissingArtifactError: what the champion was trained on is gone.
    """
    from astro_assets.releases.growth import decide, growth_of

    settings = workspace.settings
    champion = _champion(workspace)
    if champion is None:
        return False, (
            f"{settings.model_name} has no champion, so nothing is known to grow from. Run "
            f"`astro-assets run --release {release}` once, or launch the job {RETRAIN} for "
            f"{release} here: the first model that passes the promotion rule becomes champion."
        )
    return decide(
        growth_of(workspace.store, release, champion),
        min_growth=settings.retrain_growth,
        max_months=settings.retrain_months,
    )


def _champion(workspace: Workspace) -> ModelVersion | None:
    """Return the champion; a SQLite registry that does not exist has none and is not made."""
    from astro_assets.registry.versions import CHAMPION, version_at
    from astro_assets.releases.registered import is_absent

    tracking = tracking_of(workspace)
    if is_absent(tracking):
        return None
    return version_at(tracking, workspace.settings.model_name, CHAMPION)


def _why_not_again(
    instance: dg.DagsterInstance, workspace: Workspace, release: Month
) -> str | None:
    """Say why a release that is due is not asked for; None: it is."""
    from astro_assets.releases.growth import trained_already
    from astro_assets.training.recipe import load_recipe

    settings = workspace.settings
    asked = instance.get_runs(
        dg.RunsFilter(tags={SENSOR: NAME, RUN_KEY: run_key(release, settings.model_name)}), limit=1
    )
    if asked:
        return _how_it_ended(asked[0], release)
    recipe = load_recipe(settings.recipe)
    known = trained_already(workspace.store, release, recipe.as_dict())
    if known is None:
        return None
    return (
        f"its blocks were trained on with the recipe {recipe.name} before (lora_checkpoint of "
        f"{known.release}, made at {known.made_at}). For reports and decision, if they are "
        f"missing, launch the job {RETRAIN} for {release}."
    )


def _how_it_ended(run: dg.DagsterRun, release: Month) -> str:
    how = IN_VAIN.get(run.status)
    if how is None:
        return (
            f"run {run.run_id[:8]} was asked for before and has ended; champion_model of {release} "
            "says what came of it."
        )
    return (
        f"run {run.run_id[:8]} was asked for before and {how}. That is a person's to look at; "
        f"launch the job {RETRAIN} for {release} to try again."
    )
