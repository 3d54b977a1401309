"""Manifests as Dagster metadata: counts, where it lies, what it was made from."""

from typing import Any

import dagster as dg

from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.defs import tables

STATUS = "status"
"""Metadata key: ``made`` or ``reused``."""


def of_manifest(store: Store, manifest: Manifest, *, reused: bool) -> dict[str, Any]:
    """Return the metadata every asset shows, and what a table shows besides."""
    metadata: dict[str, Any] = {
        STATUS: "reused" if reused else "made",
        "path": dg.MetadataValue.path(str(store.path_of(manifest))),
        "key": manifest.key[:16],
        "made_at": manifest.made_at,
    }
    metadata |= {name: dg.MetadataValue.int(count) for name, count in manifest.counts.items()}
    if manifest.parameters:
        metadata["parameters"] = dg.MetadataValue.json(manifest.parameters)
    return metadata | tables.shown(store, manifest)
