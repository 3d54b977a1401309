import gzip
import io
import zipfile

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from astro_assets.errors import BadSnapshotError
from astro_assets.ingest import lines
from astro_assets.ingest.lines import open_lines, text_bytes
from tests.builders import json_lines, record

TEXT = b"one\n\ntwo\r\nthree"
LINES = [b"one", b"", b"two\r", b"three"]


# What `zstd` makes of TEXT, with its checksum in the last four bytes.
ZSTD = bytes.fromhex("28b52ffd240f7900006f6e650a0a74776f0d0a74687265656ab9016f")


def _zip(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("_json", ".json"), data)
    return path


def _gzip(path):
    path.write_bytes(gzip.compress(TEXT))
    return path


def _zstd(path):
    path.write_bytes(ZSTD)
    return path


def _plain(path):
    path.write_bytes(TEXT)
    return path


def test_every_form_gives_the_same_lines_whatever_its_name(tmp_path):
    forms = [
        _zip(tmp_path / "a", x_json=TEXT),
        _gzip(tmp_path / "b"),
        _zstd(tmp_path / "c.gz"),
        _plain(tmp_path / "d.zip"),
    ]
    assert [list(open_lines(path)) for path in forms] == [LINES] * 4
    assert [text_bytes(path) for path in forms] == [len(TEXT), None, None, len(TEXT)]


@pytest.mark.parametrize("form", [gzip.compress(TEXT + b"\n", mtime=0), None], ids=["gz", "zst"])
def test_files_joined_end_to_end_are_read_as_one(tmp_path, form):
    if form is None:
        form = pa.compress(TEXT + b"\n", codec="zstd", asbytes=True)
    (tmp_path / "a").write_bytes(form * 3)
    assert list(open_lines(tmp_path / "a")) == LINES * 3


def test_lines_longer_than_a_chunk_and_lines_across_chunks_are_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "_CHUNK_BYTES", 3)
    assert list(open_lines(_plain(tmp_path / "a"))) == LINES


def test_a_line_too_long_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "_CHUNK_BYTES", 4)
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 8)
    (tmp_path / "a").write_bytes(b"short\n" + b"x" * 100 + b"\n")
    with pytest.raises(BadSnapshotError, match=r"A line of .* is longer than"):
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


def _cut_zstd(folder):
    path = _zstd(folder / "a.zst")
    path.write_bytes(ZSTD[:-1])
    return path


def _flipped_zstd(folder):
    path = _zstd(folder / "a.zst")
    path.write_bytes(ZSTD[:12] + bytes([ZSTD[12] ^ 1]) + ZSTD[13:])
    return path


def _zstd_and_more(folder):
    path = _zstd(folder / "a.zst")
    path.write_bytes(ZSTD + b"more")
    return path


def _cut_second_frame(folder):
    path = _zstd(folder / "a.zst")
    path.write_bytes(ZSTD + ZSTD[:-9])
    return path


def _wide_zstd(folder):
    # A frame with a window of 2^31 bytes (--long=31) and one raw block of three bytes.
    frame = bytes.fromhex("28b52ffd00a8") + ((3 << 3) | 1).to_bytes(3, "little") + b"abc"
    (folder / "a.zst").write_bytes(frame)
    return folder / "a.zst"


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


def _badly_named_zip(folder):
    path = _zip(folder / "a.zip", x_json=TEXT)
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")
    data[entry + 9] |= 8  # the name is said to be UTF-8
    data[entry + 46] = 0xFF  # and is not
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
        (_cut_zstd, "cannot be read to its end"),
        (_flipped_zstd, "cannot be read to its end"),
        (_zstd_and_more, "cannot be read to its end"),
        (_cut_second_frame, "cannot be read to its end"),
        (_wide_zstd, "window of more than 128 MiB"),
        (_flipped_zip, "cannot be read to its end.*CRC"),
        (_encrypted_zip, "cannot be read to its end.*encrypted"),
        (_badly_named_zip, "cannot be read to its end.*utf-8"),
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


SNAPSHOT = json_lines([record(f"2307.{i:05d}") for i in range(5)])


def _zip_bytes(method):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("x.json"), SNAPSHOT, method)
    return out.getvalue()


WHOLE = {
    "zip": _zip_bytes(zipfile.ZIP_DEFLATED),
    "stored zip": _zip_bytes(zipfile.ZIP_STORED),
    "lzma zip": _zip_bytes(zipfile.ZIP_LZMA),
    "bzip2 zip": _zip_bytes(zipfile.ZIP_BZIP2),
    "gzip": gzip.compress(SNAPSHOT, mtime=0),
    "zstd": pa.compress(SNAPSHOT, codec="zstd", asbytes=True),
}
PROPERTY = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def _lines_or_a_named_error(path):
    try:
        text_bytes(path)
        return list(open_lines(path))
    except BadSnapshotError as error:
        return error


@PROPERTY
@given(start=st.sampled_from([b"", b"PK\x03\x04", b"\x1f\x8b\x08", ZSTD[:4]]), rest=st.binary())
def test_any_bytes_give_lines_or_a_named_error(tmp_path, start, rest):
    (tmp_path / "a").write_bytes(start + rest)
    read = _lines_or_a_named_error(tmp_path / "a")
    assert isinstance(read, BadSnapshotError) or all(b"\n" not in line for line in read)


@pytest.mark.parametrize("form", list(WHOLE))
@PROPERTY
@given(data=st.data())
def test_a_damaged_file_gives_lines_or_a_named_error(tmp_path, form, data):
    damaged = bytearray(WHOLE[form])
    # Half of the damage goes where a form keeps its headers: the first and the last bytes
    places = st.integers(0, len(damaged) - 1) | st.integers(0, 40).map(
        lambda n: n - 20 if n >= 20 else len(damaged) - 1 - 4 * n
    )
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        damaged[place] ^= data.draw(st.integers(1, 255))
    (tmp_path / "a").write_bytes(damaged)
    read = _lines_or_a_named_error(tmp_path / "a")
    assert isinstance(read, BadSnapshotError) or all(b"\n" not in line for line in read)


@pytest.mark.parametrize("form", list(WHOLE))
def test_a_file_cut_anywhere_is_never_taken_for_a_whole_one(tmp_path, form):
    whole = WHOLE[form]
    for end in range(4, len(whole)):  # shorter, it is of no form yet
        (tmp_path / "a").write_bytes(whole[:end])
        assert isinstance(_lines_or_a_named_error(tmp_path / "a"), BadSnapshotError), end
