import gzip
import zipfile

import pytest

from astro_assets.errors import BadSnapshotError
from astro_assets.ingest import lines
from astro_assets.ingest.lines import open_lines, text_bytes

TEXT = b"one\n\ntwo\r\nthree"
LINES = [b"one", b"", b"two\r", b"three"]


def _zip(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("_json", ".json"), data)
    return path


def _gzip(path):
    path.write_bytes(gzip.compress(TEXT))
    return path


def _plain(path):
    path.write_bytes(TEXT)
    return path


def test_every_form_gives_the_same_lines_whatever_its_name(tmp_path):
    forms = [_zip(tmp_path / "a", x_json=TEXT), _gzip(tmp_path / "b"), _plain(tmp_path / "c.zip")]
    assert [list(open_lines(path)) for path in forms] == [LINES, LINES, LINES]
    assert [text_bytes(path) for path in forms] == [len(TEXT), None, len(TEXT)]


def test_lines_longer_than_a_chunk_and_lines_across_chunks_are_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "_CHUNK_BYTES", 3)
    assert list(open_lines(_plain(tmp_path / "a"))) == LINES


def test_a_line_too_long_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "_CHUNK_BYTES", 4)
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 8)
    (tmp_path / "a").write_bytes(b"short\n" + b"x" * 100 + b"\n")
    with pytest.raises(BadSnapshotError, match="Line 2 of"):
        list(open_lines(tmp_path / "a"))


def test_other_members_of_a_zip_are_passed_over(tmp_path):
    path = _zip(tmp_path / "a.zip", readme=b"hi", x_json=TEXT)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__MACOSX/._x.json", b"junk")
    assert list(open_lines(path)) == LINES


def _missing(folder):
    return folder / "nothing"


def _folder(folder):
    return folder


def _empty(folder):
    (folder / "a").write_bytes(b"")
    return folder / "a"


def _cut_zip(folder):
    path = _zip(folder / "a.zip", x_json=b"line\n" * 10_000)
    path.write_bytes(path.read_bytes()[:-30])
    return path


def _cut_gzip(folder):
    path = _gzip(folder / "a.gz")
    path.write_bytes(path.read_bytes()[:-9])
    return path


def _flipped_zip(folder):
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:  # stored: only the CRC can tell
        archive.writestr("x.json", b"line\n" * 1_000)
    data = bytearray((folder / "a.zip").read_bytes())
    data[2_000] ^= 1
    (folder / "a.zip").write_bytes(bytes(data))
    return folder / "a.zip"


def _encrypted_zip(folder):
    path = _zip(folder / "a.zip", x_json=TEXT)
    data = bytearray(path.read_bytes())
    data[6] |= 1  # the local header's "encrypted" flag
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the directory's
    path.write_bytes(bytes(data))
    return path


def _no_member(folder):
    return _zip(folder / "a.zip", readme=b"hello")


def _two_members(folder):
    return _zip(folder / "a.zip", x_json=b"", y_json=b"")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_missing, "There is no snapshot at"),
        (_folder, "is a folder"),
        (_empty, "is empty"),
        (_cut_zip, "cannot be read to its end"),
        (_cut_gzip, "cannot be read to its end"),
        (_flipped_zip, "cannot be read to its end.*CRC"),
        (_encrypted_zip, "cannot be read to its end.*encrypted"),
        (_no_member, "holds none files"),
        (_two_members, r"holds 2 \(x.json, y.json"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, make, message):
    with pytest.raises(BadSnapshotError, match=message):
        list(open_lines(make(tmp_path)))


def test_nothing_is_left_open_or_on_disk_when_reading_stops_early(tmp_path):
    path = _zip(tmp_path / "a.zip", x_json=TEXT)
    reading = open_lines(path)
    assert next(reading) == b"one"
    reading.close()
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]
    assert list(open_lines(path)) == LINES
