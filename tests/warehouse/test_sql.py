import json
from pathlib import Path

import duckdb
import pytest

from astro_assets.ingest.records import RECORD_SCHEMA
from astro_assets.warehouse import counts
from astro_assets.warehouse.contracts import CONTRACTS
from astro_assets.warehouse.inputs import EARLIER, PARAMETERS, RECORD_COLUMNS, SOURCES, TABLES
from astro_assets.warehouse.sql import (
    Outside,
    Project,
    SqlModelError,
    load_data_tests,
)
from astro_assets.warehouse.sql import load_project as load
from astro_assets.warehouse.sql_statement import LOOKS_OUTSIDE
from astro_assets.warehouse.values import REASONS

HEADER = "-- grain: one row per thing\n-- key: id\n-- kept: table\n-- why: because\n--   it must\n"


OUTSIDE = Outside(frozenset({"raw"}), frozenset({"yes"}))


def load_project(folder: Path) -> Project:
    return load(folder, outside=OUTSIDE)


def write(folder: Path, name: str, sql: str, header: str = HEADER) -> None:
    path = folder / f"{name}.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(header + sql)


def test_order_puts_each_model_after_what_it_refers_to(tmp_path: Path) -> None:
    write(tmp_path, "a/last", "from {{ ref('middle') }}, {{ ref('first') }}")
    write(tmp_path, "b/middle", "select * from {{ ref('first') }}")
    write(tmp_path, "c/first", "select * from {{ source('raw') }}")
    write(tmp_path, "c/apart", "select 1")
    project = load_project(tmp_path)
    assert [m.name for m in project.order("last")] == ["first", "middle", "last"]
    assert [m.name for m in project.order("middle")] == ["first", "middle"]


def test_only_relations_are_replaced_and_comments_and_texts_are_left_alone(tmp_path: Path) -> None:
    sql = "select '{{ no }} $no' as x, $yes -- $neither {{ ref('nobody') }}\nfrom {{source('raw')}}"
    write(tmp_path, "one", sql)
    model = load_project(tmp_path).models["one"]
    assert model.render().endswith(
        "select '{{ no }} $no' as x, $yes -- $neither {{ ref('nobody') }}\nfrom \"source_raw\""
    )
    assert dict(model.parameters) == {"yes": 6}
    assert dict(model.sources) == {"raw": 7}
    assert model.header["why"] == "because it must"


def test_an_unknown_ref_is_named_with_its_line(tmp_path: Path) -> None:
    write(tmp_path, "one", "select *\nfrom {{ ref('gone') }}")
    with pytest.raises(SqlModelError, match=r"one\.sql:7: ref\('gone'\)"):
        load_project(tmp_path)


def test_a_circle_is_named_with_its_line(tmp_path: Path) -> None:
    write(tmp_path, "one", "select * from {{ ref('two') }}")
    write(tmp_path, "two", "select 1,\n* from {{ ref('one') }}")
    with pytest.raises(SqlModelError, match=r"\.sql:[67]: .*circle: (one -> two|two -> one)"):
        load_project(tmp_path)


def test_a_name_used_twice_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a/one", "select 1")
    write(tmp_path, "b/one", "select 2")
    with pytest.raises(SqlModelError, match=r"b/one\.sql:1: .*taken by .*a/one\.sql"):
        load_project(tmp_path)


@pytest.mark.parametrize(
    ("header", "sql", "message"),
    [
        ("-- grain: g\n-- key: k\n-- kept: table\n", "select 1", r"lacks 'why'"),
        (HEADER.replace("table", "somewhere"), "select 1", r"kept is 'somewhere'"),
        (HEADER.replace("table", "view"), "select $x", r"view cannot have the parameter \$x"),
        (HEADER, "select {{ var('x') }}", r"one\.sql:6: .*is not understood"),
        (HEADER, "{% if x %}", r"one\.sql:6: .*is not understood"),
    ],
)
def test_what_cannot_be_used_is_refused(
    tmp_path: Path, header: str, sql: str, message: str
) -> None:
    write(tmp_path, "one", sql, header)
    with pytest.raises(SqlModelError, match=message):
        load_project(tmp_path)


def test_the_bundled_models_and_data_tests_load() -> None:
    project = load()
    assert {"astro_ph_papers", "general_papers", "month_contents"} <= project.models.keys()
    assert [m.name for m in project.order("record_outcomes")] == [
        "stg_records",
        "stg_snapshot_keys",
        "record_outcomes",
    ]
    assert {t.name for t in load_data_tests(project)} >= {"tables_disjoint", "texts_on_one_side"}


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (
            "select *\nfrom {{ source('cooked') }}",
            r"one\.sql:7: source\('cooked'\) is declared nowhere",
        ),
        ("select 1,\n\n$no", r"one\.sql:8: \$no is a parameter that nobody binds"),
        ("select $1", r"one\.sql:6: \$1 is a parameter that nobody binds"),
        ("select ?", r"one\.sql:6: the parameter 1 has no name"),
        ("select 1; select 2", r"one\.sql:1: the file holds 2 statements"),
        ("-- nothing", r"one\.sql:1: the file holds 0 statements"),
        ("create table x as select 1", r"one\.sql:6: .*Only SELECT"),
        ("insert into {{ ref('other') }} values (1)", r"one\.sql:6: .*Only SELECT"),
        ("delete from {{ ref('other') }}", r"one\.sql:6: .*Only SELECT"),
        ("copy (select 1) to 'x.csv'", r"one\.sql:6: .*Only SELECT"),
        ("pragma version", r"one\.sql:6: .*Only SELECT"),
        ("attach 'x.duckdb'", r"one\.sql:6: .*Only SELECT"),
        ("set threads = 1", r"one\.sql:6: .*Only SELECT"),
        ("select 1\ninto x", r"one\.sql:7: DuckDB cannot read it"),
        ("select 1\nfrom from x", r"one\.sql:7: DuckDB cannot read it"),
        ("describe {{ ref('other') }}", r"one\.sql:6: SHOW REF is no SELECT"),
        ("with x as (\ninsert into y values (1) returning *) from x", r"INSERT QUERY is no SELECT"),
        ("select *\nfrom stg_records", r"one\.sql:7: 'stg_records' is read and not declared"),
        ("select *\nfrom main.other", r"one\.sql:7: 'main.other' is read"),
        ("select 1 where 1 in (\nselect 1 from 'x.csv')", r"one\.sql:7: 'x.csv' is read"),
        ("select é,\n* from read_csv('/etc/passwd')", r"one\.sql:7: read_csv\(…\) reads"),
        ("select * from query_table('x')", r"one\.sql:6: query_table\(…\) reads"),
        (
            "with a as (select 1), b as (select 1 from c) select * from a",
            r"one\.sql:6: 'c' is read",
        ),
        ("select * from (with a as (select 1) from a), a", r"one\.sql:6: 'a' is read"),
        ("with Other as (select 1) from {{ ref('other') }}", r"WITH other hides"),
        ("with p as (\nselect * from P) select * from p", r"one\.sql:7: 'P' is read"),
        ("with 'x.csv' as (from 'x.csv') from 'x.csv'", r"one\.sql:6: 'x.csv' is read"),
        ("with a as (from b), b as (select 1) from a", r"one\.sql:6: 'b' is read"),
        ("with recursive a as (from b), b as (select 1) from a", r"one\.sql:6: 'b' is read"),
        ("with recursive p as (select * from p) from p", r"one\.sql:6: 'p' is read"),
        (
            "with recursive p as (select * from p union all select 1 where false) from p",
            r"one\.sql:6: 'p' is read",
        ),
        ("with a as (with b as (from b) from b) from a", r"one\.sql:6: 'b' is read"),
        ("with a as (with b as (select 1) from b) from b", r"one\.sql:6: 'b' is read"),
        ('with "main.x" as (select 1) from main.x', r"one\.sql:6: 'main.x' is read"),
        ("select 1,\ngetenv('HOME')", r"one\.sql:7: getenv\(…\) looks at what is not declared"),
        ("select 'HOME'.GetEnv()", r"one\.sql:6: getenv\(…\) looks"),
        ("select system.main.current_setting('threads')", r"current_setting\(…\) looks"),
        ("select * from range(3) order by nextval('s')", r"nextval\(…\) looks"),
        ("select [currval('s')][1]", r"currval\(…\) looks"),
        ("select read_text('/etc/passwd')", r"read_text\(…\) looks"),
        ("select read_blob('/etc/passwd')", r"read_blob\(…\) looks"),
        ("select glob('/etc/*')", r"glob\(…\) looks"),
        ("select getvariable('x') where random() < 1", r"getvariable\(…\) looks"),
        ("select 1 where now() > $yes", r"now\(…\) looks"),
        ("select 1,\ncurrent_date", r"one\.sql:7: current_date\(…\) looks"),
        ("select count(*) filter (random() < 0.5)", r"random\(…\) looks"),
        ("from (values (uuid())) as v(x)", r"uuid\(…\) looks"),
        ("with source_raw as (select 1) from {{ source('raw') }}", r"WITH source_raw hides"),
        ("select * from {{ this() }}", r"one\.sql:6: a model has no this"),
        ("select * from {{ ref(\n'other') }}", r"one\.sql:6: .*is not understood"),
    ],
)
def test_what_is_not_one_select_of_declared_relations_is_refused_with_its_line(
    tmp_path: Path, sql: str, message: str
) -> None:
    write(tmp_path, "other", "select 1 as x")
    write(tmp_path, "one", sql)
    with pytest.raises(SqlModelError, match=message):
        load_project(tmp_path)


@pytest.mark.parametrize(
    "sql",
    [
        "with a as (select 1 as x), b as (from A) select * from b, {{ ref('other') }}",
        "with recursive r as (select 1 as n union all select n + 1 from r where n < 3) from r",
        "with a as (select 1 as x), b as (with a as (from a) from a) select * from b, a",
        "with a as (select 1 as x) select (select max(x) from a) from (with b as (from a) from b)",
        "with a as (select 1 as x), recursive_one as materialized (from a) from recursive_one",
        "select n.current_date, now from (select 1 as current_date, 2 as now) as n",
        "select 'x' glob 'a*', split_part('a b', ' ', 1), if(true, 1, 2), error('no') where false",
        "from {{ source('raw') }} select unnest([1, 2]), $yes",
        "select * from range(3), (values (1)) as v(x)",
        "select list_transform([1], lambda q: q + 1)",
        "select 1 union all (select 2 order by all limit 1)",
        "select 'from nowhere; select 2' as \"{{ x\";",
    ],
)
def test_what_is_one_select_of_declared_relations_is_taken(tmp_path: Path, sql: str) -> None:
    write(tmp_path, "other", "select 1 as x")
    write(tmp_path, "one", sql)
    assert "one" in load_project(tmp_path).models


def test_every_function_that_may_answer_otherwise_another_time_is_refused() -> None:
    with duckdb.connect() as connection:
        found = connection.sql(
            "select distinct function_name from duckdb_functions() "
            "where function_type = 'scalar' and stability <> 'CONSISTENT'"
        ).fetchall()
    about_values = {"error", "stats", "vector_type"}
    assert {name for (name,) in found} - about_values <= LOOKS_OUTSIDE
    assert not LOOKS_OUTSIDE & about_values


def test_a_parameter_of_a_view_is_named_with_its_line(tmp_path: Path) -> None:
    write(tmp_path, "one", "select\n$yes", HEADER.replace("table", "view"))
    with pytest.raises(SqlModelError, match=r"one\.sql:7: a view cannot have"):
        load_project(tmp_path)


@pytest.mark.parametrize(
    ("header", "sql", "message"),
    [
        ("-- why: w\n", "select * from {{ this() }}", r"one\.sql:2: this\(\) and the header's"),
        ("-- why: w\n-- tables: other\n", "select 1", r"one\.sql:1: this\(\) and the header's"),
        ("-- why: w\n-- tables: gone\n", "from {{ this() }}", r"one\.sql:1: tables names 'gone'"),
        ("-- why: w\n-- severity: low\n", "select 1", r"one\.sql:1: severity is 'low'"),
        ("-- why: w\n", "from {{ ref('gone') }}", r"one\.sql:2: ref\('gone'\)"),
        ("-- why: w\n", "from {{ source('records') }}", r"one\.sql:2: source\('records'\)"),
        ("-- why: w\n", "select $salt", r"one\.sql:2: \$salt"),
        ("-- why: w\n", "from other", r"one\.sql:2: 'other' is read"),
        ("-- grain: g\n", "select 1", r"one\.sql:1: the header lacks 'why'"),
    ],
)
def test_a_data_test_that_cannot_be_used_is_refused(
    tmp_path: Path, header: str, sql: str, message: str
) -> None:
    write(tmp_path / "models", "other", "select 1 as x")
    write(tmp_path / "tests", "one", sql, header)
    project = load_project(tmp_path / "models")
    with pytest.raises(SqlModelError, match=message):
        load_data_tests(project, tmp_path / "tests")


def test_a_data_test_can_look_at_one_table_after_the_other(tmp_path: Path) -> None:
    write(tmp_path / "models", "other", "select 1 as x")
    header = "-- why: w\n-- tables: other, snapshot_papers\n-- severity: warn\n"
    write(tmp_path / "tests", "one", "from {{ this() }} where x > $release", header)
    (test,) = load_data_tests(load_project(tmp_path / "models"), tmp_path / "tests")
    assert test.tables == ("other", "snapshot_papers") and not test.blocks
    assert 'from "other" where' in test.render(this="other")


def test_models_over_tables_need_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, "base", "from {{ source('raw') }}")
    write(tmp_path, "one", "from {{ ref('base') }}")
    write(tmp_path, "two", "from {{ ref('one') }} join {{ ref('base') }} using (x)")
    write(tmp_path, "bound", "select $yes from {{ ref('base') }}")
    write(tmp_path, "elsewhere", "from {{ ref('base') }} join {{ source('raw') }} using (x)")
    write(tmp_path, "behind", "from {{ ref('bound') }}")
    project = load_project(tmp_path)
    over = project.over({"base"})
    assert [model.name for model in over.order("two")] == ["one", "two"]
    assert over.models.keys() == {"one", "two"}
    assert over.leaves_of(over.models["two"]) == {"base"}
    assert project.over({"base"}, sources={"raw"}).models.keys() == {"one", "two", "elsewhere"}


def test_what_is_declared_is_what_there_is() -> None:
    project = load()
    used = {name for model in project.models.values() for name in model.sources}
    bound = {name for model in project.models.values() for name in model.parameters}
    assert used == set(SOURCES), "a source nobody reads, or none declares"
    assert bound == set(PARAMETERS)
    assert [c.name for c in RECORD_COLUMNS] == RECORD_SCHEMA.names
    assert [c.nullable for c in RECORD_COLUMNS] == [f.nullable for f in RECORD_SCHEMA]
    assert counts.REASONS == REASONS
    assert set(EARLIER.values()) == set(TABLES[1:])


def test_every_mart_has_a_contract_with_its_key() -> None:
    project = load()
    marts = {name: m for name, m in project.models.items() if m.path.parent.name == "marts"}
    assert marts.keys() == CONTRACTS.keys() - {"snapshot_papers", "snapshot_keys"}
    for name, model in marts.items():
        assert model.header["key"].split(", ") == list(CONTRACTS[name].key), name


def test_loading_again_parses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    load()
    monkeypatch.setattr(duckdb, "connect", None)
    monkeypatch.setattr(json, "loads", None)
    load()
