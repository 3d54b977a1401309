from pathlib import Path

import pyarrow as pa
import pytest

from astro_assets.warehouse import spool
from astro_assets.warehouse.spool import Spool

SCHEMA = pa.schema([("ordinal", pa.int64()), ("month", pa.string()), ("text", pa.string())])


def _batch(*months: str | None) -> pa.RecordBatch:
    columns = [[7] * len(months), list(months), [f"of {month}" for month in months]]
    return pa.RecordBatch.from_arrays(
        [pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )


@pytest.fixture
def filled(tmp_path: Path) -> Spool:
    made = Spool(tmp_path / "a.arrow", SCHEMA, numbered="ordinal", index="month")
    for months in (("2023-01", "2023-02"), (), ("2023-02",), ("2023-03", None)):
        made.append(_batch(*months))
    made.finish()
    return made


def test_rows_are_numbered_as_they_came(filled: Spool) -> None:
    assert filled.n_rows == 5
    assert filled.table()["ordinal"].to_pylist() == [0, 1, 2, 3, 4]
    assert filled.table()["text"].to_pylist()[0] == "of 2023-01"


@pytest.mark.parametrize(
    ("months", "places"),
    [({"2023-02"}, [0, 1, 2]), ({"2023-03"}, [3, 4]), ({"1999-01"}, []), (set(), [])],
)
def test_batches_without_a_wanted_value_are_left_out(
    filled: Spool, months: set[str], places: list[int]
) -> None:
    assert filled.table(months)["ordinal"].to_pylist() == places
    assert filled.table(months).schema == SCHEMA


def test_a_batch_with_too_many_values_may_hold_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "_LARGEST_INDEX", 1)
    made = Spool(tmp_path / "a.arrow", SCHEMA, numbered=None, index="month")
    made.append(_batch("2023-01", "2023-02"))
    made.append(_batch("2023-01"))
    made.finish()
    assert made.table({"2023-09"}).num_rows == 2
    assert made.table()["ordinal"].to_pylist() == [7, 7, 7]


def test_a_spool_of_nothing_has_its_columns(tmp_path: Path) -> None:
    made = Spool(tmp_path / "a.arrow", SCHEMA, numbered="ordinal", index="month")
    made.finish()
    assert made.table().schema == SCHEMA
    assert made.table({"2023-01"}).num_rows == 0
