import gzip
import threading
from pathlib import Path

import pytest

from astro_assets.errors import BadSnapshotError
from astro_assets.ingest import parts
from astro_assets.ingest.parts import text_parts
from tests.builders import write_snapshot

LINES = [b"%d %s" % (n, b"x" * (n % 90)) for n in range(500)]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(parts, "PART_BYTES", 4_000)
    monkeypatch.setattr(parts, "_CHUNK_BYTES", 300)


def _open_files():
    return len(list(Path("/dev/fd").iterdir()))


@pytest.mark.parametrize("form", ["zip", "gz"])
def test_parts_end_to_end_are_the_text_and_each_is_whole_lines(tmp_path, form):
    path = write_snapshot(tmp_path / "a", LINES, form)
    texts = []
    for part in text_parts(path):
        texts.append(part.path.read_bytes())
        assert part.n_bytes == len(texts[-1])
    assert b"".join(texts) == b"".join(line + b"\n" for line in LINES)
    assert len(texts) > 5
    assert all(text.endswith(b"\n") for text in texts)


def test_a_plain_file_is_one_part_and_not_copied(tmp_path):
    path = write_snapshot(tmp_path / "it's [1]", LINES, "jsonl")
    for part in text_parts(path):
        assert part.path.stat().st_ino == path.stat().st_ino
        assert part.n_bytes == path.stat().st_size


def test_a_last_line_without_an_end_is_kept(tmp_path):
    (tmp_path / "a").write_bytes(gzip.compress(b"one\n" * 2_000 + b"last"))
    assert [part.path.read_bytes() for part in text_parts(tmp_path / "a")][-1].endswith(b"\nlast")


@pytest.mark.parametrize("n_taken", [0, 1, 3])
def test_who_stops_early_leaves_no_thread_and_no_open_file(tmp_path, n_taken):
    path = write_snapshot(tmp_path / "a", LINES, "zip")
    before = _open_files(), threading.active_count()
    reading = text_parts(path)
    for _ in range(n_taken):
        next(reading)
    reading.close()
    assert (_open_files(), threading.active_count()) == before


def test_damage_far_into_the_file_is_raised_where_it_is_read(tmp_path):
    path = write_snapshot(tmp_path / "a", LINES, "gz")
    path.write_bytes(path.read_bytes()[:-20])
    before = _open_files(), threading.active_count()
    with pytest.raises(BadSnapshotError, match="cannot be read to its end"):
        list(text_parts(path))
    assert (_open_files(), threading.active_count()) == before


def test_a_line_that_never_ends_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "MAX_LINE_BYTES", 5_000)
    (tmp_path / "a").write_bytes(gzip.compress(b"short\n" + b"x" * 100_000))
    with pytest.raises(BadSnapshotError, match="A line of"):
        list(text_parts(tmp_path / "a"))
