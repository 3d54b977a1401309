"""build_defs(): fresh definitions every time; a test swaps a resource by its key."""

from typing import Any

import dagster as dg

from astro_assets.defs.assets import (
    corpus,
    evaluation,
    ingest,
    near_copies,
    registry,
    training,
    warehouse,
)
from astro_assets.defs.automation import monthly_refresh
from astro_assets.defs.jobs import JOBS
from astro_assets.defs.resources import LogProgress, WorkspaceResource
from astro_assets.defs.retraining import retrain_when_grown

ASSETS = [
    ingest.arxiv_snapshot,
    ingest.arxiv_updates,
    warehouse.snapshot_papers,
    warehouse.astro_ph_papers,
    warehouse.general_papers,
    corpus.token_blocks,
    near_copies.near_copies,
    training.base_model,
    training.lora_checkpoint,
    evaluation.perplexity_report,
    evaluation.embeddings,
    evaluation.embedding_report,
    evaluation.completion_report,
    evaluation.knowledge_report,
    registry.champion_model,
    registry.release_report,
]


def build_defs(*, resources: dict[str, Any] | None = None) -> dg.Definitions:
    """Return the definitions; ``resources`` replaces ``workspace`` or ``progress`` by key.

    Assets of a run share one process: a trainer must die with its run, and libraries load once.
    """
    return dg.Definitions(
        assets=ASSETS,
        jobs=JOBS,
        schedules=[monthly_refresh],
        sensors=[retrain_when_grown],
        resources={
            "workspace": WorkspaceResource(),
            "progress": LogProgress(),
            **(resources or {}),
        },
        executor=dg.in_process_executor,
    )
