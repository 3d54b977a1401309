"""A release once more: the same stages, the parameters its manifests recorded, another folder.

What does not belong here: judging what came out (``verify``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from astro_assets.artifacts.manifest import Built, Manifest, Store
from astro_assets.corpus.near_copies import build_near_copies
from astro_assets.corpus.streams import build_token_blocks, paper_shards
from astro_assets.ingest.oai_held import read_window
from astro_assets.months import Month
from astro_assets.progress import Progress
from astro_assets.releases.origin import Origin, tokenizer_of
from astro_assets.warehouse.counts import TableName
from astro_assets.warehouse.papers import (
    Rules,
    build_release_table,
    build_snapshot_papers,
    build_window_rows,
)
from astro_assets.warehouse.snapshot_papers import SnapshotPapers


def rebuild(
    store: Store, origin: Origin, raw: Manifest | None, scratch: Path, *, progress: Progress
) -> Iterator[tuple[Manifest, Built]]:
    """Make a release again below ``scratch``; yield each stage's manifest and what came out now.

    Args:
        store: The home's manifests; nothing is written to it.
        origin: What the release was made from.
        raw: The raw snapshot; None starts from the kept snapshot_papers.
        scratch: An empty folder.
        progress: Told by each stage.

    Raises:
        MissingArtifactError, DamagedArtifactError: something it was made from cannot be read.
    """
    read = None
    if raw is not None:
        read = _snapshot_papers(store, origin, raw, out=scratch / "snapshot", progress=progress)
        yield origin.papers, read
    tables: dict[str, Built] = {}
    for field, table in (("astro", origin.astro), ("general", origin.general)):
        if table is not None:
            papers = _papers(store, origin, read)
            out = scratch / table.asset
            tables[field] = _table(store, origin, table, papers, out=out, progress=progress)
            yield table, tables[field]
    if origin.blocks is not None and len(tables) == 2:
        yield (
            origin.blocks,
            build_token_blocks(
                paper_shards(tables),
                tokenizer_of(store, origin.blocks),
                scratch / "tokens",
                block_length=origin.blocks.parameters["block_length"],
                progress=progress,
            ),
        )
    if origin.near_copies is not None and len(tables) == 2:
        shards, out = paper_shards(tables), scratch / "near_copies"
        release = str(origin.near_copies.release)
        yield (
            origin.near_copies,
            build_near_copies(shards, out, release=release, progress=progress),
        )


def _snapshot_papers(
    store: Store, origin: Origin, raw: Manifest, *, out: Path, progress: Progress
) -> Built:
    return build_snapshot_papers(
        store.path_of(raw),
        out,
        general_share=origin.papers.parameters["general_share"],
        salt=origin.papers.parameters["salt"],
        progress=progress,
    )


def _papers(store: Store, origin: Origin, read: Built | None) -> SnapshotPapers:
    """Return the snapshot's papers: those just made, or those the home keeps."""
    if read is not None:
        return SnapshotPapers(read.path, read.facts["shards"], read.files)
    return SnapshotPapers.of(store, origin.papers)


def _table(
    store: Store,
    origin: Origin,
    table: Manifest,
    papers: SnapshotPapers,
    *,
    out: Path,
    progress: Progress,
) -> Built:
    windows = store.path_of(origin.updates)
    name: TableName = "astro_ph_papers" if table.asset == "astro_ph_papers" else "general_papers"
    rules = Rules(
        salt=origin.papers.parameters["salt"],
        general_share=origin.papers.parameters["general_share"],
        category_rule=table.parameters["category_rule"],
    )
    rows = []
    for window in origin.updates.facts["windows"]:
        # from the pages, not from the rows kept beside them: those are to be right as well
        rows.append(out.parent / "windows" / f"{window}.parquet")
        if not rows[-1].is_file():  # the other table of the release has them made
            records = read_window(windows / window)
            build_window_rows(records, rows[-1], rules=rules, progress=progress)
    return build_release_table(
        name,
        papers,
        rows,
        release=Month.parse(table.parameters["release"]),
        out=out,
        rules=rules,
        progress=progress,
    )
