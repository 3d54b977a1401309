"""Data tests over a release's tables: each names the rows that should not be there.

The tests are SQL files in ``dbt_like_sql/tests``; a test that returns no row holds. One more test
compares every file's columns with the contract. What follows from a failure is decided by the
caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from astro_assets.errors import DamagedArtifactError
from astro_assets.months import Month
from astro_assets.warehouse.contracts import ASTRO_PH_PAPERS, GENERAL_PAPERS, Contract
from astro_assets.warehouse.runner import Runner, open_runner
from astro_assets.warehouse.sql import Model, load_data_tests, load_project

N_SAMPLE = 5
"""Failing rows kept as examples."""

_MAX_VALUE_CHARACTERS = 200


@dataclass(frozen=True)
class DataTestResult:
    """What one data test found."""

    name: str
    why: str
    """Why the test is there: what a failure would mean."""
    n_failing: int
    sample: tuple[dict[str, str], ...]
    """At most N_SAMPLE failing rows, values as bounded text."""

    @property
    def holds(self) -> bool:
        """Whether no row failed."""
        return self.n_failing == 0


def run_data_tests(
    astro_shards: Sequence[Path], general_shards: Sequence[Path], release: Month
) -> list[DataTestResult]:
    """Run every data test over the two tables of a release, sorted by name.

    If a file's columns are not the declared ones, that alone is reported: no SQL could be trusted.
    """
    tables = ((ASTRO_PH_PAPERS, astro_shards), (GENERAL_PAPERS, general_shards))
    columns = _declared_columns(tables)
    if not columns.holds:
        return [columns]
    project = load_project()
    with open_runner(project) as runner:
        for contract, paths in tables:
            runner.add_shards(contract.name, paths, contract)
        bound = {"release": str(release)}
        results = [_run(runner, test, bound) for test in load_data_tests(project)]
    return sorted([columns, *results], key=lambda result: result.name)


def _run(runner: Runner, test: Model, values: dict[str, str]) -> DataTestResult:
    bound = {name: values[name] for name in test.parameters}
    rows = runner.rows(
        f"select *, count(*) over () as n_failing from ({test.render()}) order by all "
        f"limit {N_SAMPLE}",
        **bound,
    )
    return DataTestResult(
        name=test.name,
        why=test.header["why"],
        n_failing=rows[0]["n_failing"] if rows else 0,
        sample=tuple(
            {k: str(v)[:_MAX_VALUE_CHARACTERS] for k, v in row.items() if k != "n_failing"}
            for row in rows
        ),
    )


def _declared_columns(tables: Sequence[tuple[Contract, Sequence[Path]]]) -> DataTestResult:
    failing = []
    for contract, paths in tables:
        for path in paths:
            try:
                contract.check(pq.read_schema(path), path)
            except DamagedArtifactError as error:
                failing.append({"table_name": contract.name, "found": error.found})
    return DataTestResult(
        name="declared_columns",
        why="a file with other columns or types than declared cannot be read as the table.",
        n_failing=len(failing),
        sample=tuple(failing[:N_SAMPLE]),
    )
