import gzip
import hashlib
import json
from contextlib import nullcontext
from datetime import date

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from astro_assets.artifacts.fingerprint import of_file
from astro_assets.artifacts.home import Home
from astro_assets.errors import AstroError, BadSnapshotError
from astro_assets.ingest import parts, snapshot
from astro_assets.ingest.lines import open_lines
from astro_assets.ingest.records import RECORD_SCHEMA
from astro_assets.ingest.snapshot import inspect_snapshot, read_batches
from astro_assets.ingest.sources import Located, locate_snapshot, stamp_of
from astro_assets.months import Month
from astro_assets.progress import NO_PROGRESS
from tests.builders import json_lines, record, write_snapshot

TODAY = date(2026, 7, 2)


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


def _inspect(source, home):
    located = locate_snapshot(str(source), home, until=Month(2026, 6), progress=NO_PROGRESS)
    return inspect_snapshot(
        located, sha256=of_file(located.path), today=TODAY, progress=NO_PROGRESS
    )


def _many(n):
    return [record(f"2307.{i:05d}") for i in range(n)]


@pytest.mark.parametrize("form", ["zip", "gz", "jsonl"])
def test_a_file_is_counted_digested_and_dated(tmp_path, home, form):
    records = [record("2307.00001"), b"", record("2307.00002", update_date="2026-07-01"), b"  "]
    path = write_snapshot(tmp_path / "snapshot", records, form)
    built = _inspect(path, home)
    assert built.fingerprint == hashlib.sha256(path.read_bytes()).hexdigest()
    assert built.files == {"snapshot": built.fingerprint}
    assert built.path == path
    assert built.counts["n_lines"] == built.counts["n_records"] == 2
    assert built.counts["n_broken_lines"] == 0
    assert built.counts["n_bytes"] == path.stat().st_size
    assert built.facts["origin"] == "file"
    assert built.facts["source"] == str(path)
    assert (built.facts["vintage"], built.facts["vintage_from"]) == ("2026-07-01", "update_date")
    assert not home.root.exists()


def _zst(path, data):
    with pa.CompressedOutputStream(str(path), "zstd") as out:
        out.write(data)
    return path


def test_a_zst_file_is_read_like_the_others(tmp_path, home):
    path = _zst(tmp_path / "a", json_lines(_many(3)))
    built = _inspect(path, home)
    assert built.counts["n_records"] == 3
    assert built.fingerprint == hashlib.sha256(path.read_bytes()).hexdigest()
    assert sum(b.num_rows for b in read_batches(path, progress=NO_PROGRESS)) == 3


def test_a_record_from_the_future_does_not_move_the_vintage(tmp_path, home):
    records = [record("2307.00001"), record("2307.00002", update_date="2032-07-04")]
    built = _inspect(write_snapshot(tmp_path / "a", records), home)
    assert built.facts["vintage"] == "2023-07-04"
    assert built.counts["n_future_dates"] == 1


def _located(path, **told):
    return Located(path, "kaggle", "kaggle", stamp_of(path), **told)


@pytest.mark.parametrize(
    ("told", "vintage"),
    [
        # uploaded days after its newest record: what changed in between is asked for
        (("2023-07-09", "kaggle"), ("2023-07-04", "update_date")),
        (("2023-07-02", "kaggle"), ("2023-07-02", "kaggle")),
        (("2026-07-04", "kaggle"), ("2023-07-04", "update_date")),  # it lies ahead
        (None, ("2023-07-04", "update_date")),
    ],
)
def test_what_the_source_tells_of_itself_is_kept(tmp_path, told, vintage):
    path = write_snapshot(tmp_path / "a", _many(2))
    located = _located(path, vintage=told, identity={"kaggle_version": 230})
    built = inspect_snapshot(located, sha256="0f", today=TODAY, progress=NO_PROGRESS)
    assert (built.facts["vintage"], built.facts["vintage_from"]) == vintage
    assert built.facts["kaggle_version"] == 230
    assert built.fingerprint == "0f"


def test_a_file_that_is_written_to_meanwhile_is_refused(tmp_path):
    path = write_snapshot(tmp_path / "a", _many(2), "jsonl")
    located = _located(path)
    path.write_bytes(json_lines(_many(3)))
    with pytest.raises(BadSnapshotError, match="changed while"):
        inspect_snapshot(located, sha256="0f", today=TODAY, progress=NO_PROGRESS)


def test_one_broken_line_in_a_hundred_is_counted_not_fatal(tmp_path, home):
    path = write_snapshot(tmp_path / "a", [*_many(60), b"{broken", *_many(39)])
    assert _inspect(path, home).counts["n_broken_lines"] == 1
    batches = list(read_batches(path, progress=NO_PROGRESS))
    assert sum(b.num_rows for b in batches) == 99


def test_more_than_one_per_cent_broken_is_refused_with_the_first_one(tmp_path, home):
    path = write_snapshot(tmp_path / "a", [b"", *_many(59), b" ", b"{broken", *_many(38), b"too"])
    with pytest.raises(BadSnapshotError, match=r"2 of 99 lines .* the first is line 62\."):
        _inspect(path, home)


@pytest.mark.parametrize(
    "lines",
    [
        [b"a line of prose"] * 200,
        [b"a line of prose"] * 3,
        [{"id": str(i), "name": "a record of something else"} for i in range(200)],
        [{"id": "1", "name": "a record of something else"}],
        [b"", b" "],
        [{"id": "no date anywhere", "categories": "astro-ph"}],
    ],
)
def test_what_is_no_snapshot_is_refused(tmp_path, home, lines):
    path = write_snapshot(tmp_path / "a", lines, "jsonl")
    with pytest.raises(BadSnapshotError, match="is no arXiv metadata snapshot"):
        _inspect(path, home)


def test_a_file_of_other_lines_is_refused_before_it_is_read_whole(tmp_path, home, monkeypatch):
    monkeypatch.setattr(snapshot, "_LINES_AT_ONCE", 1_000)
    path = write_snapshot(tmp_path / "a", [b"prose"] * 9_000)
    with pytest.raises(BadSnapshotError, match=r"none of its first [1-8],"):
        _inspect(path, home)


def test_batches_hold_every_record_in_order(tmp_path):
    path = write_snapshot(tmp_path / "a", _many(5))
    batches = list(read_batches(path, progress=NO_PROGRESS, rows=2))
    assert [b.num_rows for b in batches] == [2, 2, 1]
    table = pa.Table.from_batches(batches, schema=RECORD_SCHEMA)
    assert table["id"].to_pylist() == [f"2307.{i:05d}" for i in range(5)]


@pytest.mark.parametrize("form", ["zip", "jsonl"])
def test_a_line_too_long_for_any_record_is_refused(tmp_path, home, monkeypatch, form):
    monkeypatch.setattr(parts, "PART_BYTES", 1 << 16)
    long = b'{"id": "x", "title": "' + b"x" * (40 << 20) + b'"}'
    path = write_snapshot(tmp_path / "a", [*_many(60), long, *_many(60)], form)
    with pytest.raises(BadSnapshotError, match=r"A line of .* is longer than 16 MiB"):
        _inspect(path, home)


@pytest.mark.parametrize("form", ["zip", "gz", "jsonl"])
def test_what_is_read_in_parts_is_whole_and_in_order(tmp_path, home, monkeypatch, form):
    monkeypatch.setattr(parts, "PART_BYTES", 5_000)
    monkeypatch.setattr(parts, "_CHUNK_BYTES", 1_000)
    path = write_snapshot(tmp_path / "a[*]", [*_many(70), b"{broken", *_many(130)], form)
    built = _inspect(path, home)
    assert (built.counts["n_records"], built.counts["n_broken_lines"]) == (200, 1)
    assert built.counts["n_text_bytes"] == sum(len(line) + 1 for line in open_lines(path))
    batches = read_batches(path, progress=NO_PROGRESS)
    ids = [i for b in batches for i in b["id"].to_pylist()]
    assert ids == [r["id"] for r in (*_many(70), *_many(130))]


def test_progress_counts_every_record(tmp_path):
    class Recorder:
        def task(self, name, *, total=None, unit=""):
            self.done = 0
            return nullcontext(self)

        def advance(self, n, **figures):
            self.done += n

    progress = Recorder()
    path = write_snapshot(tmp_path / "a", _many(3), "jsonl")
    list(read_batches(path, progress=progress))
    assert progress.done == 3


def test_the_real_sample_is_read_whole(shared, home):
    path = shared / "data" / "arxiv-sample.zip"
    if not path.is_file():
        pytest.skip(f"no {path}")
    built = _inspect(path, home)
    assert built.counts["n_records"] == 75_207
    assert built.counts["n_broken_lines"] == 0
    assert built.facts["vintage"] == "2026-07-01"
    n_astro = n_primary = 0
    for batch in read_batches(path, progress=NO_PROGRESS):
        for categories in batch.column("categories").to_pylist():
            tokens = [c == "astro-ph" or c.startswith("astro-ph.") for c in categories.split()]
            n_astro += any(tokens)
            n_primary += tokens[0]
    assert (n_astro, n_primary) == (25_745, 19_550)


def test_a_real_record_comes_through_field_by_field(shared):
    path = shared / "data" / "kaggle_shape_arxivraw_1000.jsonl"
    if not path.is_file():
        pytest.skip(f"no {path}")
    (batch,) = read_batches(path, progress=NO_PROGRESS)
    rows = batch.to_pylist()
    expected = [json.loads(line) for line in path.read_text().splitlines()]
    for row, line in zip(rows, expected, strict=True):
        del row["datestamp"], row["is_deleted"], line["authors_parsed"]
        for version in row["versions"]:
            del version["source_type"]
        assert row == {k.replace("-", "_"): v for k, v in line.items()}


WHOLE = json_lines(
    [record(f"2307.{i:05d}", abstract=f"  We observe {i}. \u2019\x0b\n") for i in range(20)]
)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_a_damaged_snapshot_is_inspected_or_refused_by_name(tmp_path, data):
    damaged = bytearray(data.draw(st.sampled_from([WHOLE, gzip.compress(WHOLE, mtime=0)])))
    for _ in range(data.draw(st.integers(0, 40))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place] = data.draw(st.sampled_from(b'\x00\xff"{}[]\\\n,:0u') | st.integers(0, 255))
    path = tmp_path / "a"
    path.write_bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    try:
        located = Located(path, str(path), "file", stamp_of(path))
        built = inspect_snapshot(located, sha256="0f", today=TODAY, progress=NO_PROGRESS)
    except AstroError:
        return
    assert built.counts["n_records"] + built.counts["n_broken_lines"] == built.counts["n_lines"]
    n_read = sum(b.num_rows for b in read_batches(path, progress=NO_PROGRESS))
    assert n_read == built.counts["n_records"]
