"""What the settings ask of a training, and whether it can be had: its base, its runtime.

Shared by all who must agree on it: the command before anything is made, base_model, and
lora_checkpoint. What a training is made from belongs to ``training_order``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.errors import BadSettingError
from astro_assets.settings import Settings

SCRATCH = "scratch"


def asked_base(settings: Settings, recipe: Any) -> str:
    """Return which base is asked for: the setting, else the recipe's, else the scratch one."""
    return settings.base_model or recipe.base or SCRATCH


def require_base(store: Store, settings: Settings, recipe: Any) -> Manifest:
    """Return the home's base, which is the one asked for.

    Raises:
        MissingArtifactError: base_model was never made.
        BadSettingError: it was made for another base.
    """
    base, asked = store.require("base_model", None), asked_base(settings, recipe)
    if not _is(base, store.path_of(base), asked):
        revision = base.facts["revision"]
        found = f"{base.facts['name']}{'@' + revision if revision else ''}"
        raise BadSettingError(
            f"base_model of this home is {found} ({base.facts['kind']}), and recipe {recipe.name} "
            f"is to be trained on {asked}.",
            expected="the base that the setting base_model names, else the recipe, else scratch.",
            do="Materialise base_model and token_blocks first, with the same recipe and base; or "
            "name the home's base with --base (ASTRO_BASE_MODEL).",
        )
    return base


def _is(base: Manifest, folder: Path, asked: str) -> bool:
    """Return whether a manifest's base is what ``asked`` names; the hub is not asked."""
    from astro_assets.models.base import hub_id

    kind, named = base.facts["kind"], Path(asked).expanduser()
    if asked == SCRATCH or kind == SCRATCH:
        return bool(asked == kind)
    if named.exists() or kind == "path":
        return bool(kind == "path") and named.resolve() == folder.resolve()
    repo, revision = hub_id(asked)
    if repo != base.facts["name"]:
        return False
    return revision in (None, base.facts["revision"]) or _commit(folder, revision) == folder.name


def _commit(folder: Path, revision: str | None) -> str | None:
    """Return the commit that a branch or tag was when it was last fetched, by the hub's cache.

    The cache keeps ``snapshots/COMMIT`` and, beside it, ``refs/NAME`` with the commit in it.
    """
    known = folder.parent.parent / "refs" / (revision or "main")
    return known.read_text().strip() if known.is_file() else None


def runtime_of(settings: Settings) -> Any:
    """Return what the settings say of how a training is run."""
    from astro_assets.training.runtime import Runtime

    return Runtime(
        device=settings.device,
        n_processes=settings.devices,
        threads=settings.threads,
        attention=settings.attention,
        loss=settings.loss,
        recompute=settings.recompute,
        dequantise=settings.dequantise,
        micro_batch=settings.micro_batch,
        checkpoint_minutes=settings.checkpoint_minutes,
    )


def refuse_unmeetable_here(settings: Settings, recipe: Any, *, block_length: int) -> None:
    """Say now what this machine cannot meet, unless the training is done on another.

    Raises:
        BadSettingError: devices, processes, batch, precision or block length.
    """
    if settings.trainer != "here":
        return
    from astro_assets.training.runtime import refuse_unmeetable, this_machine

    refuse_unmeetable(
        recipe, this_machine(settings.device), runtime_of(settings), block_length=block_length
    )
