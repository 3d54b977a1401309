"""Data tests over tables: each is a query that names the rows which should not be there.

Two kinds: the rules of a table's contract, and the SQL files in ``dbt_like_sql/tests``. A test of
one table at a time runs where that table was made; one that reads both tables of a release runs
where the second was made. What follows from a failure is decided by the caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from astro_assets.errors import DamagedArtifactError
from astro_assets.months import Month
from astro_assets.warehouse.contract import Contract
from astro_assets.warehouse.contracts import ASTRO_PH_PAPERS, CONTRACTS, GENERAL_PAPERS
from astro_assets.warehouse.rules import Rule, key_rule, row_rules
from astro_assets.warehouse.runner import Runner, open_runner
from astro_assets.warehouse.sql import Model, Project, load_data_tests, load_project, quoted

N_SAMPLE = 5
"""Failing rows kept as examples."""

CONTRACT = "contract"
"""Name that the rules of a contract are told under."""

_MAX_VALUE_CHARACTERS = 200
_RELEASE_TABLES = (ASTRO_PH_PAPERS.name, GENERAL_PAPERS.name)
_NO_RELEASE = "9999-12"


@dataclass(frozen=True)
class DataTestResult:
    """What one data test found."""

    name: str
    """The SQL file's name, or ``contract: `` and the rule's."""
    table: str
    """The table it looked at; the second one where it read both."""
    why: str
    """What holds, or what a failure would mean."""
    n_failing: int
    sample: tuple[dict[str, str], ...]
    """At most N_SAMPLE failing rows, values as bounded text."""

    @property
    def holds(self) -> bool:
        """Whether no row failed."""
        return self.n_failing == 0


def check_table(
    table: str, shards: Sequence[Path], release: Month | None = None
) -> list[DataTestResult]:
    """Run a table's contract, and the tests that look at one table at a time.

    If a file's columns are not the declared ones, that alone is reported: no SQL could be trusted.

    Raises:
        DamagedArtifactError: a file cannot be read to its end.
    """
    columns = _declared_columns(table, shards)
    if not columns.holds:
        return [columns]
    with _over({table: shards}) as (runner, _):
        results = [columns, *_contract_results(runner, CONTRACTS[table])]
        for test in load_data_tests(load_project()):
            if table in test.tables:
                results.append(_run(runner, test, table, release))
    return results


def check_release(
    astro_shards: Sequence[Path], general_shards: Sequence[Path], release: Month
) -> list[DataTestResult]:
    """Run the tests that read both tables of a release.

    If a file's columns are not the declared ones, that alone is reported, as by ``check_table``.

    Raises:
        DamagedArtifactError: a file cannot be read to its end.
    """
    tables = dict(zip(_RELEASE_TABLES, (astro_shards, general_shards), strict=True))
    columns = [_declared_columns(table, shards) for table, shards in tables.items()]
    wrong = [result for result in columns if not result.holds]
    if wrong:
        return wrong
    with _over(tables) as (runner, project):
        results = []
        for test in load_data_tests(load_project()):
            if not test.tables:
                runner.build(*(name for name in test.refs if name in project.models))
                results.append(_run(runner, test, GENERAL_PAPERS.name, release))
    return results


def run_data_tests(
    astro_shards: Sequence[Path], general_shards: Sequence[Path], release: Month
) -> list[DataTestResult]:
    """Run every test on both tables of a release; wrong columns alone are reported.

    Raises:
        DamagedArtifactError: a file cannot be read to its end.
    """
    results = [
        *check_table(ASTRO_PH_PAPERS.name, astro_shards, release),
        *check_table(GENERAL_PAPERS.name, general_shards, release),
    ]
    wrong = [result for result in results if _is_of_columns(result) and not result.holds]
    return wrong or [*results, *check_release(astro_shards, general_shards, release)]


@contextmanager
def _over(tables: Mapping[str, Sequence[Path]]) -> Iterator[tuple[Runner, Project]]:
    """Open a runner of these tables and of the marts that need nothing else."""
    project = load_project().over(tables)
    with open_runner(project) as runner:
        try:
            for name, paths in tables.items():
                runner.add_shards(name, paths, CONTRACTS[name])
            yield runner, project
        except duckdb.Error as error:
            if not _is_of_bytes(error):
                raise
            raise DamagedArtifactError(
                f"A shard of {' or '.join(tables)} cannot be read: {str(error).splitlines()[0]}",
                do=f"Materialise {' and '.join(tables)} again; what is damaged will be replaced.",
            ) from error


def _is_of_bytes(error: duckdb.Error) -> bool:
    """Tell what a file's bytes cause from what SQL, memory or a full disk do."""
    if isinstance(error, duckdb.IOException):
        return ".parquet" in str(error)
    return isinstance(error, duckdb.InvalidInputException) or type(error) is duckdb.Error


def _contract_results(runner: Runner, contract: Contract) -> Iterator[DataTestResult]:
    """Count all rules of rows in one reading; look again only for rows that break one."""
    rules = row_rules(contract)
    counted = ", ".join(
        f"count(*) filter (where {rule.broken}) as n_{number}" for number, rule in enumerate(rules)
    )
    (found,) = runner.rows(f"select {counted} from {quoted(contract.name)}")
    for number, rule in enumerate(rules):
        n_failing = int(found[f"n_{number}"])
        shown = ", ".join(quoted(c) for c in dict.fromkeys([*contract.key, *rule.columns]))
        query = f"select {shown} from {quoted(contract.name)} where {rule.broken}"
        yield _of_rule(contract, rule, n_failing, _sample(runner, query) if n_failing else ())
    key = ", ".join(quoted(name) for name in contract.key)
    again = (
        f"select {key}, count(*) as n_rows from {quoted(contract.name)} group by {key} "
        "having count(*) > 1"
    )
    n_failing = _count(runner, again)
    sample = _sample(runner, again) if n_failing else ()
    yield _of_rule(contract, key_rule(contract), n_failing, sample)


def _of_rule(
    contract: Contract, rule: Rule, n_failing: int, sample: tuple[dict[str, str], ...]
) -> DataTestResult:
    return DataTestResult(
        f"{CONTRACT}: {rule.name}", contract.name, rule.promise, n_failing, sample
    )


def _run(runner: Runner, test: Model, table: str, release: Month | None) -> DataTestResult:
    values = {"release": str(release) if release else _NO_RELEASE}
    bound = {name: values[name] for name in test.parameters}
    query = test.render(this=table)
    n_failing = _count(runner, query, **bound)
    return DataTestResult(
        name=test.name,
        table=table,
        why=test.header["why"],
        n_failing=n_failing,
        sample=_sample(runner, query, **bound) if n_failing else (),
    )


def _count(runner: Runner, query: str, **bound: str) -> int:
    return int(runner.rows(f"select count(*) as n from (\n{query}\n)", **bound)[0]["n"])


def _sample(runner: Runner, query: str, **bound: str) -> tuple[dict[str, str], ...]:
    """Return the first failing rows in an order that is always the same."""
    rows = runner.rows(f"select * from (\n{query}\n) order by all limit {N_SAMPLE}", **bound)
    return tuple({k: str(v)[:_MAX_VALUE_CHARACTERS] for k, v in row.items()} for row in rows)


def _is_of_columns(result: DataTestResult) -> bool:
    return result.name == f"{CONTRACT}: columns"


def _declared_columns(table: str, paths: Sequence[Path]) -> DataTestResult:
    failing = []
    for path in paths:
        try:
            CONTRACTS[table].check(pq.read_schema(path), path)
        except DamagedArtifactError as error:
            failing.append({"file": path.name, "found": error.found})
        except (OSError, pa.ArrowException) as error:
            failing.append({"file": path.name, "found": str(error)[:_MAX_VALUE_CHARACTERS]})
    return DataTestResult(
        name=f"{CONTRACT}: columns",
        table=table,
        why="every file has the declared columns and types, and can be opened",
        n_failing=len(failing),
        sample=tuple(failing[:N_SAMPLE]),
    )
