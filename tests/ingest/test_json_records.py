"""What a line of JSON says: a record, or a broken line that takes nothing else with it."""

import json
import tempfile
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_assets.ingest.json_records import bounds
from astro_assets.ingest.lines import MAX_LINE_BYTES
from astro_assets.ingest.records import RECORD_SCHEMA
from astro_assets.ingest.snapshot import read_batches
from astro_assets.progress import NO_PROGRESS
from tests.builders import record

BEFORE, AFTER = json.dumps({"id": "before"}).encode(), json.dumps({"id": "after"}).encode()


def _read(line):
    """Return the row a line gives, or None; it stands between two whole ones."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "snapshot")
        path.write_bytes(b"\n".join([BEFORE, line, AFTER]))
        batches = list(read_batches(path, progress=NO_PROGRESS))
    table = pa.Table.from_batches(batches, RECORD_SCHEMA)
    table.validate(full=True)
    rows = table.to_pylist()
    assert [rows[0]["id"], rows[-1]["id"]] == ["before", "after"]
    assert len(rows) <= 3
    return rows[1] if len(rows) == 3 else None


def _line(**fields):
    return json.dumps(fields).encode()


def test_a_full_line_becomes_a_record():
    row = _read(_line(**record("0704.0001", journal_ref="J 1", report_no="R")))
    assert (row["id"], row["journal_ref"], row["report_no"]) == ("0704.0001", "J 1", "R")
    assert row["versions"] == [
        {"version": "v1", "created": "Mon, 3 Jul 2023 19:18:42 GMT", "source_type": None}
    ]
    assert (row["datestamp"], row["is_deleted"]) == (None, False)


def test_what_a_harvest_knows_besides_is_read_too():
    row = _read(
        _line(id="x", datestamp="2026-06-01", is_deleted=True, versions=[{"source_type": "I"}])
    )
    assert (row["datestamp"], row["is_deleted"]) == ("2026-06-01", True)
    assert row["versions"] == [{"version": None, "created": None, "source_type": "I"}]


def test_missing_and_null_fields_are_null():
    nothing = dict.fromkeys(RECORD_SCHEMA.names) | {"id": "x", "is_deleted": False}
    assert _read(_line(id="x")) == nothing
    assert _read(_line(**{**dict.fromkeys(record()), "id": "x"})) == nothing


def test_control_characters_mojibake_and_blanks_pass_as_they_came():
    text = "  a\x0bb \u00e2\u0080\u0099 $x \n"
    assert _read(_line(id="x", abstract=text))["abstract"] == text


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b'{"id": "x"',
        b"[]",
        b"null",
        b"3",
        b'{"title": "no id"}',
        b'{"id": null}',
        b'{"id": ""}',
        b'{"id": 1704.00010}',
        b'{"id": "x"}{"id": "y"}',
        b'{"id": "x"} and more',
        b'{"id": "x", "title": "\xff"}',
        b'{"id": "x", "title": "\\ud800"}',
        b'{"id": "x", "title": "a\x01b"}',
        b'{"id": "x", "other": ' + b"[" * 100_000,
    ],
)
def test_a_broken_line_is_left_out(line):
    assert _read(line) is None


@pytest.mark.parametrize("value", ["yes", "true", 1, [True], None, False])
def test_a_paper_is_deleted_by_true_alone(value):
    assert _read(_line(id="x", is_deleted=value))["is_deleted"] is False


def test_an_id_is_decoded_like_any_text():
    assert _read(b'{"id": "astro-ph\\/92040\\u0030\\u0031"}')["id"] == "astro-ph/9204001"


def test_a_machine_with_many_cores_is_not_used_up(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 128)
    with duckdb.connect(config=bounds()) as connection:
        (threads,) = connection.execute("select current_setting('threads')").fetchone()
    assert threads * 2 * MAX_LINE_BYTES <= 128 << 20


@pytest.mark.parametrize(
    ("field", "value", "read"),
    [("title", 3, "3"), ("title", {"a": [1]}, '{"a":[1]}'), ("versions", "v1", None)],
)
def test_a_field_of_another_kind_does_not_lose_the_paper(field, value, read):
    assert _read(_line(id="x", **{field: value}))[field] == read


PROPERTY = settings(max_examples=100, deadline=None, derandomize=True)
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
FIELDS = (*record(), "datestamp", "is_deleted", "something else")
VERSIONS = st.lists(
    st.dictionaries(st.sampled_from(["version", "created", "source_type", "x"]), ANY_TEXT | VALUES)
    | VALUES,
    max_size=3,
)


def _is_read_or_left_out(line):
    _read(line.replace(b"\n", b" "))


@PROPERTY
@given(st.binary(max_size=60))
def test_any_bytes_are_a_record_or_none(line):
    _is_read_or_left_out(line)


@PROPERTY
@given(value=VALUES, ascii_only=st.booleans())
def test_any_json_value_is_a_record_or_none(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only)
    _is_read_or_left_out(text.encode(errors="surrogatepass"))


@PROPERTY
@given(
    wrong=st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=3),
    versions=st.none() | VERSIONS,
    ascii_only=st.booleans(),
)
def test_a_record_with_any_fields_is_a_record_or_none(wrong, versions, ascii_only):
    fields = {**record(), "versions": versions, **wrong}
    text = json.dumps(fields, ensure_ascii=ascii_only)
    _is_read_or_left_out(text.encode(errors="surrogatepass"))


@PROPERTY
@given(places=st.lists(st.integers(0, 500), max_size=4), bytes_=st.binary(min_size=4, max_size=4))
def test_a_record_with_damaged_bytes_is_a_record_or_none(places, bytes_):
    line = bytearray(json.dumps(record()).encode())
    for place, byte in zip(places, bytes_, strict=False):
        line[place % len(line)] = byte
    _is_read_or_left_out(bytes(line))


@pytest.mark.parametrize("value", ["[" * 50_000, '{"a":' * 50_000, "1" * 50_000, "-" + "9" * 400])
@pytest.mark.parametrize("field", ["title", "versions", "something else"])
def test_deep_nesting_and_long_numbers_are_a_record_or_none(field, value):
    _is_read_or_left_out(f'{{"id": "x", "{field}": {value}}}'.encode())
    closed = value + "]" * value.count("[") + "1" * value.count(":") + "}" * value.count("{")
    _is_read_or_left_out(f'{{"id": "x", "{field}": {closed}}}'.encode())


@pytest.mark.parametrize("escape", ["\\ud800", "\\udfff", "\\udc00\\ud800", "\\ud800x"])
@pytest.mark.parametrize("field", ["id", "title", "versions"])
def test_half_a_surrogate_pair_breaks_the_line(field, escape):
    value = f'[{{"created": "{escape}"}}]' if field == "versions" else f'"{escape}"'
    assert _read(f'{{"id": "x", "{field}": {value}}}'.encode()) is None


def test_a_null_character_comes_through():
    row = _read(b'{"id": "a\\u0000b", "title": "\\u0000"}')
    assert (row["id"], row["title"]) == ("a\0b", "\0")
