from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from astro_assets.warehouse.contracts import SNAPSHOT_KEYS
from astro_assets.warehouse.snapshot_papers import KEYS_FILE, write_keys
from tests.builders import record
from tests.warehouse.tables import shard_paths, snapshot


def test_keys_are_the_key_columns_of_the_shards(tmp_path: Path) -> None:
    records = [record("2307.00001"), record("2306.00001", versions=None, abstract="two")]
    general = record("2307.00002", categories="math.CO", abstract="three")
    withdrawn = record("2307.00003", comments="withdrawn")
    built = snapshot(tmp_path, [*records, general, withdrawn])
    keys = pl.read_parquet(tmp_path / KEYS_FILE)
    shards = pl.read_parquet(shard_paths(built)).sort("submission_month", "id")
    assert keys.equals(shards.select(keys.columns))
    assert KEYS_FILE in built.files


def test_batches_leave_no_trace_in_the_file(tmp_path: Path) -> None:
    n = 120_000
    constant = {"side": "train", "is_astro": True, "is_primary": False}
    schema = SNAPSHOT_KEYS.arrow_schema
    columns = [
        pa.array(
            [f"2307.{i:06d}" for i in range(n)]
            if schema.field(name).type == pa.string() and name not in constant
            else [constant.get(name)] * n,
            schema.field(name).type,
        )
        for name in schema.names
    ]
    table = pa.Table.from_arrays(columns, schema=schema)
    for size in (n, 7_777, 50_000):
        write_keys(tmp_path / str(size), table.to_reader(max_chunksize=size), schema)
    first, *others = ((tmp_path / str(size)).read_bytes() for size in (n, 7_777, 50_000))
    assert all(other == first for other in others)
    assert pq.read_table(tmp_path / str(n)).equals(table)
    assert pq.ParquetFile(tmp_path / str(n)).num_row_groups == 3
