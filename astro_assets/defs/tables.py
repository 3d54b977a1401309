"""What an asset that is a table shows in Dagster: columns, their lineage, rows, a preview.

Lineage runs from ``token_blocks`` through the tables of papers to the columns of a raw record.
What does not belong here: how lineage is found (``warehouse.lineage``) and what every asset shows
(``metadata``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.defs import markdown
from astro_assets.errors import AstroError
from astro_assets.warehouse.contract import Column

N_PREVIEWED = 5
"""Rows of a preview."""

PREVIEWED = (
    "id", "title", "primary_category", "submission_month", "side", "excluded_because", "abstract"
)  # fmt: skip
"""Columns of a paper table that a preview shows: one row fits a screen."""
_RECORD_PREVIEWED = ("id", "title", "categories", "update_date", "abstract")
_UPDATE_PREVIEWED = ("id", "title", "categories", "datestamp", "abstract")
_STREAM_PREVIEWED = ("field", "side", "month", "n_documents", "n_tokens", "name")

Lineage = Mapping[str, Iterable[tuple[str, str]]]
"""Column -> (source or asset, column) pairs."""

RECORDS_ARE = {"records": "arxiv_snapshot"}
RELEASES_ARE = {
    "snapshot_rows": "snapshot_papers",
    "snapshot_keys": "snapshot_papers",
    "records": "arxiv_updates",
}
"""Source of the SQL project -> asset: for a snapshot's papers, and for a release's tables."""


@dataclass(frozen=True)
class StreamColumn:
    """One column of the streams, and what it is made of in each paper table."""

    column: Column
    of: tuple[str, ...]


_USED = ("excluded_because", "id")
"""Which papers are documents, and their order."""
STREAM_COLUMNS = (
    StreamColumn(Column("field", "VARCHAR", "astro or general, by the table"), ("is_astro",)),
    StreamColumn(Column("side", "VARCHAR", "train or test"), ("side",)),
    StreamColumn(Column("month", "VARCHAR", "YYYY-MM of submission"), ("submission_month",)),
    StreamColumn(Column("n_documents", "BIGINT", "papers whose text is used"), _USED),
    StreamColumn(Column("n_tokens", "BIGINT", "of all documents"), ("abstract", *_USED)),
    StreamColumn(
        Column("tokens", "INTEGER[]", "[BOS] abstract [EOS] of each document, end to end; uint16 "
               "or uint32 by vocabulary; blocks are cut from them in month order"),
        ("abstract", *_USED),
    ),
    StreamColumn(
        Column("offsets", "BIGINT[]", "where each document begins, and the end of the last"),
        ("abstract", *_USED),
    ),
    StreamColumn(
        Column("texts", "BLOB[]", "sha256 of each document's text"), ("text_sha256", *_USED)
    ),
)  # fmt: skip
"""One row is the stream of a field, side and month."""


def shown(store: Store, manifest: Manifest) -> dict[str, Any]:
    """Return what a table's asset shows; nothing for an asset that is none."""
    show = _SHOW.get(manifest.asset)
    return show(store, manifest) if show else {}


def column_schema(columns: Iterable[Column]) -> dict[str, Any]:
    """Return declared columns as Dagster shows them."""
    return {
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn(
                    name=c.name,
                    type=c.type,
                    description=c.description,
                    constraints=dg.TableColumnConstraints(nullable=c.nullable, other=_others(c)),
                )
                for c in columns
            ]
        )
    }


def column_lineage(lineage: Lineage, assets: Mapping[str, str]) -> dict[str, Any]:
    """Return column lineage as Dagster shows it; ``assets`` says which asset a source is."""
    deps = {}
    for name, of in lineage.items():
        known = dict.fromkeys((assets[source], column) for source, column in of if source in assets)
        deps[name] = [dg.TableColumnDep(asset_key=a, column_name=column) for a, column in known]
    return {"dagster/column_lineage": dg.TableColumnLineage(deps_by_column=deps)}


def _others(column: Column) -> list[str]:
    said = [f"one of {', '.join(map(str, column.accepted))}"] if column.accepted else []
    return [*said, f"matches {column.pattern}"] if column.pattern else said


def _paper_table(store: Store, manifest: Manifest) -> dict[str, Any]:
    from astro_assets.warehouse.contracts import CONTRACTS

    assets = RECORDS_ARE if manifest.asset == "snapshot_papers" else RELEASES_ARE
    shards = manifest.facts["shards"]
    # the newest month, of the astro papers where both are there
    newest = max(shards, key=lambda s: (s["table"] == "astro", s["month"]), default=None)
    path = store.path_of(manifest) / newest["file"] if newest else None
    return (
        column_schema(CONTRACTS[manifest.asset].columns)
        | column_lineage(manifest.facts["column_lineage"], assets)
        | _rows(sum(shard["n_rows"] for shard in shards))
        | _preview(lambda: _first_rows(path) if path else [], PREVIEWED)
    )


def _snapshot(store: Store, manifest: Manifest) -> dict[str, Any]:
    from astro_assets.warehouse.inputs import RECORD_COLUMNS

    return (
        column_schema(RECORD_COLUMNS)
        | _rows(manifest.counts["n_records"])
        | _preview(lambda: _first_records(store.path_of(manifest)), _RECORD_PREVIEWED)
    )


def _updates(store: Store, manifest: Manifest) -> dict[str, Any]:
    from astro_assets.warehouse.inputs import RECORD_COLUMNS

    shown = column_schema(RECORD_COLUMNS) | _rows(manifest.counts["n_records"])
    windows = manifest.facts["windows"]
    if windows:
        # in the order they were completed
        newest = store.path_of(manifest) / windows[-1]
        shown |= _preview(lambda: _first_harvested(newest), _UPDATE_PREVIEWED)
    return shown


def _streams(store: Store, manifest: Manifest) -> dict[str, Any]:
    del store
    lineage = {
        s.column.name: [
            (table, name) for table in ("astro_ph_papers", "general_papers") for name in s.of
        ]
        for s in STREAM_COLUMNS
    }
    tables = {name: name for of in lineage.values() for name, _ in of}
    streams = manifest.facts["streams"]
    newest_first = sorted(streams, key=lambda s: s["month"], reverse=True)
    return (
        column_schema(s.column for s in STREAM_COLUMNS)
        | column_lineage(lineage, tables)
        | _rows(len(streams))
        | _preview(lambda: newest_first[:N_PREVIEWED], _STREAM_PREVIEWED)
    )


_SHOW: Mapping[str, Callable[[Store, Manifest], dict[str, Any]]] = {
    "arxiv_snapshot": _snapshot,
    "arxiv_updates": _updates,
    "snapshot_papers": _paper_table,
    "astro_ph_papers": _paper_table,
    "general_papers": _paper_table,
    "token_blocks": _streams,
}


def _rows(n_rows: int) -> dict[str, Any]:
    return {"dagster/row_count": n_rows}


def _preview(
    read: Callable[[], Sequence[Mapping[str, Any]]], columns: Sequence[str]
) -> dict[str, Any]:
    """Return the first rows; what cannot be read is said, and is the checks' to judge."""
    try:
        text = markdown.table(read(), columns)
    except (AstroError, OSError, ValueError) as error:
        text = markdown.cell(f"No preview: {error}", max_characters=300)
    return {"preview": dg.MetadataValue.md(text)}


def _first_rows(path: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        batches = file.iter_batches(N_PREVIEWED, columns=list(PREVIEWED), use_threads=False)
        rows: list[dict[str, Any]] = next(batches).to_pylist()
    return rows


def _first_records(path: Path) -> list[dict[str, Any]]:
    from astro_assets.ingest.snapshot import read_batches
    from astro_assets.progress import NO_PROGRESS

    batches = read_batches(path, progress=NO_PROGRESS, rows=N_PREVIEWED)
    try:
        rows: list[dict[str, Any]] = next(batches).to_pylist()
    finally:
        batches.close()  # type: ignore[attr-defined]
    return rows


def _first_harvested(window: Path) -> list[dict[str, Any]]:
    """Return the first records of a harvest; one page of it is read, the others are not."""
    from astro_assets.ingest.oai_held import read_records
    from astro_assets.ingest.records import to_batch

    records = next(read_records(window), [])
    rows: list[dict[str, Any]] = to_batch(records[:N_PREVIEWED]).to_pylist()
    return rows
