"""A release's papers as evaluations read them: their texts, and which of them are left out.

What does not belong here: which of them a report takes (``evaluation.selection``).
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.corpus.streams import paper_shards
from astro_assets.corpus.texts import Side, read_texts
from astro_assets.errors import DamagedArtifactError
from astro_assets.settings import Settings

TABLES = {"astro": "astro_ph_papers", "general": "general_papers"}
"""Field -> the asset that holds its papers."""


@dataclass(frozen=True)
class LeftOut:
    """Which test papers the evaluations of a release leave out, and who says so."""

    parents: tuple[Manifest, ...]
    """For the work's key."""
    ids: dict[str, list[str]] | None
    """Field -> ids; None: nothing is left out."""

    @property
    def astro(self) -> list[str] | None:
        """Return the ids of the field that most reports are about."""
        return self.ids["astro"] if self.ids is not None else None


def left_out(store: Store, release: str, settings: Settings) -> LeftOut:
    """Return what the setting ``near_copies`` says, of the papers the release holds now.

    Raises:
        MissingArtifactError: near copies were never looked for.
        DamagedArtifactError: they were looked for in other papers than the release's present ones.
    """
    if settings.near_copies == "keep":
        return LeftOut((), None)
    found = store.require("near_copies", release)
    for name in TABLES.values():
        if found.parents[name] != store.require(name, release).fingerprint:
            raise DamagedArtifactError(
                f"near_copies, release {release} was made of another state of {name}.",
                do=f"Materialise near_copies, release {release} again.",
            )
    return LeftOut((found,), found.facts["near_copies"])


def texts_of(store: Store, table: Manifest, side: Side | None) -> pl.DataFrame:
    """Return a table's papers of one side, or of both, every shard's bytes compared first.

    Raises:
        DamagedArtifactError: a shard is gone or its bytes changed.
    """
    store.verify(table)
    shards = paper_shards({"": store.as_built(table)})
    return read_texts([shard.path for shard in shards], side=side)
