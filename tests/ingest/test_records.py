import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    version = {"version": "v1", "created": None, "source_type": None}
    assert batch.column("versions").to_pylist() == [[version], None]


def test_an_empty_batch_has_the_schema_too():
    assert pa.Table.from_batches([to_batch([])]).schema == RECORD_SCHEMA


PROPERTY = settings(max_examples=300, deadline=None, derandomize=True)
ANY_TEXT = st.text(st.characters(codec=None), max_size=8)  # lone surrogates and NUL among it
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats()  # NaN and infinities, which Python writes though JSON has none
    | ANY_TEXT
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)
FIELDS = (*KAGGLE_FIELDS, "datestamp", "is_deleted", "something else")
VERSIONS = st.lists(
    st.dictionaries(st.sampled_from(["version", "created", "source_type", "x"]), ANY_TEXT | VALUES)
    | VALUES,
    max_size=3,
)


def _is_decoded_or_none_and_fits_a_batch(line):
    decoded = decode_line(line)
    if decoded is None:
        return
    batch = to_batch([decoded])
    batch.validate(full=True)
    assert batch.schema == RECORD_SCHEMA
    assert batch.column("id").to_pylist() == [decoded.id]


@PROPERTY
@given(st.binary(max_size=60))
def test_any_bytes_are_a_record_or_none(line):
    _is_decoded_or_none_and_fits_a_batch(line)


@PROPERTY
@given(value=VALUES, ascii_only=st.booleans())
def test_any_json_value_is_a_record_or_none(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only)
    _is_decoded_or_none_and_fits_a_batch(text.encode(errors="surrogatepass"))


@PROPERTY
@given(
    wrong=st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=3),
    versions=st.none() | VERSIONS,
    ascii_only=st.booleans(),
)
def test_a_record_with_any_fields_is_a_record_or_none(wrong, versions, ascii_only):
    fields = {**record(), "versions": versions, **wrong}
    text = json.dumps(fields, ensure_ascii=ascii_only)
    _is_decoded_or_none_and_fits_a_batch(text.encode(errors="surrogatepass"))


@PROPERTY
@given(places=st.lists(st.integers(0, 500), max_size=4), bytes_=st.binary(min_size=4, max_size=4))
def test_a_record_with_damaged_bytes_is_a_record_or_none(places, bytes_):
    line = bytearray(json.dumps(record()).encode())
    for place, byte in zip(places, bytes_, strict=False):
        line[place % len(line)] = byte
    _is_decoded_or_none_and_fits_a_batch(bytes(line))


@pytest.mark.parametrize("value", ["[" * 50_000, '{"a":' * 50_000, "1" * 50_000, "-" + "9" * 400])
@pytest.mark.parametrize("field", ["title", "versions", "something else"])
def test_deep_nesting_and_long_numbers_are_a_record_or_none(field, value):
    _is_decoded_or_none_and_fits_a_batch(f'{{"id": "x", "{field}": {value}}}'.encode())
    closed = value + "]" * value.count("[") + "1" * value.count(":") + "}" * value.count("{")
    _is_decoded_or_none_and_fits_a_batch(f'{{"id": "x", "{field}": {closed}}}'.encode())


@pytest.mark.parametrize("escape", ["\\ud800", "\\udfff", "\\udc00\\ud800", "\\ud800x"])
@pytest.mark.parametrize("field", ["id", "title", "versions"])
def test_half_a_surrogate_pair_breaks_the_line(field, escape):
    value = f'[{{"created": "{escape}"}}]' if field == "versions" else f'"{escape}"'
    assert decode_line(f'{{"id": "x", "{field}": {value}}}'.encode()) is None


def test_a_null_character_comes_through():
    decoded = decode_line(b'{"id": "a\\u0000b", "title": "\\u0000"}')
    assert decoded is not None
    row = to_batch([decoded]).to_pylist()[0]
    assert (row["id"], row["title"]) == ("a\0b", "\0")
