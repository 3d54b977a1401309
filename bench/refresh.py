"""What a monthly refresh costs against a full rebuild, in CPU seconds of the domain functions.

Run ``python -m bench.refresh SNAPSHOT [--edited-months N]`` on a snapshot whose newest month is
2026-06 (``synthetic:400000`` of the package's generator). One run measures both sides:

- refresh: the snapshot without its newest month is held and release 2026-05 is made. Measured is
  release 2026-06 from a month's OAI-PMH pages: the window's rows, both tables, token streams.
- rebuild: a fresh home reads a snapshot that holds all of it already. Measured is release 2026-06
  from nothing: the snapshot's papers, both tables, token streams.

The month's changes are its new papers and edits of 1 % of the others, over the N months before it
(6: revisions as they mostly come; 59: not one month is left as it was). At the end every shard and
stream of the release is compared by name and bytes.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from astro_assets.artifacts import fingerprint
from astro_assets.artifacts.manifest import Built
from astro_assets.artifacts.proofs import Proofs
from astro_assets.corpus.streams import PaperShard, build_token_blocks
from astro_assets.corpus.texts import read_texts
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.ingest.oai_xml import parse_page
from astro_assets.ingest.records import to_batch
from astro_assets.months import Month
from astro_assets.progress import NO_PROGRESS
from astro_assets.training.scratch_tokenizer import train_tokenizer
from astro_assets.warehouse.papers import (
    Rules,
    build_release_table,
    build_snapshot_papers,
    build_window_rows,
)
from astro_assets.warehouse.snapshot_papers import SnapshotPapers
from bench.month_of_changes import Changes, make_changes

NEWEST = Month(2026, 6)
SALT, SHARE = "astro-assets", 1.0
TABLES = {"astro": "astro_ph_papers", "general": "general_papers"}


@dataclass
class Home:
    """One home's folder, what was made in it, and what each stage cost."""

    root: Path
    snapshot: Built | None = None
    tables: dict[str, Built] = field(default_factory=dict)
    blocks: Built | None = None
    cpu_seconds: dict[str, float] = field(default_factory=dict)

    def proofs(self, name: str) -> Proofs:
        """Return what is on record of one of the home's folders."""
        return Proofs(self.root / name, self.root / "proofs" / f"{name}.json")

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the CPU seconds of this process (all threads) to a stage."""
        began = time.process_time()
        yield
        self.cpu_seconds[name] = self.cpu_seconds.get(name, 0.0) + time.process_time() - began


def read_snapshot(home: Home, path: Path) -> None:
    """Make the snapshot's papers."""
    with home.stage("snapshot papers"):
        home.snapshot = build_snapshot_papers(
            path,
            home.root / "snapshot",
            general_share=SHARE,
            salt=SALT,
            progress=NO_PROGRESS,
        )


def make_release(
    home: Home, release: Month, tokenizer: Tokenizer, pages: tuple[Path, ...] = ()
) -> None:
    """Make both tables and the streams of a release; ``pages`` are its one window."""
    rules, windows = Rules(SALT, SHARE), [home.root / "window.parquet"] if pages else []
    for window in windows:
        with home.stage("window"):
            batches = (to_batch(parse_page(page.read_bytes()).records) for page in pages)
            build_window_rows(batches, window, rules=rules, progress=NO_PROGRESS)
    assert home.snapshot is not None
    for name in TABLES.values():
        with home.stage(name):
            home.tables[name] = build_release_table(
                name,  # type: ignore[arg-type]
                SnapshotPapers(
                    home.snapshot.path, home.snapshot.facts["shards"], home.snapshot.files
                ),
                windows,
                release=release,
                out=home.root / name,
                rules=rules,
                progress=NO_PROGRESS,
                proofs=home.proofs(name),
            )
    with home.stage("token streams"):
        home.blocks = build_token_blocks(
            [
                PaperShard(
                    field_,
                    s["month"],
                    home.tables[name].path / s["file"],
                    s["content"],
                    home.tables[name].files[s["file"]],
                )
                for field_, name in TABLES.items()
                for s in home.tables[name].facts["shards"]
            ],
            tokenizer,
            home.root / "tokens",
            block_length=512,
            progress=NO_PROGRESS,
            proofs=home.proofs("tokens"),
        )


def make_tokenizer(home: Home, folder: Path) -> Tokenizer:
    """Train a small tokenizer on a few months of general papers."""
    assert home.snapshot is not None
    general = [s["file"] for s in home.snapshot.facts["shards"] if s["table"] == "general"]
    texts = read_texts([home.snapshot.path / file for file in general[:4]], side="train")
    folder.mkdir()
    train_tokenizer(texts["text"].to_list(), folder, n_vocab=4096, max_positions=512)
    return Tokenizer.load(folder)


def files_of(home: Home) -> dict[str, str]:
    """Return path below the home -> sha256 of every shard and stream of the release, as read."""
    assert home.blocks is not None
    return {
        f"{built.path.name}/{file}": fingerprint.of_file(built.path / file)
        for built in [*home.tables.values(), home.blocks]
        for file in built.files
    }


def report(refresh: Home, rebuild: Home, before: set[str]) -> None:
    """Print CPU seconds by stage, what was shared and written, and whether the bytes are equal."""
    print(f"{'stage':16} {'rebuild':>8} {'refresh':>8}   CPU seconds")
    for stage in ("window", "snapshot papers", *TABLES.values(), "token streams"):
        pair = [home.cpu_seconds.get(stage, 0.0) for home in (rebuild, refresh)]
        print(f"{stage:16} {pair[0]:8.2f} {pair[1]:8.2f}")
    total = [sum(home.cpu_seconds.values()) for home in (rebuild, refresh)]
    print(f"{'all':16} {total[0]:8.2f} {total[1]:8.2f}   ratio {total[1] / total[0]:.3f}")
    made, fresh = files_of(refresh), files_of(rebuild)
    for kind, part in (("shards", "_papers/"), ("streams", "/tokens.npy")):
        names = {name for name in made if part in name}
        print(f"{kind}: {len(names & before)} shared with 2026-05, {len(names - before)} written")
    print("byte-identical to the rebuild:", made == fresh, f"({len(fresh)} files)")


def main() -> None:
    """Measure both sides and print the table."""
    parser = argparse.ArgumentParser(description="Monthly refresh against full rebuild.")
    parser.add_argument("snapshot", type=Path)
    parser.add_argument("--edited-share", type=float, default=0.01)
    parser.add_argument("--edited-months", type=int, default=6)
    parser.add_argument("--folder", type=Path, help="where to write; default: a temporary folder")
    given = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="refresh.", dir=given.folder))
    try:
        changes = make_changes(
            given.snapshot,
            root / "changes",
            NEWEST,
            edited_share=given.edited_share,
            edited_months=given.edited_months,
        )
        print(
            f"{changes.n_before:,} papers before, {changes.n_new:,} new, {changes.n_edited:,} "
            f"edited in {len(changes.edited_months)} months",
            flush=True,
        )
        measure(root, changes)
    finally:
        shutil.rmtree(root)


def measure(root: Path, changes: Changes) -> None:
    """Make release 2026-06 on both sides and report."""
    refresh, rebuild = Home(root / "refresh"), Home(root / "rebuild")
    read_snapshot(refresh, changes.before)
    tokenizer = make_tokenizer(refresh, root / "tokenizer")
    make_release(refresh, NEWEST.plus(-1), tokenizer)
    before = set(files_of(refresh))
    refresh.cpu_seconds.clear()
    make_release(refresh, NEWEST, tokenizer, changes.pages)
    read_snapshot(rebuild, changes.after)
    make_release(rebuild, NEWEST, tokenizer)
    report(refresh, rebuild, before)


if __name__ == "__main__":
    main()
