import msgspec
import pyarrow as pa

from astro_assets.ingest.records import RECORD_SCHEMA, Record, Version, to_batch
from tests.builders import decoded, record

KAGGLE_FIELDS = [
    "id", "submitter", "authors", "title", "comments", "journal-ref", "doi", "report-no",
    "categories", "license", "abstract", "versions", "update_date", "authors_parsed",
]  # fmt: skip


def test_the_builder_makes_the_fourteen_fields_in_order():
    assert list(record()) == KAGGLE_FIELDS


def test_a_record_has_kaggles_names_as_json():
    made = decoded(record("0704.0001", journal_ref="J 1", report_no="R"))
    assert (made.id, made.journal_ref, made.report_no) == ("0704.0001", "J 1", "R")
    assert made.versions == [Version("v1", "Mon, 3 Jul 2023 19:18:42 GMT")]
    assert (made.datestamp, made.is_deleted) == (None, False)
    written = msgspec.json.decode(msgspec.json.encode(made))
    assert written["journal-ref"] == "J 1"


def test_a_batch_has_the_schema_and_keeps_the_order():
    batch = to_batch([Record(id="b", versions=[Version("v1", None)]), Record(id="a", title="T")])
    assert batch.schema == RECORD_SCHEMA
    assert batch.column("id").to_pylist() == ["b", "a"]
    assert batch.column("title").to_pylist() == [None, "T"]
    version = {"version": "v1", "created": None, "source_type": None}
    assert batch.column("versions").to_pylist() == [[version], None]


def test_an_empty_batch_has_the_schema_too():
    assert pa.Table.from_batches([to_batch([])]).schema == RECORD_SCHEMA
