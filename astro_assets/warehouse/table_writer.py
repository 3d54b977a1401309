"""Writes the months of a judged table that are not on disk yet; says what the table consists of.

What does not belong here: which papers a table holds (the SQL models) and a shard's bytes (shards).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from astro_assets.artifacts import fingerprint
from astro_assets.artifacts.manifest import Built
from astro_assets.artifacts.proofs import Proofs
from astro_assets.progress import Progress
from astro_assets.warehouse import shards
from astro_assets.warehouse.contracts import CONTRACTS, SNAPSHOT_PAPERS
from astro_assets.warehouse.counts import TABLES, TableName
from astro_assets.warehouse.runner import Runner
from astro_assets.warehouse.shards import Shard
from astro_assets.warehouse.snapshot_papers import SnapshotPapers
from astro_assets.warehouse.sql import quoted

_ROWS_AT_ONCE = 30_000
"""Full rows that are sorted in memory."""
_LINES_AT_ONCE = 400_000
"""Key rows whose content is hashed in one query."""

RECORDS = "stg_records"
"""The model in which every raw record is typed."""

_Month = TypeVar("_Month")


@dataclass(frozen=True)
class TableWriter:
    """Writes tables that a runner has judged into one folder."""

    runner: Runner
    snapshot: SnapshotPapers | None
    """Where rows of the snapshot are fetched; None where all rows are raw records."""
    out: Path
    proofs: Proofs
    """Of ``out``."""
    progress: Progress

    def write(self, table: TableName, *, prefix: str = "") -> list[Shard]:
        """Write the months of a table that are not on disk; return all its shards by month.

        Raises:
            DamagedArtifactError: a shard of the snapshot that is needed is gone or was changed.
        """
        made = [
            Shard(
                table=TABLES[table], file=prefix + shards.file_name(c["month"], c["content"]), **c
            )
            for c in self._contents(TABLES[table])
        ]
        missing = [shard for shard in made if not self._is_there(shard)]
        n_rows = sum(shard.n_rows for shard in missing)
        with self.progress.task(f"write {table}", total=n_rows, unit="papers") as task:
            for group in _runs(missing, lambda shard: shard.n_rows, _ROWS_AT_ONCE):
                files = {shard.month: shard.file for shard in group}
                for month, rows in self._rows_of(table, sorted(files)):
                    shards.write_shard(self.out / files[month], rows)
                    self.proofs.prove(files[month])
                    task.advance(rows.num_rows, month=month)
        return made

    def built(
        self, made: Sequence[Shard], counted: Mapping[str, int], *files: str, **facts: Any
    ) -> Built:
        """Return what was made: the shards, any other files beside them, counts and facts."""
        digests = {
            name: self.proofs.sha256(name) or self.proofs.prove(name)
            for name in [*(shard.file for shard in made), *files]
        }
        self.proofs.save()
        return Built(
            fingerprint=fingerprint.of_value(shards.fingerprint_lines(made)),
            path=self.out,
            counts=dict(counted),
            files=digests,
            facts={"shards": [shard.as_fact() for shard in made], **facts},
        )

    def _contents(self, table_name: str) -> Iterator[dict[str, Any]]:
        """Yield month, content, n_papers and n_rows of a table, in month order."""
        sizes = self.runner.rows(
            "select submission_month as month, count(*) as n_rows from paper_judgements "
            "where table_name = $table_name group by month order by month",
            table_name=table_name,
        )
        # DuckDB holds all lines that are to be hashed in one query, and cannot spill them.
        for run in _runs(sizes, lambda size: int(size["n_rows"]), _LINES_AT_ONCE):
            yield from self.runner.rows(
                "select submission_month as month, content, n_papers, n_rows from month_contents "
                "where table_name = $table_name and submission_month between $first and $last "
                "order by month",
                table_name=table_name,
                first=run[0]["month"],
                last=run[-1]["month"],
            )

    def _is_there(self, shard: Shard) -> bool:
        """Tell whether a shard is there with the bytes it was written with.

        One that nothing is on record of is written again, to the same bytes: its rows could be
        compared, but not what else is in a file, and damage must not get on record.
        """
        return self.proofs.sha256(shard.file) is not None

    def _rows_of(self, table: TableName, months: Sequence[str]) -> Iterator[tuple[str, pa.Table]]:
        """Yield full rows by month; of the snapshot only these months' shards are opened."""
        paths = self.snapshot.rows_of(months) if self.snapshot else []
        self.runner.add_shards("source_snapshot_rows", paths, SNAPSHOT_PAPERS)
        self.runner.narrow(RECORDS, months)
        self.runner.build(table)
        reader = self.runner.stream(
            f"select * from {quoted(table)} where submission_month between $first and $last "
            "and submission_month in (select unnest($months)) order by submission_month, id",
            first=months[0],
            last=months[-1],
            months=list(months),
        )
        return shards.by_month(reader, CONTRACTS[table])


def _runs(
    months: Sequence[_Month], n_rows: Callable[[_Month], int], most: int
) -> Iterator[list[_Month]]:
    """Cut months into runs of about ``most`` rows, at least one month each."""
    run: list[_Month] = []
    for month in months:
        if run and sum(map(n_rows, run)) + n_rows(month) > most:
            yield run
            run = []
        run.append(month)
    if run:
        yield run
