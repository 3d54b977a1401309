"""Each data test is shown the fault it is there for, and only that one may speak."""

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from astro_assets.months import Month
from astro_assets.warehouse.contracts import ASTRO_PH_PAPERS
from astro_assets.warehouse.quality import N_SAMPLE, run_data_tests
from astro_assets.warehouse.shards import write_shard
from tests.builders import record
from tests.warehouse.tables import rows, snapshot


@pytest.fixture
def good(tmp_path: Path) -> list[dict[str, Any]]:
    """Two astro rows and two general ones that break no rule."""
    built = snapshot(
        tmp_path / "good",
        [
            record("2307.00001", abstract="one"),
            record("2307.00002", abstract="two"),
            record("2307.00003", abstract="three", categories="math.CO"),
            record("2307.00004", abstract="four", categories="cs.LG"),
        ],
    )
    return list(rows(built).values())


def failing(folder: Path, papers: list[dict[str, Any]], month: str = "2023-07") -> dict[str, int]:
    """Return data test -> failing rows, for rows put into the table their flag names."""
    paths: dict[bool, Path] = {}
    for is_astro in (True, False):
        part = [p for p in papers if p.get("table", p["is_astro"]) == is_astro]
        part = [{k: v for k, v in p.items() if k != "table"} for p in part]
        paths[is_astro] = folder / f"2023-07-{is_astro}.parquet"
        table = pl.DataFrame(part, infer_schema_length=None).to_arrow()
        write_shard(paths[is_astro], table.cast(ASTRO_PH_PAPERS.arrow_schema))
    results = run_data_tests([paths[True]], [paths[False]], Month.parse(month))
    assert all(len(r.sample) == min(r.n_failing, N_SAMPLE) for r in results)
    return {r.name: r.n_failing for r in results if not r.holds}


def test_good_tables_pass_all_of_them(tmp_path: Path, good: list[dict[str, Any]]) -> None:
    assert failing(tmp_path, good) == {}


@pytest.mark.parametrize(
    ("n", "change", "expected"),
    [
        (0, {"side": "validation"}, {"disjoint_sides": 1}),
        (0, {"excluded_because": "boring"}, {"known_reasons": 1}),
        (0, {"text_sha256": None}, {"known_reasons": 1}),
        (0, {"submission_month": "2023-08", "submitted_at": None}, {"months_within_release": 1}),
        (0, {"submission_month": "2023-06"}, {"months_within_release": 1}),
        (2, {"categories": "math.CO astro-ph"}, {"categories_fit_table": 1}),
        (0, {"is_astro": False, "table": True}, {"categories_fit_table": 1}),
        (0, {"categories": "hep-th astro-ph"}, {"categories_fit_table": 1}),
    ],
)
def test_a_changed_value_is_found(
    tmp_path: Path,
    good: list[dict[str, Any]],
    n: int,
    change: dict[str, Any],
    expected: dict[str, int],
) -> None:
    good[n] |= change
    assert failing(tmp_path, good) == expected


def test_a_row_that_stands_twice_is_found(tmp_path: Path, good: list[dict[str, Any]]) -> None:
    again = good[0] | {"text_sha256": "other text"}
    assert failing(tmp_path, [*good, again]) == {"unique_ids": 1}
    other_side = again | {"side": "test" if good[0]["side"] == "train" else "train"}
    assert failing(tmp_path, [*good, other_side]) == {"unique_ids": 1, "disjoint_sides": 1}


def test_a_paper_in_both_tables_is_found(tmp_path: Path, good: list[dict[str, Any]]) -> None:
    general = good[2] | {k: good[0][k] for k in ("id", "side")} | {"text_sha256": "other text"}
    assert failing(tmp_path, [*good, general]) == {"tables_disjoint": 1}


def test_a_text_on_both_sides_is_found(tmp_path: Path, good: list[dict[str, Any]]) -> None:
    good[1] |= {"text_sha256": good[0]["text_sha256"]}
    assert failing(tmp_path, good) == {"texts_on_one_side": 1}
    good[1] |= {"excluded_because": "duplicate_text"}
    assert failing(tmp_path, good) == {}


def test_all_failing_rows_are_counted_and_a_few_shown(
    tmp_path: Path, good: list[dict[str, Any]]
) -> None:
    many = [good[0] | {"id": f"2307.{n:05d}", "text_sha256": str(n)} for n in range(100, 120)]
    assert failing(tmp_path, many + good[2:], month="2023-06") == {"months_within_release": 22}


def test_other_columns_are_reported_before_any_sql_runs(
    tmp_path: Path, good: list[dict[str, Any]]
) -> None:
    failing(tmp_path, good)
    path = tmp_path / "2023-07-True.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["side"]), path)
    (result,) = run_data_tests([path], [], Month(2023, 7))
    assert result.name == "declared_columns" and result.n_failing == 1
    assert "lacks the column 'side'" in result.sample[0]["found"]


def test_a_release_without_general_papers_can_be_tested(
    tmp_path: Path, good: list[dict[str, Any]]
) -> None:
    failing(tmp_path, good)
    results = run_data_tests([tmp_path / "2023-07-True.parquet"], [], Month(2023, 7))
    assert all(result.holds for result in results)
