"""Runs of release months: which wait or work, whoever asked for them.

What does not belong here: what follows from that (``automation``, ``retraining``).
"""

from __future__ import annotations

import dagster as dg

from astro_assets.errors import BadReleaseError
from astro_assets.months import FIRST_RELEASE, Month

WHY = "astro/why"
"""Tag of a run: why it was asked for."""
PARTITION, SCHEDULE = "dagster/partition", "dagster/schedule_name"
SENSOR, RUN_KEY = "dagster/sensor_name", "dagster/run_key"
"""Dagster's own tags."""

_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
# Cancelled counts like failed: a month that nobody asks for again would stay a hole for ever.
IN_VAIN = {
    dg.DagsterRunStatus.FAILURE: "failed",
    dg.DagsterRunStatus.CANCELED: "was cancelled",
}
"""How runs end that came to nothing."""


def under_way(instance: dg.DagsterInstance) -> dict[Month, dg.DagsterRun]:
    """Return the months of runs that wait or work, whoever asked for them -> run."""
    runs = instance.get_runs(dg.RunsFilter(statuses=_UNDER_WAY))
    return {month: run for run in runs if (month := month_of(run)) is not None}


def month_of(run: dg.DagsterRun) -> Month | None:
    """Return the release a run is for; a tag is text from outside, so it may be no month."""
    try:
        month = Month.parse(run.tags.get(PARTITION, ""))
    except BadReleaseError:
        return None
    return month if month >= FIRST_RELEASE else None
