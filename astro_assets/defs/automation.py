"""What runs by itself: the monthly refresh, off until it is switched on."""

import dagster as dg

from astro_assets.defs.jobs import refresh
from astro_assets.settings import load_settings

monthly_refresh = dg.build_schedule_from_partitioned_job(
    refresh,
    name="monthly_refresh",
    description="On the 2nd at 06:00 UTC, after arXiv's announcement of the month's last papers: "
    "harvest, tables and blocks of the month that has ended. Off until ASTRO_SCHEDULES=on or "
    "switched on here.",
    day_of_month=2,
    hour_of_day=6,
    default_status=dg.DefaultScheduleStatus.RUNNING
    if load_settings().schedules == "on"
    else dg.DefaultScheduleStatus.STOPPED,
)
