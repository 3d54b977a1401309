"""Private memory and speed of a snapshot on its way into Parquet.

Run ``python -m bench.snapshot_memory SNAPSHOT``: the whole file flows through the snapshot reader
and ``build_snapshot_papers`` in a process of its own. What is private is RssAnon of
``/proc/PID/status`` (heap, Arrow, DuckDB) and the files it keeps in memory alone (parts of what is
inflated), read twenty times a second; not the page cache and mapped files, which can be dropped.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import duckdb
import pyarrow as pa

from astro_assets.progress import LineProgress
from astro_assets.warehouse.papers import build_snapshot_papers
from bench.cost import cost_of


def main() -> None:
    """Measure and print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("snapshot", type=Path)
    parser.add_argument("--general-share", type=float, default=0.05)
    parser.add_argument("--folder", type=Path, help="where to write; default: a temporary folder")
    given = parser.parse_args()
    out = Path(tempfile.mkdtemp(prefix="snapshot_memory.", dir=given.folder))
    try:
        measure(given.snapshot, out, given.general_share)
    finally:
        shutil.rmtree(out)


def measure(snapshot: Path, out: Path, general_share: float) -> None:
    """Run the build in a process of its own and print its peak of private memory."""
    cost = cost_of(_build, snapshot, out, general_share)
    print(
        f"peak private memory {cost.private_bytes / 1e6:,.0f} MB, {cost.wall_seconds:,.0f} s wall, "
        f"{cost.cpu_seconds:,.0f} s CPU; duckdb {duckdb.__version__}, pyarrow {pa.__version__}"
    )


def _build(snapshot: Path, out: Path, general_share: float) -> None:
    progress = LineProgress(lambda line: print(line, flush=True))
    began = time.monotonic()
    built = build_snapshot_papers(
        snapshot,
        out,
        general_share=general_share,
        salt="astro-assets",
        progress=progress,
    )
    n_records = built.counts["n_records_in"]
    print(
        f"{n_records:,} records, {n_records / (time.monotonic() - began):,.0f} records/s; "
        f"{built.counts['n_astro']:,} astro and {built.counts['n_general_kept']:,} general kept"
    )


if __name__ == "__main__":
    main()
