"""A training from its job to the registry: one process, one MLflow run, one version.

::

    work/job.json ──► trainer ──► work/result ──► MLflow: run ──► adapters/<key> ──► version
                        └── curves ──────────────────┘

Each arrow can be killed and gone through again with the same end: a finished result starts no
trainer, a run is found again by the note in the work folder, a version by its fingerprint. What
does not belong here: how training works (``training``), who is champion (``champion``).
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from astro_assets.artifacts import atomic
from astro_assets.artifacts.manifest import Built, Manifest
from astro_assets.errors import RegistryError, TrainingStoppedError
from astro_assets.progress import Progress
from astro_assets.registry.base_facts import BaseFacts, ModelFacts, ParentFacts
from astro_assets.registry.checkout import commit_tags
from astro_assets.registry.registration import register_model
from astro_assets.registry.tracking import Tracking
from astro_assets.registry.training_run import About, TrainingRun
from astro_assets.registry.versions import (
    CANDIDATE,
    ModelVersion,
    registered_version,
    set_alias,
    versions_of,
)
from astro_assets.training.job import RESULT, TrainingJob
from astro_assets.training.launcher import (
    PATIENCE,
    Patience,
    Start,
    elsewhere,
    processes_elsewhere,
    run_job,
)
from astro_assets.training.result import FACTS, HELDOUT_CURVE, LEARNING_CURVE, read_result
from astro_assets.training.runtime import count_processes, this_machine

MLFLOW_NOTE = "mlflow.json"
"""In a work folder: which MLflow run its training has."""
_DRAWN = "learning_curve.png"


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


@dataclass(frozen=True)
class Order:
    """A training that is wanted, its work folder written."""

    job: TrainingJob
    work: Path
    identity: Identity
    is_here: bool = True
    """Whether the trainer is started here, or by a person on another machine."""
    parent: ParentFacts | None = None
    """The champion it starts from."""
    command: tuple[str, ...] = ()
    """Empty: the trainer; tests put another program in its place."""


def base_facts(base: Manifest, *, quantisation: str | None) -> BaseFacts:
    """Return a base model's manifest as the registry words it."""
    return BaseFacts(
        kind=base.facts["kind"],
        name=base.facts["name"],
        revision=base.facts["revision"],
        digest=base.facts["digest"],
        quantisation=quantisation,
        uri=None,
        files=base.files,
    )


def train_and_log(
    tracking: Tracking,
    order: Order,
    out: Path,
    *,
    progress: Progress,
    say: Callable[[str], None],
    on_run_id: Callable[[str], None],
    patience: Patience = PATIENCE,
) -> Built:
    """Train in a process of its own, an MLflow run following, and keep the result in ``out``.

    Args:
        tracking: Where the run is kept; a server that is down holds nothing up until the end.
        order: What is trained.
        out: The folder the result is to have; an older one is replaced.
        progress: Told of the training.
        say: Told what a person should know meanwhile, a sentence each.
        on_run_id: Told the MLflow run's id once it is known.
        patience: How often to look, how long to wait.

    Returns:
        What was built, with ``mlflow_run_id`` and ``parent_version`` among its facts.

    Raises:
        TrainingError: there is no result, or training is done elsewhere and not done yet.
        TrainingStoppedError: somebody asked the trainer to stop.
        RegistryError: the result is there, and MLflow cannot be reached; it is kept.
    """
    result = order.work / RESULT
    if not order.is_here and not result.is_dir():
        raise elsewhere(order.work, processes_elsewhere(order.job))
    run = TrainingRun(
        tracking, order.work / MLFLOW_NOTE, _about(order), say=say, on_run_id=on_run_id
    )
    try:
        result = run_job(
            _start(order),
            order.work,
            progress=progress,
            on_point=run.on_point,
            on_heldout=run.on_heldout,
            patience=patience,
        )
        run_id = _published(run, result)
    except RegistryError:
        raise  # the run could not be finished; nothing more can be said to it
    except BaseException as error:
        asked = isinstance(error, TrainingStoppedError) or not isinstance(error, Exception)
        run.break_off("KILLED" if asked else "FAILED")
        raise
    return _kept(result, out, order, run_id)


def _about(order: Order) -> About:
    job = order.job
    blocks = job.blocks.open()
    planned = job.recipe.optimisation(n_blocks=len(blocks), block_length=blocks.block_length)
    params: dict[str, object] = {
        **job.recipe.as_dict(),
        "n_train_blocks": len(blocks),
        "n_train_tokens": blocks.n_tokens,
        "n_steps_planned": planned.n_steps,
    }
    tags = order.identity.tags() | commit_tags() | {"data_fingerprint": blocks.fingerprint}
    tags |= {"base_name": job.base.name, "base_digest": job.base.digest}
    if order.parent is not None:
        tags |= {
            "parent_version": str(order.parent.version),
            "parent_fingerprint": order.parent.fingerprint,
        }
    elif job.recipe.init_from == "champion":
        tags["parent_version"] = "none: there was no champion"
    name = f"{job.recipe.name} {order.identity.release}"
    return About(name, params, tags, planned.n_steps)


def _start(order: Order) -> Start:
    job = order.job
    blocks = job.blocks.open()
    planned = job.recipe.optimisation(n_blocks=len(blocks), block_length=blocks.block_length)
    return Start(
        f"train {job.name}",
        planned.n_steps * job.recipe.batch * blocks.block_length,
        count_processes(job.runtime, this_machine(job.runtime.device)),
        order.command,
    )


def _published(run: TrainingRun, result: Path) -> str:
    """Close the run with what the training found out about itself; return its id.

    Raises:
        RegistryError: MLflow cannot be reached; says that the result is kept.
    """
    facts = json.loads((result / FACTS).read_bytes())
    tags = {f"version.{name}": version for name, version in facts["versions"].items()}
    tags |= {f"hardware.{name}": str(value) for name, value in facts["machine"].items()}
    plan = {name: value for name, value in facts["plan"].items() if name != "reasons"}
    tags |= {f"plan.{name}": str(value) for name, value in plan.items()}
    curves = [result / name for name in (LEARNING_CURVE, HELDOUT_CURVE)]
    kept = [path for path in (*curves, result / FACTS) if path.is_file()]
    try:
        with tempfile.TemporaryDirectory(prefix="astro-curve-") as temporary:
            drawn = Path(temporary) / _DRAWN
            drawn.write_bytes(learning_curve_of(result, facts))
            return run.finish(tags=tags, artifacts=[*kept, drawn])
    except RegistryError as error:
        raise RegistryError(
            f"The training is finished and kept in {result.parent}. {error.found}",
            expected=error.expected,
            do="Once MLflow can be reached, materialise lora_checkpoint again: nothing is trained, "
            f"the result is registered. {error.do}",
        ) from error


def learning_curve_of(folder: Path, facts: Mapping[str, Any]) -> bytes:
    """Return the picture (PNG) of a result's or adapter's learning curve."""
    from astro_assets.evaluation.figures.learning_curve import draw_learning_curve

    curve, heldout = (_lines(folder / name) for name in (LEARNING_CURVE, HELDOUT_CURVE))
    return draw_learning_curve(
        curve,
        heldout,
        title=str(facts["recipe"]["name"]),
        n_tokens_per_epoch=facts["n_tokens_seen"] / facts["n_epochs"],
        base_name=str(facts["base"]["name"]),
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def _kept(result: Path, out: Path, order: Order, run_id: str) -> Built:
    """Give the result its place, linked rather than copied where the disk allows."""
    with atomic.new_folder(out) as folder:
        shutil.copytree(result, folder, copy_function=_link_or_copy, dirs_exist_ok=True)
    built = read_result(out)
    parent = None if order.parent is None else order.parent.version
    told = {"mlflow_run_id": run_id, "parent_version": parent}
    return replace(built, facts={**built.facts, **told})


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def retire(work: Path, checkpoint: Manifest) -> None:
    """Remove the work folder of a training once the manifest of its result is kept.

    The folder of another training under the same key (forced, and not finished yet) stays.
    """
    try:
        run_id = json.loads((work / MLFLOW_NOTE).read_bytes())["run_id"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if run_id is not None and run_id == checkpoint.facts["mlflow_run_id"]:
        atomic.remove_folder(work)


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
    """Register a trained model as ``candidate``; a registered one keeps version and aliases."""
    known = registered_version(tracking, model_name, checkpoint.fingerprint)
    if known is not None:
        # Killed between making a version and naming it, the newest is candidate all the same.
        is_newest = known == versions_of(tracking, model_name)[0]
        is_named = CANDIDATE in known.aliases
        return set_alias(tracking, known, CANDIDATE) if is_newest and not is_named else known
    recipe, parent = checkpoint.parameters["recipe"], checkpoint.parameters.get("parent")
    return register_model(
        tracking,
        ModelFacts(
            base,
            recipe["method"],
            recipe,
            parent=parent and ParentFacts(checkpoint.facts["parent_version"], parent),
            files=checkpoint.files,
        ),
        model_name=model_name,
        folder=adapter_folder,
        base_folder=base_folder,
        fingerprint=checkpoint.fingerprint,
        run_id=checkpoint.facts["mlflow_run_id"],
        tags=identity.tags() | {"recipe": str(recipe["name"])},
    )
