"""The Dagster home: its dagster.yaml, and tidying up after runs whose process was killed."""

from __future__ import annotations

import dagster as dg
import yaml

from astro_assets.artifacts import atomic
from astro_assets.artifacts.home import Home

CONFIG = {
    # Nothing leaves the machine, and no dialog greets the person.
    "telemetry": {"enabled": False},
    "nux": {"enabled": False},
    # One run writes to a home at a time; the others wait in the queue.
    "concurrency": {
        "runs": {"max_concurrent_runs": 1},
        "pools": {"default_limit": 1, "granularity": "op"},
    },
    # Slots of the pool are freed when a run ends, however it ends. A run whose process was killed
    # is found out by the next `astro-assets run` or `ui`, which hold the home's lock (see `tidy`).
    # A cancelled run waits for its trainer to save: minutes, for a large model.
    "run_monitoring": {
        "enabled": True,
        "cancel_timeout_seconds": 420,
        "free_slots_after_run_end_seconds": 30,
    },
}


def prepare(home: Home) -> None:
    """Write the home's dagster.yaml unless a person has put one there."""
    path = home.dagster / "dagster.yaml"
    if not path.is_file():
        text = "# Written once; change it as you like.\n" + yaml.safe_dump(CONFIG, sort_keys=False)
        atomic.write_text(path, text)


def open_instance(home: Home) -> dg.DagsterInstance:
    """Return the home's Dagster instance, made if it is not there."""
    prepare(home)
    return dg.DagsterInstance.from_config(str(home.dagster))


def tidy(instance: dg.DagsterInstance) -> list[str]:
    """Mark runs whose process is gone as failed and free their pool slots; return their ids.

    Only for a caller that holds the home's lock: then no run can be at work.
    """
    at_work = [
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ]
    lost = instance.get_runs(dg.RunsFilter(statuses=at_work))
    for run in lost:
        instance.report_run_failed(run, "The process of this run ended without a word.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return [run.run_id for run in lost]
