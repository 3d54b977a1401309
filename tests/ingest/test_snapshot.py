import hashlib
import json
from contextlib import nullcontext

import pyarrow as pa
import pytest

from astro_assets.artifacts.home import Home
from astro_assets.errors import BadSettingError, BadSnapshotError
from astro_assets.ingest import snapshot
from astro_assets.ingest.records import RECORD_SCHEMA
from astro_assets.ingest.snapshot import (
    ReadCounts,
    inspect_snapshot,
    locate_snapshot,
    read_batches,
)
from astro_assets.months import Month
from astro_assets.progress import NO_PROGRESS
from tests.builders import record, write_snapshot

UNTIL = Month(2026, 6)


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


def _inspect(source, home, until=UNTIL):
    return inspect_snapshot(str(source), home, until=until, progress=NO_PROGRESS)


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


def test_one_broken_line_in_a_hundred_is_counted_not_fatal(tmp_path, home):
    path = write_snapshot(tmp_path / "a", [*_many(60), b"{broken", *_many(39)])
    assert _inspect(path, home).counts["n_broken_lines"] == 1
    counts = ReadCounts()
    batches = list(read_batches(path, progress=NO_PROGRESS, counts=counts))
    assert sum(b.num_rows for b in batches) == 99
    assert (counts.n_records, counts.n_broken_lines, counts.first_broken_line) == (99, 1, 61)


def test_more_than_one_per_cent_broken_is_refused_with_the_first_one(tmp_path, home):
    path = write_snapshot(tmp_path / "a", [*_many(60), b"{broken", *_many(38)])
    with pytest.raises(BadSnapshotError, match=r"1 of 99 lines .* the first is line 61\."):
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


def test_a_file_of_other_lines_is_refused_after_a_hundred_of_them(tmp_path, home, monkeypatch):
    seen = []
    decode = snapshot.decode_line
    monkeypatch.setattr(snapshot, "decode_line", lambda line: seen.append(line) or decode(line))
    path = write_snapshot(tmp_path / "a", [b"prose"] * 5_000)
    with pytest.raises(BadSnapshotError):
        _inspect(path, home)
    assert len(seen) == 100


def test_a_missing_file_is_refused(tmp_path, home):
    with pytest.raises(BadSnapshotError, match="There is no snapshot"):
        _inspect(tmp_path / "nothing", home)


def test_a_snapshot_is_located_without_being_read(tmp_path, home):
    path = write_snapshot(tmp_path / "a", [b"prose"], "jsonl")
    assert locate_snapshot(str(path), home, until=UNTIL, progress=NO_PROGRESS) == path
    with pytest.raises(BadSnapshotError, match="There is no snapshot"):
        locate_snapshot(str(tmp_path / "b"), home, until=UNTIL, progress=NO_PROGRESS)


def test_batches_hold_every_record_in_order(tmp_path):
    path = write_snapshot(tmp_path / "a", _many(5))
    batches = list(read_batches(path, progress=NO_PROGRESS, rows=2))
    assert [b.num_rows for b in batches] == [2, 2, 1]
    table = pa.Table.from_batches(batches, schema=RECORD_SCHEMA)
    assert table["id"].to_pylist() == [f"2307.{i:05d}" for i in range(5)]


def test_progress_counts_every_byte_of_text(tmp_path):
    class Recorder:
        def task(self, name, *, total=None, unit=""):
            self.total, self.done = total, 0
            return nullcontext(self)

        def advance(self, n, **figures):
            self.done += n

    progress = Recorder()
    path = write_snapshot(tmp_path / "a", _many(3), "jsonl")
    list(read_batches(path, progress=progress))
    assert progress.done == progress.total == path.stat().st_size


@pytest.mark.parametrize(
    "source", ["synthetic:", "synthetic:0", "synthetic:-5", "synthetic:x", "synthetic:1e3",
               "synthetic:٣", "synthetic:²", "synthetic:999999999999"]
)  # fmt: skip
def test_a_generator_without_a_usable_number_is_refused(home, source):
    with pytest.raises(BadSettingError, match="snapshot cannot be"):
        _inspect(source, home)


def test_a_generator_asked_for_more_than_ids_can_number_says_how_many(home):
    with pytest.raises(BadSettingError, match="1 to 5,999,940"):
        _inspect("synthetic:6000000", home)


def test_a_generated_snapshot_is_the_same_in_two_homes(tmp_path):
    one, two = (_inspect("synthetic:70", Home(tmp_path / name)) for name in ("one", "two"))
    assert one.fingerprint == two.fingerprint
    assert one.counts["n_records"] == 70
    assert one.facts["origin"] == "synthetic"
    assert one.facts["vintage"] == "2026-07-01"
    assert one.path.name == "synthetic-70-2026-06.zip"
    assert sum(b.num_rows for b in read_batches(one.path, progress=NO_PROGRESS)) == 70


def test_a_good_generated_snapshot_is_used_again_and_a_bad_one_written_again(home):
    built = _inspect("synthetic:70", home)
    first = built.path.stat().st_mtime_ns
    _inspect("synthetic:70", home)
    assert built.path.stat().st_mtime_ns == first
    built.path.write_bytes(built.path.read_bytes()[:-100])
    assert _inspect("synthetic:70", home).fingerprint == built.fingerprint


def test_a_file_of_another_generator_is_written_again(home, monkeypatch):
    built = _inspect("synthetic:70", home)
    monkeypatch.setattr(snapshot.synthetic, "GENERATOR_VERSION", "another")
    assert _inspect("synthetic:70", home).fingerprint != built.fingerprint  # its comment says so


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
    for row, given in zip(rows, expected, strict=True):
        del row["datestamp"], given["authors_parsed"]
        assert row == {k.replace("-", "_"): v for k, v in given.items()}
