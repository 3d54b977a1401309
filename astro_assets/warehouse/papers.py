"""The three builds: all papers of a snapshot, the rows of a window, and one table of a release.

All run the same SQL models. A snapshot's papers are the release that has no end and no windows. A
window's records are typed and hashed once, however many releases they are in. A release reads the
snapshot's key columns and its windows' rows, judges every paper anew, and fetches and writes full
rows only for months whose content is not on disk yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from astro_assets.artifacts import atomic
from astro_assets.artifacts.manifest import Built
from astro_assets.artifacts.proofs import Proofs
from astro_assets.errors import BadSettingError, BadSnapshotError, EmptyCorpusError
from astro_assets.months import Month
from astro_assets.progress import Progress
from astro_assets.warehouse import counts
from astro_assets.warehouse.contracts import SNAPSHOT_KEYS
from astro_assets.warehouse.counts import TABLES, TableName
from astro_assets.warehouse.record_stream import Records, no_records, read_records
from astro_assets.warehouse.runner import Runner, open_runner
from astro_assets.warehouse.sides import TEST_SHARE, threshold
from astro_assets.warehouse.snapshot_papers import KEYS_FILE, SnapshotPapers, write_keys
from astro_assets.warehouse.sql import load_project
from astro_assets.warehouse.table_writer import RECORDS, TableWriter

_NO_END = "9999-12"


@dataclass(frozen=True)
class Rules:
    """The settings that decide which papers a table holds."""

    salt: str
    """Goes into every hash; never changed once anything was trained."""
    general_share: float
    """Share of non-astro papers kept, in (0, 1]."""
    category_rule: str = "any"
    """``any``: astro-ph at any position; ``primary``: only as the first category."""

    def __post_init__(self) -> None:
        if not 0 < self.general_share <= 1:
            raise BadSettingError(
                f"general_share is {self.general_share}.", expected="a share in (0, 1]."
            )
        if self.category_rule not in ("any", "primary"):
            raise BadSettingError(
                f"category_rule is {self.category_rule!r}.", expected="'any' or 'primary'."
            )


def build_snapshot_papers(
    records: Records,
    out: Path,
    *,
    general_share: float,
    salt: str,
    progress: Progress,
    proofs: Proofs | None = None,
    n_expected: int | None = None,
) -> Built:
    """Read raw records once into month shards ``astro/…`` and ``general/…`` below ``out``.

    Beside them lies one file of all key columns, which is what a release opens. ``side`` and
    ``excluded_because`` are as of the snapshot's vintage; a release judges anew. ``n_expected`` is
    how many records were found when the snapshot was inspected.

    Raises:
        EmptyCorpusError: no record has an astro-ph category.
        BadSnapshotError: the file is missing or damaged, or holds other records than inspected.
    """
    out.mkdir(parents=True, exist_ok=True)
    total = float(n_expected) if n_expected else None
    with _open(Rules(salt, general_share), out) as runner:
        runner.add_shards("source_snapshot_keys", [], SNAPSHOT_KEYS)
        with progress.task("read snapshot", total=total, unit="records") as task:
            n_records = read_records(records, runner, "month_contents", told=task.advance)
        if n_expected not in (None, n_records):
            raise BadSnapshotError(
                f"The snapshot gave {n_records:,} records.",
                expected=f"{n_expected:,}, as when it was inspected.",
                do="Materialise arxiv_snapshot again: the file has changed since.",
            )
        outcomes = counts.read_outcomes(runner)
        counts.check_balance(n_records, outcomes)
        if not outcomes["astro"]:
            raise EmptyCorpusError(
                f"None of the {n_records:,} records has an astro-ph category.",
                expected="a snapshot of arXiv's metadata, with categories like astro-ph.GA.",
                do="Check ASTRO_SNAPSHOT.",
            )
        writer = TableWriter(runner, None, out, proofs or Proofs(out), progress)
        made = [
            shard
            for table, folder in TABLES.items()
            for shard in writer.write(table, prefix=f"{folder}/")
        ]
        runner.build(SNAPSHOT_KEYS.name)
        keys = runner.stream(f"select * from {SNAPSHOT_KEYS.name} order by submission_month, id")
        write_keys(out / KEYS_FILE, keys, SNAPSHOT_KEYS.arrow_schema)
        counted = counts.snapshot_counts(outcomes, counts.read_judgements(runner))
        return writer.built(made, counted, KEYS_FILE)


def build_window_rows(
    batches: Iterable[pa.RecordBatch], path: Path, *, rules: Rules, progress: Progress
) -> int:
    """Type and hash the records of a window once; write them to ``path`` and return how many.

    What they mean for a release is not decided here, so every release of one snapshot reads them.
    Of general papers outside the share only key columns are kept.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with progress.task("read window", unit="records") as task, _open(rules, path.parent) as runner:
        n_records = read_records(batches, runner, RECORDS, told=task.advance)
        with atomic.replacing(path) as temporary:
            # by month, so that a release opens little of it for the months it writes
            runner.write(f"select * from {RECORDS} order by submission_month, ordinal", temporary)
    return n_records


def build_release_table(
    table: TableName,
    snapshot: SnapshotPapers,
    windows: Sequence[Path],
    *,
    release: Month,
    out: Path,
    rules: Rules,
    progress: Progress,
    proofs: Proofs | None = None,
) -> Built:
    """Make one table of a release from the snapshot's papers (of both tables) and the windows.

    ``windows`` are files of ``build_window_rows``, in the order they were harvested. Shards that
    are in ``out`` already are left as they are where ``proofs`` of ``out`` vouch for their bytes.
    ``rules`` have the salt and share of the snapshot, and of the windows.

    Raises:
        EmptyCorpusError: the astro table would hold no usable paper.
        DamagedArtifactError: a file of the snapshot's papers that is needed was damaged.
    """
    out.mkdir(parents=True, exist_ok=True)
    with _open(rules, out, release=str(release)) as runner:
        runner.add_shards("source_snapshot_keys", [snapshot.keys()], SNAPSHOT_KEYS)
        if windows:
            runner.supply(RECORDS, windows)
        else:
            no_records(runner)
        runner.build("month_contents")
        outcomes = counts.read_outcomes(runner)
        n_snapshot_rows = _n_rows(runner, "stg_snapshot_keys")
        n_window_records = _n_rows(runner, RECORDS)
        counts.check_balance(n_window_records + n_snapshot_rows, outcomes)
        judged = counts.read_judgements(runner)
        counted = counts.release_counts(table, outcomes, judged)
        if table == "astro_ph_papers" and not counted["papers"]:
            raise EmptyCorpusError(
                f"Release {release} holds no usable astro-ph paper: {counts.told(counted)}.",
                do="Choose a later release, another snapshot or ASTRO_CATEGORY_RULE=any.",
            )
        counted |= {"n_snapshot_rows": n_snapshot_rows, "n_window_records": n_window_records}
        writer = TableWriter(runner, snapshot, out, proofs or Proofs(out), progress)
        return writer.built(writer.write(table), counted, n_windows=len(windows))


@contextmanager
def _open(rules: Rules, folder: Path, *, release: str = _NO_END) -> Iterator[Runner]:
    """Open a runner of the project, its parameters bound, spilling below ``folder``."""
    parameters = {
        "release": release,
        "salt": rules.salt,
        "category_rule": rules.category_rule,
        "general_below": threshold(rules.general_share),
        "test_below": threshold(TEST_SHARE),
    }
    with open_runner(load_project(), parameters=parameters, scratch_folder=folder) as runner:
        yield runner


def _n_rows(runner: Runner, relation: str) -> int:
    return int(runner.rows(f"select count(*) as n from {relation}")[0]["n"])
