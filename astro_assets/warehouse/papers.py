"""The two builds: all papers of a snapshot, and one table of a release.

Both run the same SQL models. A snapshot's papers are the release that has no end and no windows; a
release reads them back as key columns, adds the windows' records, judges every paper anew, and
fetches and writes full rows only for months whose content is not on disk yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from astro_assets.artifacts import fingerprint
from astro_assets.artifacts.manifest import Built
from astro_assets.errors import BadSettingError, EmptyCorpusError
from astro_assets.ingest.records import RECORD_SCHEMA
from astro_assets.months import Month
from astro_assets.progress import Progress
from astro_assets.warehouse import counts, shards
from astro_assets.warehouse.contracts import CONTRACTS, SNAPSHOT_PAPERS
from astro_assets.warehouse.counts import TABLES, TableName
from astro_assets.warehouse.runner import Runner, open_runner
from astro_assets.warehouse.shards import Shard
from astro_assets.warehouse.sides import TEST_SHARE, threshold
from astro_assets.warehouse.sql import load_project, quoted

_NO_END = "9999-12"
_ROWS_AT_ONCE = 30_000


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
    batches: Iterable[pa.RecordBatch],
    out: Path,
    *,
    general_share: float,
    salt: str,
    progress: Progress,
) -> Built:
    """Read raw records once into month shards ``astro/…`` and ``general/…`` below ``out``.

    ``side`` and ``excluded_because`` are as of the snapshot's vintage; a release judges anew.

    Raises:
        EmptyCorpusError: no record has an astro-ph category.
    """
    rules = Rules(salt, general_share)
    with _judged(batches, [], release=_NO_END, rules=rules, out=out) as (runner, n_records):
        outcomes = counts.read_outcomes(runner)
        counts.check_balance(n_records, outcomes)
        if not outcomes["astro"]:
            raise EmptyCorpusError(
                f"None of the {n_records:,} records has an astro-ph category.",
                expected="a snapshot of arXiv's metadata, with categories like astro-ph.GA.",
                do="Check ASTRO_SNAPSHOT.",
            )
        made = [
            shard
            for table, folder in TABLES.items()
            for shard in _write(runner, table, out, prefix=f"{folder}/", progress=progress)
        ]
        judged = counts.read_judgements(runner)
    return _built(made, out, counts.snapshot_counts(outcomes, judged))


def build_release_table(
    table: TableName,
    snapshot_shards: Sequence[Path],
    windows: Sequence[Iterable[pa.RecordBatch]],
    *,
    release: Month,
    out: Path,
    rules: Rules,
    progress: Progress,
) -> Built:
    """Make one table of a release from the snapshot's shards (of both tables) and the windows.

    ``windows`` are in the order they were harvested. Shards that are in ``out`` already, whole and
    with the content asked for, are left as they are.

    Raises:
        EmptyCorpusError: the astro table would hold no usable paper.
    """
    records = (batch for window in windows for batch in window)
    with _judged(records, snapshot_shards, release=str(release), rules=rules, out=out) as (
        runner,
        n_window_records,
    ):
        outcomes = counts.read_outcomes(runner)
        n_snapshot_rows = runner.rows("select count(*) as n from stg_snapshot")[0]["n"]
        counts.check_balance(n_window_records + n_snapshot_rows, outcomes)
        judged = counts.read_judgements(runner)
        counted = counts.release_counts(table, outcomes, judged)
        if table == "astro_ph_papers" and not counted["papers"]:
            raise EmptyCorpusError(
                f"Release {release} holds no usable astro-ph paper: {counts.told(counted)}.",
                do="Choose a later release, another snapshot or ASTRO_CATEGORY_RULE=any.",
            )
        made = _write(runner, table, out, prefix="", progress=progress)
    counted |= {"n_snapshot_rows": n_snapshot_rows, "n_window_records": n_window_records}
    return _built(made, out, counted, n_windows=len(windows))


class _RecordStream:
    """Raw batches on their way into DuckDB: numbered, counted, and their error remembered."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._batches = batches
        self.n_records = 0
        self.error: BaseException | None = None

    def reader(self) -> pa.RecordBatchReader:
        """Return a reader that adds the column ``ordinal``, the record's place in the stream."""
        schema = RECORD_SCHEMA.append(pa.field("ordinal", pa.int64()))
        return pa.RecordBatchReader.from_batches(schema, self._numbered(schema))

    def _numbered(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._batches:
                ordinals = pa.array(range(self.n_records, self.n_records + batch.num_rows))
                self.n_records += batch.num_rows
                yield pa.RecordBatch.from_arrays([*batch.columns, ordinals], schema=schema)
        except BaseException as error:
            self.error = error
            raise


@contextmanager
def _judged(
    batches: Iterable[pa.RecordBatch],
    snapshot_shards: Sequence[Path],
    *,
    release: str,
    rules: Rules,
    out: Path,
) -> Iterator[tuple[Runner, int]]:
    """Run the models up to the marts; yield the runner and the number of raw records read."""
    out.mkdir(parents=True, exist_ok=True)
    parameters = {
        "release": release,
        "salt": rules.salt,
        "category_rule": rules.category_rule,
        "general_below": threshold(rules.general_share),
        "test_below": threshold(TEST_SHARE),
    }
    stream = _RecordStream(batches)
    with open_runner(load_project(), parameters=parameters, scratch_folder=out) as runner:
        runner.add_source("records", stream.reader())
        runner.add_shards("source_snapshot_rows", snapshot_shards, SNAPSHOT_PAPERS)
        try:
            runner.build("month_contents", *TABLES)
        except duckdb.Error:
            # DuckDB turns what the reader raised into text; the person needs the named error.
            if stream.error is not None:
                raise stream.error from None
            raise
        yield runner, stream.n_records


def _write(
    runner: Runner, table: TableName, out: Path, *, prefix: str, progress: Progress
) -> list[Shard]:
    """Write the months of a table that are not on disk; return all its shards by month."""
    contents = runner.rows(
        "select submission_month as month, content, n_papers, n_rows from month_contents "
        "where table_name = $table_name order by month",
        table_name=TABLES[table],
    )
    made = [
        Shard(table=TABLES[table], file=prefix + shards.file_name(c["month"], c["content"]), **c)
        for c in contents
    ]
    missing = [s for s in made if not shards.is_good(out / s.file, s.content)]
    n_rows = sum(s.n_rows for s in missing)
    with progress.task(f"write {table}", total=n_rows, unit="papers") as task:
        for group in _groups(missing):
            files = {s.month: s.file for s in group}
            for month, rows in _rows_of(runner, table, sorted(files)):
                shards.write_shard(out / files[month], rows)
                task.advance(rows.num_rows, month=month)
    return made


def _groups(missing: Sequence[Shard]) -> Iterator[list[Shard]]:
    """Cut months into runs of about _ROWS_AT_ONCE rows: what is sorted with its text in memory."""
    group: list[Shard] = []
    for shard in missing:
        if group and sum(s.n_rows for s in group) + shard.n_rows > _ROWS_AT_ONCE:
            yield group
            group = []
        group.append(shard)
    if group:
        yield group


def _rows_of(
    runner: Runner, table: TableName, months: Sequence[str]
) -> Iterator[tuple[str, pa.Table]]:
    reader = runner.stream(
        f"select * from {quoted(table)} where submission_month between $first and $last "
        "and submission_month in (select unnest($months)) order by submission_month, id",
        first=months[0],
        last=months[-1],
        months=list(months),
    )
    return shards.by_month(reader, CONTRACTS[table])


def _built(made: Sequence[Shard], out: Path, counted: Mapping[str, int], **facts: Any) -> Built:
    return Built(
        fingerprint=fingerprint.of_value(shards.fingerprint_lines(made)),
        path=out,
        counts=dict(counted),
        files={shard.file: fingerprint.of_file(out / shard.file) for shard in made},
        facts={"shards": [shard.as_fact() for shard in made], **facts},
    )
