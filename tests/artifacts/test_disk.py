"""A full disk is told as such, whatever library found out: some write to /dev/full here."""

import errno
import sqlite3
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from astro_assets.artifacts import atomic, disk
from astro_assets.artifacts.disk import full_disk_named
from astro_assets.errors import AstroError, BadSettingError, DiskFullError

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
TABLE = pa.table({"a": np.arange(100_000)})


def of_python() -> None:
    with FULL.open("wb") as file:
        file.write(bytes(100_000))


def of_numpy() -> None:
    with FULL.open("wb") as file:
        np.save(file, np.arange(100_000))


def of_arrow() -> None:
    with pa.OSFile(str(FULL), "wb") as file:
        pq.write_table(TABLE, file)


def of_sqlite() -> None:
    with sqlite3.connect(":memory:") as database:
        database.execute("pragma max_page_count = 2")
        database.execute("create table t as select 1 as a")
        database.execute("insert into t select hex(randomblob(100000))")


@pytest.mark.parametrize("write", [of_python, of_numpy, of_arrow, of_sqlite])
def test_a_full_disk_is_named(write: Callable[[], None], tmp_path: Path) -> None:
    with pytest.raises(DiskFullError) as raised, full_disk_named(tmp_path):
        write()
    assert raised.value.__cause__ is not None
    error = str(raised.value)
    assert "The disk is full: " in error and f"MB are free where {tmp_path} lies" in error
    assert "\nTo do: Make room" in error


@pytest.mark.parametrize(
    "error",
    [
        duckdb.IOException(
            'IO Error: Async write failed for range [offset=4, size=899]: {"exception_message":'
            '"Could not write file \\"data_0.parquet\\": No space left on device","errno":"28"}'
        ),
        duckdb.OutOfMemoryException(
            "Out of Memory Error: failed to offload data block of size 256.0 KiB (0 bytes/0 bytes "
            "used).\nThis limit was set by the 'max_temp_directory_size' setting."
        ),
        pl.exceptions.ComputeError("No space left on device (os error 28)"),
    ],
)
def test_engines_that_tell_it_in_words(error: Exception, tmp_path: Path) -> None:
    """These replace or remove what they fail to write, so /dev/full is not theirs to try."""
    with pytest.raises(DiskFullError) as raised, full_disk_named(tmp_path):
        raise error
    assert raised.value.__cause__ is error


def test_what_a_full_disk_led_to_is_named_as_well(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError), full_disk_named(tmp_path):
        try:
            of_python()
        except OSError as error:
            raise BadSettingError("the home cannot be used") from error


def test_the_room_of_a_home_that_is_not_there_yet_is_that_of_its_disk(tmp_path: Path) -> None:
    error = disk.named("no room.\nmore", tmp_path / "not" / "there")
    assert "The disk is full: no room. " in str(error) and "kept here take 0.0 MB" in str(error)


def test_papers_tokens_and_words_are_what_is_kept(tmp_path: Path) -> None:
    atomic.write_bytes(tmp_path / "papers" / "a", bytes(1_500_000))
    atomic.write_bytes(tmp_path / "tokens" / "b" / "c", bytes(1_000_000))
    atomic.write_bytes(tmp_path / "near_copies" / "d", bytes(400_000))
    assert "kept here take 2.9 MB" in str(disk.named("", tmp_path))


def test_files_that_vanish_while_they_are_counted_count_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    atomic.write_bytes(tmp_path / "papers" / "a", bytes(1_500_000))
    monkeypatch.setattr(disk.os, "walk", lambda folder: [(str(folder), [], ["a", "gone"])])
    assert "kept here take 1.5 MB" in str(disk.named("", tmp_path))


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "/dev/not/there"),
        duckdb.IOException('Could not write file "/dev/not/there": No space left on device'),
        pl.exceptions.ComputeError("No space left on device (os error 28): /dev/not/there"),
    ],
)
def test_of_another_disk_its_own_room_is_told_and_gc_is_not_advised(
    error: Exception, tmp_path: Path
) -> None:
    with pytest.raises(DiskFullError) as raised, full_disk_named(tmp_path):
        raise error
    told = str(raised.value)
    assert "MB are free where /dev/not/there lies." in told and "Make room there" in told
    assert "gc --delete" not in told and str(tmp_path) not in told


def test_a_file_of_the_home_s_own_disk_is_the_home_s(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError) as raised, full_disk_named(tmp_path / "home"):
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "elsewhere" / "a"))
    told = str(raised.value)
    assert f"MB are free where {tmp_path / 'home'} lies" in told and "gc --delete" in told


def test_where_no_file_is_named_a_full_temporary_folder_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing to an open file tells no name."""
    monkeypatch.setattr(disk.tempfile, "gettempdir", lambda: "/dev")
    plain = disk._n_free_bytes
    monkeypatch.setattr(disk, "_n_free_bytes", lambda p: 0 if p == Path("/dev") else plain(p))
    with pytest.raises(DiskFullError) as raised, full_disk_named(tmp_path):
        of_python()
    assert "0.0 MB are free where /dev lies" in str(raised.value)


@pytest.mark.parametrize(
    "error",
    [OSError(5, "Input/output error"), ValueError("a"), sqlite3.OperationalError("disk I/O error")],
)
def test_other_errors_stay_what_they_are(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(error)) as raised, full_disk_named(tmp_path):
        raise error
    assert raised.value is error and not isinstance(error, AstroError)


def test_a_database_that_cannot_grow_is_a_full_disk_where_nothing_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not disk.says_full("disk I/O error", tmp_path)
    monkeypatch.setattr(disk, "_NEXT_TO_NOTHING_BYTES", 1 << 62)
    assert disk.says_full("disk I/O error", tmp_path)
