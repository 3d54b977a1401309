from pathlib import Path

import pyarrow as pa
import pytest

from astro_assets.warehouse.runner import open_runner
from astro_assets.warehouse.sql import Outside, Project, load_project

HEADER = "-- grain: g\n-- key: n\n-- why: w\n-- kept: {kept}\n-- index: part\n"
NUMBERS = pa.table(
    {"n": pa.array(range(10_000)), "part": pa.array([str(i // 4_000) for i in range(10_000)])}
)


def project(folder: Path, kept: str) -> Project:
    (folder / "base.sql").write_text(
        HEADER.format(kept=kept) + "select n, part from {{ source('numbers') }} where n < $below"
    )
    (folder / "total.sql").write_text(
        HEADER.format(kept="view") + "select sum(n)::bigint as total from {{ ref('base') }}"
    )
    return load_project(folder, outside=Outside(frozenset({"numbers"}), frozenset({"below"})))


@pytest.mark.parametrize("kept", ["table", "spool"])
@pytest.mark.parametrize(("below", "total"), [(10_000, 49_995_000), (3, 3), (0, None)])
def test_a_reader_is_read_once_and_its_model_as_often_as_needed(
    tmp_path: Path, kept: str, below: int, total: int | None
) -> None:
    models = project(tmp_path, kept)
    with open_runner(models, parameters={"below": below}, scratch_folder=tmp_path) as runner:
        runner.add_source("numbers", NUMBERS.to_reader(max_chunksize=500))
        runner.build("total")
        assert runner.rows("select total from total") == [{"total": total}]
        assert runner.rows("select count(*) as n from base")[0]["n"] == below
        assert runner.stream("select n from base where n < $x", x=2).read_all().num_rows <= 2


def test_what_was_spilled_is_gone_afterwards(tmp_path: Path) -> None:
    models = project(tmp_path, "spool")
    scratch = tmp_path / "it's scratch"
    scratch.mkdir()
    with open_runner(models, parameters={"below": 9}, scratch_folder=scratch) as runner:
        runner.add_source("numbers", NUMBERS)
        runner.build("total")
        assert list(scratch.rglob("*.arrow"))
    assert not list(scratch.iterdir())


def test_values_are_bound_and_never_pasted(tmp_path: Path) -> None:
    with open_runner(project(tmp_path, "table")) as runner:
        hostile = "x'; drop table base; --"
        assert runner.rows("select $text as text", text=hostile) == [{"text": hostile}]
