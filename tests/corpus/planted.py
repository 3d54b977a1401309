"""Paper shards with texts planted by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from astro_assets.artifacts import fingerprint
from astro_assets.corpus.streams import PaperShard

Row = tuple[str, str, str, str | None]
"""Id, side, abstract, excluded_because."""


def paper_shard(
    folder: Path, *, rows: Sequence[Row], month: str = "2020-01", field: str = "astro"
) -> PaperShard:
    """Write a month of papers, named by its content as the warehouse does."""
    frame = pl.DataFrame(
        {
            "id": [row[0] for row in rows],
            "title": [f"Title of {row[0]}" for row in rows],
            "side": [row[1] for row in rows],
            "abstract": [row[2] for row in rows],
            "excluded_because": pl.Series([row[3] for row in rows], dtype=pl.String),
        },
        schema_overrides=dict.fromkeys(("id", "title", "side", "abstract"), pl.String),
    )
    content = fingerprint.of_value(list(rows))
    path = folder / f"{field}-{month}-{content[:16]}.parquet"
    frame.write_parquet(path)
    return PaperShard(field, month, path, content=content, sha256=fingerprint.of_file(path))
