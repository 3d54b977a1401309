"""Checks of the paper tables: one per contract, one per data test, each showing what it found.

They are declared by what there is: a contract for every table, and the SQL files of
``dbt_like_sql/tests``. A test of one table at a time guards each table it names; one that reads
both tables of a release guards ``general_papers``, which is made second. All of a table are judged
in one reading. What does not belong here: what a test looks for (``warehouse.quality``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.defs import markdown
from astro_assets.defs.judges import Verdict, shard_paths
from astro_assets.errors import DamagedArtifactError
from astro_assets.months import Month
from astro_assets.warehouse.inputs import TABLES
from astro_assets.warehouse.sql import read_data_tests

if TYPE_CHECKING:
    from astro_assets.warehouse.quality import DataTestResult

CONTRACT = "contract"
_BOTH = "general_papers"


@dataclass(frozen=True)
class Declared:
    """One check there is to be."""

    asset: str
    name: str
    blocking: bool
    description: str


def declared() -> Iterator[Declared]:
    """Yield the checks, read off the contracts' names and the SQL files' headers."""
    for table in TABLES:
        said = "Declared columns and types, keys, values and patterns hold."
        yield Declared(table, CONTRACT, True, said)
    for test in read_data_tests():
        for table in test.tables or (_BOTH,):
            yield Declared(table, test.name, test.blocks, test.header["why"])


def judge(manifest: Manifest, store: Store) -> Mapping[str, Verdict]:
    """Run all data tests of a table; return the verdict of each check.

    Raises:
        MissingArtifactError: the release's other table has not been made.
    """
    from astro_assets.warehouse.quality import check_release, check_table

    release = Month.parse(manifest.release) if manifest.release else None
    shards = shard_paths(store, manifest)
    names = [check.name for check in declared() if check.asset == manifest.asset]
    try:
        results = check_table(manifest.asset, shards, release)
        if manifest.asset == _BOTH and release and _are_readable(results):
            astro = store.require("astro_ph_papers", manifest.release)
            results += check_release(shard_paths(store, astro), shards, release)
    except DamagedArtifactError as error:
        return dict.fromkeys(names, Verdict(False, str(error)))
    return {name: _verdict(name, manifest.asset, results) for name in names}


def _are_readable(results: Sequence[DataTestResult]) -> bool:
    """Tell whether more was tested than the columns: where they are wrong, nothing else is."""
    return len(results) > 1


def _verdict(name: str, table: str, results: Sequence[DataTestResult]) -> Verdict:
    rules = [result for result in results if result.name.startswith(f"{CONTRACT}: ")]
    if name == CONTRACT:
        # the other table of the release has a contract check of its own
        return _of_contract([rule for rule in rules if rule.table == table])
    found = next((r for r in results if r.name == name), None)
    if found is None:
        wrong = next(r for r in rules if _rule_name(r) == "columns" and not r.holds)
        return Verdict(
            False,
            f"not tested: the columns of {wrong.table} are not as declared: "
            f"{wrong.sample[0]['found']}",
            _sample_of(wrong),
        )
    return Verdict(
        found.holds,
        "no row fails." if found.holds else f"{found.n_failing:,} rows fail: {found.why}",
        {"failing_rows": dg.MetadataValue.int(found.n_failing)} | _sample_of(found),
    )


def _of_contract(rules: Sequence[DataTestResult]) -> Verdict:
    broken = [rule for rule in rules if not rule.holds]
    said = "; ".join(f"{_rule_name(rule)}: {rule.n_failing:,}" for rule in broken)
    figures: dict[str, Any] = {
        "failing_rows": dg.MetadataValue.int(sum(rule.n_failing for rule in rules)),
        "rules": dg.MetadataValue.md(
            markdown.table(
                [
                    {"rule": _rule_name(r), "what holds": r.why, "failing rows": f"{r.n_failing:,}"}
                    for r in rules
                ],
                ("rule", "what holds", "failing rows"),
            )
        ),
    }
    for rule in broken:
        figures |= _sample_of(rule, f" of {_rule_name(rule)}")
    return Verdict(not broken, said or f"{len(rules)} rules hold.", figures)


def _sample_of(result: DataTestResult, of: str = "") -> dict[str, Any]:
    """Return failing rows as a table; nothing where none fails."""
    if not result.sample:
        return {}
    rows = markdown.table(result.sample, list(result.sample[0]))
    return {f"sample{of}": dg.MetadataValue.md(rows)}


def _rule_name(rule: DataTestResult) -> str:
    return rule.name.removeprefix(f"{CONTRACT}: ")
