"""Each data test is shown the fault it is there for, and only that one may speak."""

from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from astro_assets.errors import DamagedArtifactError
from astro_assets.months import Month
from astro_assets.warehouse.contracts import ASTRO_PH_PAPERS
from astro_assets.warehouse.quality import N_SAMPLE, check_release, check_table, run_data_tests
from astro_assets.warehouse.shards import write_shard
from tests.builders import record
from tests.warehouse.tables import rows, shard_paths, snapshot


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
    found = Counter[str]()
    for result in results:
        found[result.name] += result.n_failing
    return dict(+found)


def test_good_tables_pass_all_of_them(tmp_path: Path, good: list[dict[str, Any]]) -> None:
    assert failing(tmp_path, good) == {}


@pytest.mark.parametrize(
    ("n", "change", "expected"),
    [
        (
            0,
            {"side": "validation"},
            {"contract: accepted side": 1, "disjoint_sides": 1, "months_add_up": 1},
        ),
        (
            0,
            {"excluded_because": "boring"},
            {"contract: accepted excluded_because": 1, "months_add_up": 1},
        ),
        (0, {"text_sha256": None}, {"reasons_fit_texts": 1}),
        (0, {"excluded_because": "empty_abstract"}, {"reasons_fit_texts": 1}),
        (0, {"text_sha256": "ABC"}, {"contract: pattern text_sha256": 1}),
        (0, {"row_sha256": "0" * 63}, {"contract: pattern row_sha256": 1}),
        (0, {"submission_month": "2023-08", "submitted_at": None}, {"months_within_release": 1}),
        (0, {"submission_month": "2023-06"}, {"months_are_of_v1": 1}),
        (
            0,
            {"submission_month": "2023-00", "submitted_at": None},
            {"contract: pattern submission_month": 1},
        ),
        (2, {"categories": "math.CO astro-ph"}, {"categories_fit_flags": 1}),
        (2, {"categories": "math.CO plasm-ph astro-phy"}, {}),
        (2, {"categories": "math.CO\tastro-ph.GA"}, {"categories_fit_flags": 1}),
        (2, {"categories": "math.CO\nastro-ph"}, {"categories_fit_flags": 1}),
        (2, {"categories": "math.CO\tcs.LG"}, {"categories_fit_flags": 1}),
        (2, {"categories": "math.CO  cs.LG"}, {"categories_fit_flags": 1}),
        (2, {"categories": " math.CO"}, {"categories_fit_flags": 1}),
        (0, {"categories": "astro-ph.GA "}, {"categories_fit_flags": 1}),
        (
            0,
            {"is_astro": False, "table": True},
            {"categories_fit_flags": 1, "contract: accepted is_astro": 1},
        ),
        (
            2,
            {"is_primary": True},
            {"categories_fit_flags": 1, "contract: accepted is_primary": 1},
        ),
        (0, {"categories": "hep-th astro-ph"}, {"categories_fit_flags": 1}),
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


@pytest.mark.parametrize(
    ("odd", "categories", "is_primary"),
    [
        ("\nastro-ph.GA", "astro-ph.GA", True),
        ("\thep-th astro-ph.GA", "hep-th astro-ph.GA", False),
        ("hep-th\tastro-ph.GA", "hep-th astro-ph.GA", False),
        (" astro-ph\r\n  hep-th ", "astro-ph hep-th", True),
    ],
)
def test_a_record_with_odd_blanks_in_its_categories_passes(
    tmp_path: Path, odd: str, categories: str, is_primary: bool
) -> None:
    built = snapshot(tmp_path, [record(categories=odd), record("2307.00003", categories="math.CO")])
    shards = {table: shard_paths(built, table) for table in ("astro", "general")}
    results = run_data_tests(shards["astro"], shards["general"], Month(2023, 7))
    assert [r.name for r in results if not r.holds] == []
    (paper,) = rows(built, "astro").values()
    assert (paper["categories"], paper["is_primary"]) == (categories, is_primary)


def test_a_row_that_stands_twice_is_found(tmp_path: Path, good: list[dict[str, Any]]) -> None:
    again = good[0] | {"text_sha256": "f" * 64}
    twice = {"contract: key id": 1}
    assert failing(tmp_path, [*good, again]) == twice
    other_side = again | {"side": "test" if good[0]["side"] == "train" else "train"}
    assert failing(tmp_path, [*good, other_side]) == twice | {"disjoint_sides": 1}


def test_a_paper_in_both_tables_is_found(tmp_path: Path, good: list[dict[str, Any]]) -> None:
    general = good[2] | {k: good[0][k] for k in ("id", "side")} | {"text_sha256": "f" * 64}
    assert failing(tmp_path, [*good, general]) == {"tables_disjoint": 1}


def test_a_text_on_both_sides_is_found(tmp_path: Path, good: list[dict[str, Any]]) -> None:
    good[1] |= {"text_sha256": good[0]["text_sha256"]}
    assert failing(tmp_path, good) == {"texts_on_one_side": 1}
    good[1] |= {"excluded_because": "duplicate_text"}
    assert failing(tmp_path, good) == {}


def test_all_failing_rows_are_counted_and_a_few_shown(
    tmp_path: Path, good: list[dict[str, Any]]
) -> None:
    many = [good[0] | {"id": f"2307.{n:05d}", "text_sha256": f"{n:064d}"} for n in range(100, 120)]
    assert failing(tmp_path, many + good[2:], month="2023-06") == {"months_within_release": 22}


def test_other_columns_are_reported_before_any_sql_runs(
    tmp_path: Path, good: list[dict[str, Any]]
) -> None:
    failing(tmp_path, good)
    path = tmp_path / "2023-07-True.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["side"]), path)
    (result,) = run_data_tests([path], [], Month(2023, 7))
    assert (result.name, result.table) == ("contract: columns", "astro_ph_papers")
    assert "lacks the column 'side'" in result.sample[0]["found"] and result.n_failing == 1


def test_a_column_that_may_hold_nulls_is_reported(
    tmp_path: Path, good: list[dict[str, Any]]
) -> None:
    failing(tmp_path, good)
    path = tmp_path / "2023-07-True.parquet"
    table = pq.read_table(path)
    names = table.schema.names
    loose = table.schema.set(names.index("side"), pa.field("side", pa.string()))
    pq.write_table(table.cast(loose), path)
    (result,) = check_table("astro_ph_papers", [path])
    assert "'side' may hold nulls" in result.sample[0]["found"]


@pytest.mark.parametrize("is_astro", [True, False])
def test_tests_of_both_tables_look_at_the_columns_of_both_first(
    tmp_path: Path, good: list[dict[str, Any]], is_astro: bool
) -> None:
    failing(tmp_path, good)
    paths = {which: tmp_path / f"2023-07-{which}.parquet" for which in (True, False)}
    other = pq.read_table(paths[is_astro]).drop_columns(["side"])
    pq.write_table(other, paths[is_astro])
    (result,) = check_release([paths[True]], [paths[False]], Month(2023, 7))
    assert (result.name, result.holds) == ("contract: columns", False)
    assert result.table == ("astro_ph_papers" if is_astro else "general_papers")
    assert "lacks the column 'side'" in result.sample[0]["found"]


def test_a_file_that_is_gone_or_cut_is_reported(tmp_path: Path, good: list[dict[str, Any]]) -> None:
    failing(tmp_path, good)
    path = tmp_path / "2023-07-True.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    (result,) = check_table("astro_ph_papers", [path, tmp_path / "gone.parquet"])
    assert result.name == "contract: columns" and result.n_failing == 2
    assert [row["file"] for row in result.sample] == [path.name, "gone.parquet"]


def test_bytes_that_rotted_inside_a_file_are_a_named_error(
    tmp_path: Path, good: list[dict[str, Any]]
) -> None:
    failing(tmp_path, good)
    path = tmp_path / "2023-07-True.parquet"
    file = pq.ParquetFile(path)
    group = file.metadata.row_group(0)
    (side,) = (
        group.column(n)
        for n in range(group.num_columns)
        if group.column(n).path_in_schema == "side"
    )
    data = bytearray(path.read_bytes())
    start = side.dictionary_page_offset or side.data_page_offset
    data[start : start + side.total_compressed_size] = bytes(side.total_compressed_size)
    path.write_bytes(data)
    with pytest.raises(DamagedArtifactError, match="astro_ph_papers cannot be read"):
        check_table("astro_ph_papers", [path])


def test_every_rule_of_a_contract_is_told_also_where_it_holds(
    tmp_path: Path, good: list[dict[str, Any]]
) -> None:
    failing(tmp_path, good)
    results = check_table("astro_ph_papers", [tmp_path / "2023-07-True.parquet"])
    told = {r.name.removeprefix("contract: ") for r in results if r.name.startswith("contract")}
    columns = ASTRO_PH_PAPERS.columns
    assert told == (
        {"columns", "key id"}
        | {f"not_null {c.name}" for c in columns if not c.nullable}
        | {f"accepted {c.name}" for c in columns if c.accepted}
        | {f"pattern {c.name}" for c in columns if c.pattern}
    )
    assert all(r.why and r.table == "astro_ph_papers" for r in results)


def test_a_snapshot_of_both_tables_passes_its_own(tmp_path: Path) -> None:
    built = snapshot(
        tmp_path,
        [record("2307.00001", abstract=""), record("2307.00003", categories="math.CO")],
    )
    results = check_table("snapshot_papers", shard_paths(built))
    assert all(r.holds for r in results)
    assert {r.name for r in results} >= {"contract: key id", "categories_fit_flags"}
    assert "months_within_release" not in {r.name for r in results}


def test_a_release_without_general_papers_can_be_tested(
    tmp_path: Path, good: list[dict[str, Any]]
) -> None:
    failing(tmp_path, good)
    results = run_data_tests([tmp_path / "2023-07-True.parquet"], [], Month(2023, 7))
    assert all(result.holds for result in results)
