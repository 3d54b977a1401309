import hashlib
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from astro_assets.errors import DamagedArtifactError
from astro_assets.warehouse import shards
from astro_assets.warehouse.contracts import ASTRO_PH_PAPERS, CONTRACTS
from tests.builders import record
from tests.warehouse.tables import rows, shard_paths, snapshot


@pytest.fixture
def shard(tmp_path: Path) -> tuple[Path, str]:
    records = [record(f"2307.{n:05d}", abstract=f"about {n}") for n in range(1, 30)]
    built = snapshot(tmp_path, records)
    return shard_paths(built)[0], built.facts["shards"][0]["content"]


def test_a_shard_is_named_by_month_and_content(shard: tuple[Path, str]) -> None:
    path, content = shard
    assert path.name == f"2023-07-{content[:16]}.parquet" == shards.file_name("2023-07", content)
    columns = (
        pq.read_table(path)[name].to_pylist() for name in ("row_sha256", "side", "excluded_because")
    )
    lines = (f"{row} {side} {reason or ''}" for row, side, reason in zip(*columns, strict=True))
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert digest == content, "SQL and Python agree"


def test_columns_and_types_are_the_declared_ones(shard: tuple[Path, str]) -> None:
    schema = pq.read_schema(shard[0])
    assert schema.equals(ASTRO_PH_PAPERS.arrow_schema)
    ASTRO_PH_PAPERS.check(schema, shard[0])


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (ASTRO_PH_PAPERS.arrow_schema.remove(3), "lacks the column 'abstract'"),
        (ASTRO_PH_PAPERS.arrow_schema.set(0, pa.field("id", pa.int64())), "'id' is int64"),
        (ASTRO_PH_PAPERS.arrow_schema.append(pa.field("x", pa.int8())), "unknown column 'x'"),
    ],
)
def test_other_columns_are_refused(tmp_path: Path, schema: pa.Schema, message: str) -> None:
    path = tmp_path / "2023-07-00.parquet"
    pq.write_table(schema.empty_table(), path)
    with pytest.raises(DamagedArtifactError, match=message):
        shards.read_table([path])


def test_no_shards_are_an_empty_table_with_all_columns() -> None:
    frame = shards.read_table([])
    assert frame.columns == ASTRO_PH_PAPERS.arrow_schema.names
    assert frame.schema["submitted_at"] == pl.Datetime("us", "UTC")


def test_months_are_cut_wherever_batches_end() -> None:
    months = ["2023-05"] * 3 + ["2023-06"] * 2 + ["2023-07"] * 4
    names = ASTRO_PH_PAPERS.arrow_schema.names
    full = pa.Table.from_pylist(
        [
            dict.fromkeys(names)
            | {
                "id": str(n),
                "categories": "c",
                "primary_category": "c",
                "submission_month": month,
                "is_primary": True,
                "is_astro": True,
                "side": "train",
                "row_sha256": str(n),
            }
            for n, month in enumerate(months)
        ],
        schema=ASTRO_PH_PAPERS.arrow_schema,
    )
    for size in (1, 2, 4, 9):
        cut = list(shards.by_month(full.to_reader(max_chunksize=size), ASTRO_PH_PAPERS))
        assert [(m, t["id"].to_pylist()) for m, t in cut] == [
            ("2023-05", ["0", "1", "2"]),
            ("2023-06", ["3", "4"]),
            ("2023-07", ["5", "6", "7", "8"]),
        ]


def test_every_contract_describes_every_column() -> None:
    for contract in CONTRACTS.values():
        assert all(column.description for column in contract.columns)
        assert len({column.name for column in contract.columns}) == len(contract.columns)


def test_a_table_is_read_in_month_then_id_order(tmp_path: Path) -> None:
    ids = ["2307.00002", "2301.00001", "2307.00001"]
    built = snapshot(tmp_path, [record(i, versions=None, abstract=i) for i in ids])
    assert list(rows(built)) == ["2301.00001", "2307.00001", "2307.00002"]
