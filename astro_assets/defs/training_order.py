"""What lora_checkpoint asks of a trainer: its key's parts, and its work folder written.

What does not belong here: running it (``registry.checkpoint``), and what the asset shows
(``training_figures``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from astro_assets.artifacts import fingerprint
from astro_assets.artifacts.manifest import Manifest
from astro_assets.defs.adapter import tracking_of
from astro_assets.defs.asked import refuse_unmeetable_here, require_base, runtime_of
from astro_assets.defs.resources import Workspace

HELDOUT, REPLAY = "heldout.npz", "replay.npy"


@dataclass(frozen=True)
class Wanted:
    """The training of a release that the settings ask for."""

    workspace: Workspace
    release: str
    recipe: Any
    base: Manifest
    tokens: Manifest
    parent: Any
    """The champion it starts from (``ParentFacts``), or None."""

    @classmethod
    def of(cls, workspace: Workspace, release: str) -> Wanted:
        """Return it, the champion it may start from chosen or remembered.

        Raises:
            MissingArtifactError: base, blocks or near copies were never made.
            BadSettingError: the recipe, the base, the tokenizer or the champion does not fit.
        """
        from astro_assets.corpus.tokenizer import refuse_other_tokenizer
        from astro_assets.training.recipe import load_recipe

        store, recipe = workspace.store, load_recipe(workspace.settings.recipe)
        base = require_base(store, workspace.settings, recipe)
        tokens = store.require("token_blocks", release)
        refuse_other_tokenizer(tokens.facts["tokenizer"], store.path_of(base), release)
        parent = _parent(workspace, recipe, base, tokens)
        return cls(workspace, release, recipe, base, tokens, parent)

    @property
    def is_from_champion(self) -> bool:
        """Whether the recipe asks to start from the champion."""
        return bool(self.recipe.init_from == "champion")

    @cached_property
    def parents(self) -> list[Manifest]:
        """Return what the training is made from; held-out papers only where they may end it."""
        made_from = [self.base, self.tokens]
        if self.recipe.early_stopping is not None:
            from astro_assets.releases.held_out import TABLES, left_out

            store = self.workspace.store
            copies = left_out(store, self.release, self.workspace.settings)
            made_from += [store.require(table, self.release) for table in TABLES.values()]
            made_from += copies.parents
        return made_from

    @property
    def parameters(self) -> dict[str, Any]:
        """Return what else the result depends on."""
        parameters: dict[str, Any] = {"recipe": self.recipe.as_dict()}
        if self.is_from_champion:
            parameters["parent"] = self.parent and self.parent.fingerprint
        if self.recipe.early_stopping is not None:
            parameters["max_heldout_tokens"] = self._max_heldout_tokens
            parameters["near_copies"] = self.workspace.settings.near_copies
        return parameters

    @property
    def _max_heldout_tokens(self) -> int:
        """How much is measured while training: the key says this, not a setting above it."""
        setting: int = self.workspace.settings.max_eval_tokens
        return min(setting, self.recipe.heldout_tokens)

    def order(self, key: str, dagster_run_id: str) -> Any:
        """Return the order with its work folder written; a finished one is left as it is.

        Raises:
            BadSettingError: this machine cannot meet the recipe, and is to train it.
        """
        from astro_assets.registry.checkpoint import Identity, Order
        from astro_assets.training.job import JOB, RESULT, read_job, write_job

        work = self.workspace.home.trainings / key
        if (work / RESULT).is_dir():
            job = read_job(work / JOB)
        else:
            # Here, not before: what is trained already is reused on any machine.
            length = self.tokens.facts["block_length"]
            refuse_unmeetable_here(self.workspace.settings, self.recipe, block_length=length)
            work.mkdir(parents=True, exist_ok=True)
            job = self._job(work)
            write_job(job, work)
        return Order(
            job,
            work,
            Identity(self.release, dagster_run_id, _fingerprints(self.parents)),
            is_here=self.workspace.settings.trainer == "here",
            parent=self.parent,
        )

    def identity(self, dagster_run_id: str) -> Any:
        """Return where the checkpoint comes from, for the registry's tags."""
        from astro_assets.registry.checkpoint import Identity

        return Identity(self.release, dagster_run_id, _fingerprints(self.parents))

    def _job(self, work: Path) -> Any:
        from astro_assets.training.job import BlockFiles, TrainingJob

        store = self.workspace.store
        # Their own checks ran when they were made; what rotted since must not be trained on.
        store.verify(self.base)
        store.verify(self.tokens)
        blocks = self._blocks()
        return TrainingJob(
            name=f"{self.recipe.name}, release {self.release}",
            base=base_of(self.workspace, self.base),
            blocks=BlockFiles.of(blocks),
            recipe=self.recipe,
            runtime=runtime_of(self.workspace.settings),
            replay=self._replay(blocks, work),
            heldout=self._heldout(work),
            parent=self._folder_of_parent(),
            parent_fingerprint=self.parent and self.parent.fingerprint,
            home=self.workspace.home.root,
        )

    def _blocks(self) -> Any:
        from astro_assets.corpus.streams import open_blocks

        folder = self.workspace.store.path_of(self.tokens)
        return open_blocks(self.tokens.facts, folder, field="astro", side="train")

    def _replay(self, blocks: Any, work: Path) -> Any:
        """Write what is replayed: enough for the whole training, or all there is."""
        if not self.recipe.replay_fraction:
            return None
        from astro_assets.corpus.replay import write_replay
        from astro_assets.training.job import BlockFiles

        length = blocks.block_length
        planned = self.recipe.optimisation(n_blocks=len(blocks), block_length=length)
        n_blocks = round(planned.n_steps * self.recipe.batch * self.recipe.replay_fraction) + 1
        stream = write_replay(
            self.tokens.facts,
            self.workspace.store.path_of(self.tokens),
            work / REPLAY,
            n_tokens=n_blocks * length,
            seed=self.recipe.seed,
        )
        return BlockFiles((stream,), length)

    def _heldout(self, work: Path) -> Path:
        """Write the held-out papers, unless this training is measured on some already."""
        from astro_assets.corpus.tokenizer import Tokenizer
        from astro_assets.evaluation.heldout import write_heldout
        from astro_assets.releases.held_out import TABLES, left_out, texts_of

        path = work / HELDOUT
        if path.is_file():
            return path
        store, settings = self.workspace.store, self.workspace.settings
        write_heldout(
            path,
            texts={
                field: texts_of(store, store.require(table, self.release), "test")
                for field, table in TABLES.items()
            },
            tokenizer=Tokenizer.load(store.path_of(self.base)),
            max_tokens=self._max_heldout_tokens,
            max_positions=self.base.facts["max_positions"],
            near_copies=left_out(store, self.release, settings).ids,
        )
        return path

    def _folder_of_parent(self) -> Path | None:
        from astro_assets.registry.parent import folder_of

        return None if self.parent is None else folder_of(_nursery(self.workspace), self.parent)


def base_of(workspace: Workspace, manifest: Manifest) -> Any:
    """Return the base model a manifest describes."""
    from dataclasses import fields

    from astro_assets.models.base import BaseModel

    names = [field.name for field in fields(BaseModel) if field.name != "folder"]
    known = {name: manifest.facts[name] for name in names}
    return BaseModel(folder=workspace.store.path_of(manifest), **known)


def _fingerprints(parents: list[Manifest]) -> dict[str, str]:
    return {parent.asset: parent.fingerprint for parent in parents}


def _parent(workspace: Workspace, recipe: Any, base: Manifest, tokens: Manifest) -> Any:
    if recipe.init_from != "champion":
        return None
    from astro_assets.registry.parent import chosen_parent

    settings = workspace.settings
    made_from = [recipe.as_dict(), base.fingerprint, tokens.fingerprint, settings.model_name]
    return chosen_parent(
        _nursery(workspace),
        recipe,
        base_digest=base.fingerprint,
        identity=fingerprint.of_value(made_from),
        afresh=settings.force,
    )


def _nursery(workspace: Workspace) -> Any:
    from astro_assets.registry.parent import Nursery

    home = workspace.home
    return Nursery(
        tracking_of(workspace),
        workspace.settings.model_name,
        home.bases / "downloaded",
        home.trainings,
    )
