"""Private memory and speed of a snapshot on its way into Parquet.

Run ``python -m bench.snapshot_memory SNAPSHOT``: the whole file flows through the snapshot reader
and ``build_snapshot_papers`` in a process of its own. What is private is RssAnon of
``/proc/PID/status``, read four times a second: what the process itself holds (heap, Arrow, DuckDB),
without the page cache and mapped libraries, which are shared or can be dropped. A library that
spills to disk is not charged for the file, as no process is.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import resource
import shutil
import tempfile
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import duckdb
import pyarrow as pa

from astro_assets.ingest.snapshot import read_batches
from astro_assets.progress import LineProgress
from astro_assets.warehouse.papers import build_snapshot_papers

_EVERY_SECONDS = 0.25
_RSS_ANON = re.compile(r"^RssAnon:\s+(\d+) kB", re.MULTILINE)


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
    """Run the build in a child and print its peak of private memory."""
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=_build, args=(snapshot, out, general_share))
    began = time.monotonic()
    child.start()
    peak = _watch(child)
    seconds = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"peak private memory {peak / 1e6:,.0f} MB (RssAnon every {_EVERY_SECONDS} s), "
        f"{seconds:,.0f} s wall, {used.ru_utime + used.ru_stime:,.0f} s CPU; "
        f"duckdb {duckdb.__version__}, pyarrow {pa.__version__}"
    )
    if child.exitcode:
        raise SystemExit(f"the build ended with {child.exitcode}")


def _watch(child: BaseProcess) -> int:
    """Return the peak of RssAnon in bytes until the child ends, one line a minute."""
    peak = 0
    status = Path(f"/proc/{child.pid}/status")
    while child.is_alive():
        found = _RSS_ANON.search(status.read_text())
        peak = max(peak, int(found[1]) * 1024 if found else 0)
        child.join(_EVERY_SECONDS)
    return peak


def _build(snapshot: Path, out: Path, general_share: float) -> None:
    progress = LineProgress(lambda line: print(line, flush=True))
    began = time.monotonic()
    built = build_snapshot_papers(
        read_batches(snapshot, progress=progress, rows=5_000),  # as the asset does
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
