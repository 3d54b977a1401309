"""The champion that a training starts from: chosen once, and remembered before training begins.

A champion may be replaced while its child is trained. What is gone on with after a kill must be the
same training, so the choice is kept beside the trainings, by what is trained on what. What does not
belong here: who is champion (``champion``), and loading weights (``training``).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from astro_assets.artifacts import atomic
from astro_assets.errors import BadSettingError, DamagedArtifactError, RegistryError
from astro_assets.registry.base_facts import ParentFacts
from astro_assets.registry.champion import Parent, parent_of
from astro_assets.registry.download import download_model, refuse_damaged
from astro_assets.registry.tracking import Tracking
from astro_assets.registry.versions import find_version
from astro_assets.training.recipe import Recipe

_DO = "Train with init_from: base, or with the champion's recipe."


@dataclass(frozen=True)
class Nursery:
    """Where parents come from, and where the choice is kept."""

    tracking: Tracking
    model_name: str
    download_to: Path
    notes: Path
    """Folder of one note per training that starts from a champion."""


def chosen_parent(
    nursery: Nursery, recipe: Recipe, *, base_digest: str, identity: str, afresh: bool
) -> ParentFacts | None:
    """Return the parent of a training, or None where there was no champion: it starts from base.

    Args:
        nursery: Where to look.
        recipe: How the child is trained; ``init_from`` is ``champion``.
        base_digest: Of the base the child is trained on.
        identity: What is trained on what; equal, the earlier choice stands.
        afresh: Choose the present champion, whatever was chosen before.

    Raises:
        BadSettingError: the champion stands on another base, or is of another shape.
        RegistryError: MLflow cannot be reached.
    """
    note = nursery.notes / f"parent-{identity[:16]}.json"
    if not afresh and note.is_file():
        return _read(note)
    found = parent_of(nursery.tracking, nursery.model_name, download_to=nursery.download_to)
    if found is not None:
        _refuse_misfit(found, recipe, base_digest)
    chosen = None if found is None else found.facts
    document = None if chosen is None else asdict(chosen)
    atomic.write_text(note, json.dumps({"parent": document}) + "\n", durable=True)
    return chosen


def folder_of(nursery: Nursery, parent: ParentFacts) -> Path:
    """Return where a chosen parent's files lie, every one of them read.

    Raises:
        RegistryError: the version is gone, or holds something else now.
        DamagedArtifactError: a file is not what was registered.
    """
    version = find_version(nursery.tracking, nursery.model_name, version=parent.version)
    if version.fingerprint != parent.fingerprint:
        raise RegistryError(
            f"{version.uri} holds {str(version.fingerprint)[:12]}…; a training that starts from "
            f"{parent.fingerprint[:12]}… was begun.",
            do="Materialise lora_checkpoint with --force to start from the present champion.",
        )
    found = download_model(nursery.tracking, version, nursery.download_to)
    refuse_damaged(version, found)
    return found.folder


def _refuse_misfit(parent: Parent, recipe: Recipe, base_digest: str) -> None:
    """Raise unless the parent's weights can be gone on with."""
    theirs: dict[str, Any] = {"base": parent.base_digest[:16], "method": parent.method}
    ours: dict[str, Any] = {"base": base_digest[:16], "method": recipe.method}
    if recipe.method != "full" and parent.method == recipe.method:
        theirs |= _shape_of(parent.folder)
        ours |= {
            "rank": recipe.rank,
            "alpha": recipe.alpha,
            "target_modules": sorted(recipe.target_modules or ()),
        }
    for name, value in ours.items():
        if theirs[name] != value:
            raise BadSettingError(
                f"Recipe {recipe.name} starts from the champion, version {parent.version}, whose "
                f"{name} is {theirs[name]}; the recipe's is {value}.",
                expected="a champion on the same base, with the same method and shape.",
                do=_DO,
            )


def _shape_of(folder: Path) -> dict[str, Any]:
    """Return rank, alpha and modules of an adapter, as its own configuration has them."""
    path = folder / "adapter_config.json"
    try:
        config = json.loads(path.read_bytes())
        return {
            "rank": config["r"],
            "alpha": config["lora_alpha"],
            "target_modules": sorted(config["target_modules"]),
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedArtifactError(f"{path} is no adapter's configuration ({error}).") from error


def _read(note: Path) -> ParentFacts | None:
    try:
        document = json.loads(note.read_bytes())["parent"]
        return None if document is None else ParentFacts(**document)
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedArtifactError(
            f"{note} does not say which champion a training starts from ({error}).",
            do="Materialise lora_checkpoint with --force to start from the present champion.",
        ) from error
