"""Manifests as Dagster metadata: counts, where it lies, what it was made from."""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from astro_assets.artifacts.manifest import Manifest, Store

STATUS = "status"
"""Metadata key: ``made`` or ``reused``."""


def of_manifest(store: Store, manifest: Manifest, *, reused: bool) -> dict[str, Any]:
    """Return the metadata every asset shows."""
    metadata: dict[str, Any] = {
        STATUS: "reused" if reused else "made",
        "path": dg.MetadataValue.path(str(store.path_of(manifest))),
        "key": manifest.key[:16],
        "made_at": manifest.made_at,
    }
    metadata |= {name: dg.MetadataValue.int(count) for name, count in manifest.counts.items()}
    if manifest.parameters:
        metadata["parameters"] = dg.MetadataValue.json(manifest.parameters)
    row_count = manifest.counts.get("n_rows", manifest.counts.get("papers"))
    if row_count is not None:
        metadata["dagster/row_count"] = row_count
    return metadata


def column_schema(columns: Iterable[Any]) -> dict[str, Any]:
    """Return a table's declared columns (name, type, description) as Dagster shows them."""
    return {
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn(name=c.name, type=c.type, description=c.description) for c in columns
            ]
        )
    }


def column_lineage_of(
    lineage: Mapping[str, Iterable[Iterable[str]]], assets: Mapping[str, str]
) -> dict[str, Any]:
    """Return column -> (source, column) pairs as Dagster shows them."""
    deps = {
        name: [
            dg.TableColumnDep(asset_key=assets[source], column_name=column)
            for source, column in of
            if source in assets
        ]
        for name, of in lineage.items()
    }
    return {"dagster/column_lineage": dg.TableColumnLineage(deps_by_column=deps)}
