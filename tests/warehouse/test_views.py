import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from astro_assets.errors import DamagedArtifactError
from astro_assets.warehouse import views
from astro_assets.warehouse.contracts import ASTRO_PH_PAPERS, CONTRACTS
from astro_assets.warehouse.mart_contracts import MART_CONTRACTS
from astro_assets.warehouse.sql import SQL_FOLDER
from astro_assets.warehouse.views import (
    RELEASE_TABLES,
    STORAGE_VERSION,
    ReleaseViews,
    publish_views,
    write_views,
)
from tests.builders import record
from tests.warehouse.marts import Kept
from tests.warehouse.tables import shard_paths, snapshot

MARTS = {contract.name for contract in MART_CONTRACTS}
TABLES_AND_MARTS = {*RELEASE_TABLES, *MARTS}
THREE_MONTHS = [
    record(
        f"{month}.00001",
        abstract=f"of {month}",
        versions=[{"version": "v1", "created": f"Mon, 1 {name} 2023 10:00:00 GMT"}],
    )
    for month, name in (("2305", "May"), ("2306", "Jun"), ("2307", "Jul"))
]
"""One paper in each of three months."""
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[:-9],
    "emptied": lambda data: b"",
    "overwritten": lambda data: bytes(len(data)),
}
ONE = [record("2306.00001", abstract="one"), record("2306.00002", categories="math.CO")]
TWO = [*ONE, record("2307.00003", abstract="three")]


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "it's a home")


def count(path: Path, view: str = "astro_ph_papers_latest") -> int:
    with duckdb.connect(str(path), read_only=True) as connection:
        ((n,),) = connection.sql(f"select count(*) from {view}").fetchall()
    return int(n)


def test_views_read_the_shards_and_hold_no_data(tmp_path: Path) -> None:
    built = snapshot(tmp_path / "it's a home", [record(), record("2307.00002", abstract="two")])
    path = tmp_path / "warehouse.duckdb"
    tables = {"astro_ph_papers": shard_paths(built), "general_papers": []}
    write_views(path, [ReleaseViews("x", tables)])
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.sql("select count(*) from astro_ph_papers_x").fetchall() == [(2,)]
        empty = connection.sql("from general_papers_x")
        assert empty.columns == [c.name for c in ASTRO_PH_PAPERS.columns]
        assert [str(t) for t in empty.types] == [c.type for c in ASTRO_PH_PAPERS.columns]
        assert empty.fetchall() == []
        assert connection.sql("select count(*) from duckdb_tables()").fetchall() == [(0,)]
        tags = connection.sql(
            "select tags['storage_version'] from duckdb_databases() where not internal"
        ).fetchall()
        assert STORAGE_VERSION[:4] in tags[0][0]
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["warehouse.duckdb"]


def test_each_kept_release_and_the_latest_have_every_view(kept: Kept) -> None:
    kept.add("2023-07", ONE)
    first = {f"{name}_{end}" for name in TABLES_AND_MARTS for end in ("2023_07", "latest")}
    first -= {"changed_papers_2023_07", "changed_papers_latest"}  # nothing to compare it with
    assert kept.views() == first
    kept.add("2023-08", TWO)
    assert kept.views() == first | {f"{name}_2023_08" for name in TABLES_AND_MARTS} | {
        "changed_papers_latest"
    }
    assert count(kept.file, "astro_ph_papers_2023_07") == 1
    assert count(kept.file, "astro_ph_papers_2023_08") == count(kept.file) == 2
    assert kept.by_id("changed_papers_latest", "change") == {"2307.00003": "added"}


def test_a_release_is_compared_with_the_kept_one_before_it(kept: Kept) -> None:
    for month in ("2023-07", "2023-08", "2023-09"):
        kept.add(month, [r for r in TWO if month == "2023-09" or r in ONE])
    for pointer in (kept.store.home.releases / "2023-08").iterdir():
        pointer.unlink()
    publish_views(kept.store)
    assert not any("2023_08" in name for name in kept.views())
    sql = kept.rows("select sql from duckdb_views() where view_name = 'changed_papers_2023_09'")
    assert "astro_ph_papers_2023_07" in sql[0]["sql"]


def test_marts_of_both_tables_wait_for_the_second(kept: Kept) -> None:
    kept.add("2023-08", TWO, tables=["astro_ph_papers"])
    assert kept.views() == {"astro_ph_papers_2023_08", "astro_ph_papers_latest"}


def test_views_have_the_columns_their_contracts_declare(kept: Kept) -> None:
    kept.add("2023-07", ONE)
    kept.add("2023-08", TWO)
    for name in TABLES_AND_MARTS:
        shown = kept.rows(f"describe {name}_latest")
        declared = [(c.name, c.type) for c in CONTRACTS[name].columns]
        assert [(r["column_name"], r["column_type"]) for r in shown] == declared, name
        said = kept.rows(f"select comment from duckdb_views() where view_name = '{name}_latest'")
        assert said == [{"comment": CONTRACTS[name].description}]


def test_the_file_can_be_moved_and_attached_under_another_name(kept: Kept) -> None:
    kept.add("2023-08", TWO)
    moved = kept.root / "moved.duckdb"
    kept.file.rename(moved)
    assert count(moved, "papers_by_subfield_latest") == 2
    with duckdb.connect() as connection:
        connection.execute(f"attach '{str(moved).replace(chr(39), chr(39) * 2)}' as w (read_only)")
        assert connection.sql("select sum(n_rows) from w.papers_by_month_latest").fetchall() == [
            (3,)
        ]


def test_a_table_that_cannot_be_read_has_no_view_and_is_told(kept: Kept) -> None:
    kept.add("2023-07", ONE)
    kept.add("2023-08", TWO)
    (shard,) = (kept.root / "papers" / "2023-07-astro_ph_papers" / "release").glob("*.parquet")
    shard.rename(shard.with_suffix(".aside"))
    (told,) = publish_views(kept.store)
    assert "astro_ph_papers of 2023-07" in told and f"{shard.name} is gone" in told
    views = kept.views()
    assert "general_papers_2023_07" in views and "papers_by_month_2023_07" not in views
    assert "papers_by_month_2023_08" in views and "changed_papers_2023_08" not in views
    shard.write_bytes(b"PAR1 but no more")
    (told,) = publish_views(kept.store)
    assert "astro_ph_papers of 2023-07 has no view" in told
    assert kept.views() == views


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_damaged_shard_costs_no_other_table_its_view(
    kept: Kept, place: int, damage: str
) -> None:
    kept.add("2023-07", THREE_MONTHS)
    kept.add("2023-08", TWO)
    whole, shards = kept.views(), kept.shards("2023-07")
    assert len(shards) == 3
    data = shards[place].read_bytes()
    shards[place].write_bytes(DAMAGE[damage](data))
    (told,) = publish_views(kept.store)
    assert told.startswith("astro_ph_papers of 2023-07 has no view: ")
    assert f"{shards[place].name} is cut or overwritten" in told
    gone = {f"{name}_2023_07" for name in TABLES_AND_MARTS - {"general_papers"}}
    assert kept.views() == whole - gone - {"changed_papers_2023_08", "changed_papers_latest"}
    kept.add("2023-09", TWO, n_left_out=1)
    assert count(kept.file, "astro_ph_papers_2023_09") == 2
    assert "changed_papers_2023_09" in kept.views()
    shards[place].write_bytes(data)
    assert publish_views(kept.store) == ()
    assert whole <= kept.views()


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_footer_that_rotted_stops_no_other_release(kept: Kept, place: int) -> None:
    kept.add("2023-07", THREE_MONTHS)
    shard = kept.shards("2023-07")[place]
    data = shard.read_bytes()
    shard.write_bytes(data[:-800] + bytes(792) + data[-8:])
    # one in between is opened when somebody asks, and found by the check of its checksum
    kept.add("2023-08", TWO, n_left_out=0 if place == 1 else 1)
    assert count(kept.file, "papers_by_subfield_2023_08") == 2
    with pytest.raises(duckdb.Error):
        count(kept.file, "astro_ph_papers_2023_07")


def test_a_pointer_that_cannot_be_read_costs_its_table_the_view(kept: Kept) -> None:
    kept.add("2023-07", ONE)
    (kept.store.home.releases / "2023-07" / "general_papers.json").write_text("{")
    kept.add("2023-08", TWO, n_left_out=1)
    assert "general_papers_2023_07" not in kept.views()
    assert count(kept.file, "astro_ph_papers_2023_07") == 1


def test_the_latest_is_the_newest_release_with_both_tables(kept: Kept) -> None:
    kept.add("2023-07", ONE)
    kept.add("2023-08", TWO)
    kept.add("2023-09", [*TWO, record("2308.00001")], tables=["astro_ph_papers"])
    assert {f"{name}_latest" for name in TABLES_AND_MARTS} <= kept.views()
    assert count(kept.file) == count(kept.file, "astro_ph_papers_2023_08") == 2
    assert kept.by_id("changed_papers_latest", "change") == {"2307.00003": "added"}
    kept.add("2023-09", [*TWO, record("2308.00001")], tables=["general_papers"])
    assert count(kept.file) == 3


def test_what_duckdb_refuses_to_write_is_a_named_error(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.add("2023-07", ONE)
    monkeypatch.setattr(views, "STORAGE_VERSION", "v0.0.0")
    with pytest.raises(DamagedArtifactError, match=r"warehouse\.duckdb cannot be written"):
        publish_views(kept.store)
    assert count(kept.file) == 1


def test_no_release_at_all_is_a_file_without_views(kept: Kept) -> None:
    publish_views(kept.store)
    assert kept.views() == set()


def test_an_older_file_is_replaced_even_while_it_is_read(kept: Kept) -> None:
    kept.add("2023-07", ONE)
    with duckdb.connect(str(kept.file), read_only=True) as reader:
        kept.add("2023-08", TWO)
        assert reader.sql("select count(*) from astro_ph_papers_latest").fetchall() == [(1,)]
        with pytest.raises(duckdb.CatalogException):
            reader.sql("from papers_by_month_2023_08")
    assert count(kept.file) == count(kept.file, "papers_by_subfield_2023_08") == 2
    assert [p.name for p in kept.root.iterdir() if p.is_file()] == ["warehouse.duckdb"]


READER = """
import sys, duckdb
for line in sys.stdin:
    with duckdb.connect(sys.argv[1], read_only=True) as connection:
        n = connection.sql("select count(*) from astro_ph_papers_latest").fetchall()[0][0]
        m = connection.sql("select sum(n_rows) from papers_by_month_latest").fetchall()[0][0]
        print(n, m, flush=True)
"""


def test_another_process_reads_whole_views_while_this_one_writes(kept: Kept) -> None:
    kept.add("2023-08", TWO)
    command = [sys.executable, "-c", READER, str(kept.file)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdin and reader.stdout
        for _ in range(8):
            reader.stdin.write("\n")
            reader.stdin.flush()
            publish_views(kept.store)  # while it opens and reads
            assert reader.stdout.readline() == "2 3\n"
        reader.stdin.close()
    assert reader.returncode == 0


@pytest.mark.parametrize("suffix", ["a b", 'x" as select 1; --', "", "Über"])
def test_names_that_are_no_identifiers_are_refused(tmp_path: Path, suffix: str) -> None:
    views = ReleaseViews(suffix, {f"no name {suffix}": []})
    with pytest.raises((ValueError, KeyError)):
        write_views(tmp_path / "warehouse.duckdb", [views])
    with pytest.raises(ValueError, match="no table name"):
        write_views(
            tmp_path / "warehouse.duckdb", [ReleaseViews(f"{suffix}'", {"general_papers": []})]
        )
    assert not list(tmp_path.iterdir())


def test_the_questions_of_the_readme_are_answered(kept: Kept) -> None:
    text = (SQL_FOLDER / "README.md").read_text()
    questions = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    assert len(questions) == 5
    withdrawn = record("2306.00009", abstract="nine", comments="This paper has been withdrawn")
    kept.add("2023-07", [*ONE, record("2306.00009", abstract="nine")])
    kept.add("2023-08", [*TWO, withdrawn])
    answers = [kept.rows(question) for question in questions]
    assert all(answers)
    assert answers[0][0] == {
        "submission_month": "2023-07", "category": "astro-ph.GA", "papers": 2, "papers_first": 2
    }  # fmt: skip
    assert [row["change"] for row in answers[3]] == ["withdrawn"]
