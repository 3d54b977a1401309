import pytest

from astro_assets.ingest.records import RECORD_SCHEMA
from astro_assets.warehouse.contracts import ASTRO_PH_PAPERS, SNAPSHOT_KEYS
from astro_assets.warehouse.lineage import SourceColumn, column_lineage
from astro_assets.warehouse.sql import load_project


@pytest.fixture(scope="module")
def columns() -> dict[str, tuple[SourceColumn, ...]]:
    return column_lineage("astro_ph_papers", load_project())


def test_every_column_comes_from_records_and_from_the_snapshot(
    columns: dict[str, tuple[SourceColumn, ...]],
) -> None:
    known = {("records", n) for n in RECORD_SCHEMA.names}
    known |= {("snapshot_rows", c.name) for c in ASTRO_PH_PAPERS.columns}
    known |= {("snapshot_keys", c.name) for c in SNAPSHOT_KEYS.columns}
    assert list(columns) == [c.name for c in ASTRO_PH_PAPERS.columns]
    for sources in columns.values():
        assert {"records"} < {source for source, _ in sources}
        assert set(sources) <= known


def test_lineage_follows_the_computation(columns: dict[str, tuple[SourceColumn, ...]]) -> None:
    assert columns["id"] == (("records", "id"), ("snapshot_rows", "id"))
    assert columns["side"] == (
        ("records", "id"),
        ("snapshot_keys", "id"),
        ("snapshot_keys", "side"),
    ), "id and salt alone"
    assert ("records", "versions") in columns["submission_month"]
    assert ("records", "comments") in columns["excluded_because"]
    assert ("records", "comments") not in columns["text_sha256"]
    assert ("records", "datestamp") in columns["update_date"]
