"""What runs by itself: the monthly refresh, off until it is switched on.

It asks for harvest, tables and blocks and trains nothing. Reading the store happens in the tick;
importing this module reads nothing but the environment.
"""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from astro_assets.defs.jobs import REFRESH, refresh
from astro_assets.defs.resources import open_workspace
from astro_assets.defs.runs import IN_VAIN, SCHEDULE, WHY, month_of, under_way
from astro_assets.months import Month, newest_ended
from astro_assets.releases.due import due_months, missing_parts, newest_with_blocks
from astro_assets.settings import load_settings

NAME = "monthly_refresh"
MOST_A_TICK = 24
"""Months that one tick asks for; a home that slept longer catches up in several."""


@dg.schedule(
    name=NAME,
    job=refresh,
    # arXiv announces at 20:00 US Eastern, 00:00 or 01:00 UTC: on the 2nd at 06:00 UTC the last
    # changes of the month before are out, whatever the season. The days after are for what failed,
    # say because arXiv said "later"; where nothing is missing they pass with a word.
    cron_schedule="0 6 2-8 * *",
    execution_timezone="UTC",
    description="On the 2nd at 06:00 UTC, after arXiv's announcement of the month's last papers: "
    "harvest, tables and blocks of every month since the newest release that has blocks, oldest "
    "first, one run each; until the 8th once a day, for what failed. Off until ASTRO_SCHEDULES=on "
    "or switched on here.",
    default_status=dg.DefaultScheduleStatus.RUNNING
    if load_settings().schedules == "on"
    else dg.DefaultScheduleStatus.STOPPED,
)
def monthly_refresh(
    context: dg.ScheduleEvaluationContext,
) -> list[dg.RunRequest] | dg.SkipReason:
    """Ask for the months that have ended and have no blocks yet."""
    store = open_workspace().store
    last = newest_ended(context.scheduled_execution_time)
    missing = missing_parts(store)
    if missing:
        return dg.SkipReason(
            f"{', '.join(missing)} not made in {store.home.root}: a refresh starts from them. "
            f"Run `astro-assets run --release {last}` once, or materialise them here."
        )
    failed = _failed_before(context.instance)
    due = due_months(store, last, failed=failed)
    busy = under_way(context.instance)
    asked = [month for month in due if month not in busy]
    if not asked:
        return dg.SkipReason(_nothing_to_ask(due, busy, last, newest_with_blocks(store)))
    now, later = asked[:MOST_A_TICK], asked[MOST_A_TICK:]
    context.log.info(f"Asking for {_listed(now)}, oldest first, one run each.")
    for month in due:
        if month in busy:
            context.log.info(f"Not asking for {month}: run {busy[month].run_id[:8]} is under way.")
    if later:
        context.log.info(f"For the next tick remain {_listed(later)}.")
    at = context.scheduled_execution_time.strftime("%Y-%m-%dT%H:%M")
    return [
        # The tick is part of the run key: what failed is asked for again by the next one.
        dg.RunRequest(
            run_key=f"{month} at {at}",
            partition_key=str(month),
            tags={WHY: _why(month, last, failed)},
        )
        for month in now
    ]


def _why(month: Month, last: Month, failed: Mapping[Month, str]) -> str:
    if month in failed:
        return f"{month} {failed[month]} before"
    return f"{month} has just ended" if month == last else f"{month} was missed"


def _nothing_to_ask(
    due: list[Month], busy: Mapping[Month, dg.DagsterRun], last: Month, newest: Month | None
) -> str:
    if not due:
        return f"Nothing to do: {newest} has its blocks, and {last} is the newest month that ended."
    runs = ", ".join(f"{month} (run {busy[month].run_id[:8]})" for month in due)
    return f"Nothing to ask for: under way already are {runs}."


def _failed_before(instance: dg.DagsterInstance) -> dict[Month, str]:
    """Return the months whose last refresh that this schedule asked for came to nothing -> how."""
    runs = instance.get_runs(dg.RunsFilter(job_name=REFRESH, tags={SCHEDULE: NAME}))
    newest_first: dict[Month, dg.DagsterRunStatus] = {}
    for run in runs:
        month = month_of(run)
        if month is not None:
            newest_first.setdefault(month, run.status)
    return {m: IN_VAIN[status] for m, status in newest_first.items() if status in IN_VAIN}


def _listed(months: list[Month]) -> str:
    """Return a run of months as text.

    >>> _listed([Month(2026, 4), Month(2026, 5)])
    '2 months, 2026-04 to 2026-05'
    """
    return (
        str(months[0]) if len(months) == 1 else f"{len(months)} months, {months[0]} to {months[-1]}"
    )
