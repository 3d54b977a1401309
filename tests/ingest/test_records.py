import json

import pyarrow as pa
import pytest

from astro_assets.ingest.records import RECORD_SCHEMA, Record, Version, decode_line, to_batch
from tests.builders import record

KAGGLE_FIELDS = [
    "id", "submitter", "authors", "title", "comments", "journal-ref", "doi", "report-no",
    "categories", "license", "abstract", "versions", "update_date", "authors_parsed",
]  # fmt: skip


def _line(**fields):
    return json.dumps(fields).encode()


def test_the_builder_makes_the_fourteen_fields_in_order():
    assert list(record()) == KAGGLE_FIELDS


def test_a_full_line_becomes_a_record():
    decoded = decode_line(
        json.dumps(record("0704.0001", journal_ref="J 1", report_no="R")).encode()
    )
    assert decoded is not None
    assert (decoded.id, decoded.journal_ref, decoded.report_no) == ("0704.0001", "J 1", "R")
    assert decoded.versions == [Version("v1", "Mon, 3 Jul 2023 19:18:42 GMT")]
    assert decoded.datestamp is None


def test_missing_and_null_fields_are_none():
    assert decode_line(_line(id="x")) == Record(id="x")
    assert decode_line(_line(**{**dict.fromkeys(KAGGLE_FIELDS), "id": "x"})) == Record(id="x")


def test_control_characters_mojibake_and_blanks_pass_as_they_came():
    text = "  a\x0bb \u00e2\u0080\u0099 $x \n"
    decoded = decode_line(_line(id="x", abstract=text))
    assert decoded is not None
    assert decoded.abstract == text


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"not json",
        b'{"id": "x"',
        b"[]",
        b"null",
        b'{"title": "no id"}',
        b'{"id": null}',
        b'{"id": "  "}',
        b'{"id": 704.0001}',
        b'{"id": "x", "title": 3}',
        b'{"id": "x", "versions": "v1"}',
        b'{"id": "x", "title": "\xff"}',
        b'{"id": "x", "title": "\\ud800"}',
        b'{"id": "x", "other": ' + b"[" * 100_000,
    ],
)
def test_a_broken_line_is_none(line):
    assert decode_line(line) is None


def test_a_batch_has_the_schema_and_keeps_the_order():
    batch = to_batch([Record(id="b", versions=[Version("v1", None)]), Record(id="a", title="T")])
    assert batch.schema == RECORD_SCHEMA
    assert batch.column("id").to_pylist() == ["b", "a"]
    assert batch.column("title").to_pylist() == [None, "T"]
    assert batch.column("versions").to_pylist() == [[{"version": "v1", "created": None}], None]


def test_an_empty_batch_has_the_schema_too():
    assert pa.Table.from_batches([to_batch([])]).schema == RECORD_SCHEMA
