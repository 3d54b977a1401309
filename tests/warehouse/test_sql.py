from pathlib import Path

import pytest

from astro_assets.warehouse.sql import (
    SqlModelError,
    load_data_tests,
    load_project,
)

HEADER = "-- grain: one row per thing\n-- key: id\n-- kept: table\n-- why: because\n--   it must\n"


def write(folder: Path, name: str, sql: str, header: str = HEADER) -> None:
    path = folder / f"{name}.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(header + sql)


def test_order_puts_each_model_after_what_it_refers_to(tmp_path: Path) -> None:
    write(tmp_path, "a/last", "select * from {{ ref('middle') }} join {{ ref('first') }}")
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
    assert model.parameters == ("yes",)
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
    project = load_project()
    assert {"astro_ph_papers", "general_papers", "month_contents"} <= project.models.keys()
    assert [m.name for m in project.order("record_outcomes")] == [
        "stg_records",
        "stg_snapshot_keys",
        "record_outcomes",
    ]
    assert {t.name for t in load_data_tests(project)} >= {"unique_ids", "texts_on_one_side"}


def test_files_need_a_column_to_be_partitioned_by(tmp_path: Path) -> None:
    write(tmp_path, "one", "select 1 as x", HEADER.replace("table", "files"))
    with pytest.raises(SqlModelError, match="lacks 'partition'"):
        load_project(tmp_path)
