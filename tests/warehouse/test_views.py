from pathlib import Path

import duckdb
import pytest

from astro_assets.warehouse.contracts import ASTRO_PH_PAPERS
from astro_assets.warehouse.views import STORAGE_VERSION, write_views
from tests.builders import record
from tests.warehouse.tables import shard_paths, snapshot


def test_views_read_the_shards_and_hold_no_data(tmp_path: Path) -> None:
    folder = tmp_path / "it's a home"
    built = snapshot(folder, [record(), record("2307.00002", abstract="two")])
    path = tmp_path / "warehouse.duckdb"
    write_views(path, {"astro_ph_papers": shard_paths(built), "general_papers": []})
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.sql("select count(*) from astro_ph_papers").fetchall() == [(2,)]
        empty = connection.sql("from general_papers")
        assert empty.columns == [c.name for c in ASTRO_PH_PAPERS.columns]
        assert [str(t) for t in empty.types] == [c.type for c in ASTRO_PH_PAPERS.columns]
        assert empty.fetchall() == []
        assert connection.sql("select count(*) from duckdb_tables()").fetchall() == [(0,)]
        tags = connection.sql(
            "select tags['storage_version'] from duckdb_databases() where not internal"
        ).fetchall()
        assert STORAGE_VERSION[:4] in tags[0][0]


def test_an_older_file_is_replaced_even_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    first = snapshot(tmp_path / "a", [record()])
    second = snapshot(tmp_path / "b", [record(), record("2307.00002", abstract="two")])
    write_views(path, {"papers": shard_paths(first)})
    with duckdb.connect(str(path), read_only=True) as reader:
        write_views(path, {"papers": shard_paths(second)})
        assert reader.sql("select count(*) from papers").fetchall() == [(1,)]
    with duckdb.connect(str(path), read_only=True) as reader:
        assert reader.sql("select count(*) from papers").fetchall() == [(2,)]
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["warehouse.duckdb"]


@pytest.mark.parametrize("name", ["a b", 'x" as select 1; --', "", "Über"])
def test_names_that_are_no_identifiers_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no table name"):
        write_views(tmp_path / "warehouse.duckdb", {name: []})
    assert not (tmp_path / "warehouse.duckdb").exists()
