"""A checkpoint from training to the registry: one MLflow run, one version per adapter.

What does not belong here: how training works (``training``) and which version is champion
(``champion``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from astro_assets.artifacts.manifest import Built, Manifest
from astro_assets.corpus.blocks import TokenBlocks
from astro_assets.models.base import BaseModel
from astro_assets.progress import Progress
from astro_assets.registry.base_facts import BaseFacts
from astro_assets.registry.registration import (
    register_adapter,
    register_base,
    version_of_adapter,
)
from astro_assets.registry.tracking import Tracking, open_run
from astro_assets.registry.versions import ModelVersion
from astro_assets.training.recipe import Recipe
from astro_assets.training.trainer import train_adapter


@dataclass(frozen=True)
class Identity:
    """Where a checkpoint comes from, for tags."""

    release: str
    dagster_run_id: str
    parents: Mapping[str, str]
    """Asset -> fingerprint of what it is trained on."""

    def tags(self) -> dict[str, str]:
        """Return them as MLflow tags."""
        tags = {"release": self.release, "dagster_run_id": self.dagster_run_id}
        return tags | {f"made_from.{name}": value for name, value in self.parents.items()}


def base_facts(base: Manifest, *, quantisation: str | None) -> BaseFacts:
    """Return a base model's manifest as the registry words it."""
    return BaseFacts(
        kind=base.facts["kind"],
        name=base.facts["name"],
        revision=base.facts["revision"],
        digest=base.facts["digest"],
        quantisation=quantisation,
        uri=None,
    )


def train_and_log(
    tracking: Tracking,
    base: BaseModel,
    blocks: Mapping[str, TokenBlocks],
    recipe: Recipe,
    out: Path,
    *,
    identity: Identity,
    threads: int,
    progress: Progress,
) -> Built:
    """Train an adapter inside an MLflow run that follows its learning curve.

    ``blocks`` are the train sides: ``astro`` to learn, ``general`` to replay if the recipe does.

    Returns:
        What ``train_adapter`` built, with ``mlflow_run_id`` among its facts.
    """
    params: dict[str, Any] = {**recipe.as_dict(), "n_train_blocks": len(blocks["astro"])}
    with open_run(
        tracking, f"{recipe.name} {identity.release}", tags=identity.tags(), params=params
    ) as log:
        built = train_adapter(
            base,
            blocks["astro"],
            recipe,
            out,
            progress=progress,
            replay_blocks=blocks["general"],
            on_metrics=log.metric,
            threads=threads,
        )
        log.artifact(out / "learning_curve.jsonl")
        return replace(built, facts={**built.facts, "mlflow_run_id": log.run_id})


def register_checkpoint(
    tracking: Tracking,
    checkpoint: Manifest,
    adapter_folder: Path,
    base: BaseFacts,
    base_folder: Path,
    *,
    model_name: str,
    identity: Identity,
) -> ModelVersion:
    """Register a trained adapter as ``candidate``; a registered one keeps version and aliases."""
    known = version_of_adapter(tracking, model_name, checkpoint.fingerprint)
    if known is not None:
        return known
    stored = register_base(tracking, model_name, base, base_folder)
    return register_adapter(
        tracking,
        model_name=model_name,
        adapter_folder=adapter_folder,
        base_folder=base_folder,
        base=stored,
        fingerprint=checkpoint.fingerprint,
        run_id=checkpoint.facts["mlflow_run_id"],
        tags=identity.tags() | {"recipe": str(checkpoint.parameters["recipe"]["name"])},
    )
