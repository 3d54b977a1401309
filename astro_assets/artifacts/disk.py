"""A full disk told as such, whichever library found out.

Python, Arrow, DuckDB, NumPy, SQLite and Rust each say it in words of their own, wrapped by whoever
called them. This package's writes are atomic, so what was half written is gone or hidden by then;
what is left to do is to name it. What does not belong here: catching an error in order to carry on.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from astro_assets.errors import DiskFullError

_NUMBERS = frozenset((errno.ENOSPC, errno.EDQUOT))
_WORDS = re.compile(
    r"No space left on device|Disk quota exceeded"  # the kernel's, as DuckDB and Rust pass it on
    r"|database or disk is full"  # SQLite's
    r"|max_temp_directory_size"  # DuckDB may spill nine tenths of what is free, and no more
    r"|\d+ requested and \d+ written"  # NumPy's, which drops the kernel's number
)
_MAYBE = re.compile(
    r"disk I/O error|unable to open database file"  # SQLite's
    r"|inline_container|PytorchStreamWriter|iostream error"  # torch's
)
"""Said where a file could not be made larger, or for other reasons."""
_APPENDIX = re.compile(r"\[SQL:|\(Background on this error")
_PATH = re.compile(r"""["' ](/[^"'\s][^"']*?)(?:["',]|: |$)""")
"""An absolute path in what a library said."""
_NEXT_TO_NOTHING_BYTES = 1_000_000
_KEPT = ("papers", "tokens", "near_copies")


@contextmanager
def full_disk_named(home: Path) -> Iterator[None]:
    """Raise what comes of a full disk as the named error, and anything else as it is.

    Args:
        home: The folder that is written to, where the person may make room.

    Raises:
        DiskFullError: an exception, or one it came from, says that a disk is full.
    """
    try:
        yield
    except DiskFullError:
        raise
    except Exception as error:
        for cause in _chain(error):
            is_it = isinstance(cause, OSError) and cause.errno in _NUMBERS
            if is_it or says_full(str(cause), home):
                raise named(str(cause), home) from error
        raise


def is_full(path: Path) -> bool:
    """Tell whether there is next to no room where a path lies."""
    return _n_free_bytes(path) < _NEXT_TO_NOTHING_BYTES


def says_full(text: str, home: Path) -> bool:
    """Tell whether an error's text says that the disk of ``home`` is full."""
    if _WORDS.search(text):
        return True
    return bool(_MAYBE.search(text)) and is_full(home)


def named(said: str, home: Path) -> DiskFullError:
    """Return the named error: what was found, how much room there is, what to do.

    The disk is the home's unless what was said names a file of another one.
    """
    there = _full_at(said, home)
    found = (
        f"The disk is full: {_short(said)}. {_n_free_bytes(there) / 1e6:,.1f} MB are free where "
        f"{there} lies."
    )
    again = "run again: what is whole is kept, the rest is made anew."
    if there != home:
        return DiskFullError(
            found, expected="room for what is written there.", do=f"Make room there and {again}"
        )
    n_kept = sum(_n_bytes(home / folder) for folder in _KEPT)
    return DiskFullError(
        found,
        expected="room for what is new of a release; all papers, tokens and words kept here take "
        f"{n_kept / 1e6:,.1f} MB.",
        do="Make room (`astro-assets gc --delete` removes what no release needs) and " + again,
    )


def _full_at(said: str, home: Path) -> Path:
    """Return the home, or what lies on another disk and is told, or found, to have no room."""
    match = _PATH.search(_APPENDIX.split(said)[0])
    if match:
        return home if _disk_of(Path(match[1])) == _disk_of(home) else Path(match[1])
    # Writing to an open file tells no name. Libraries write to one other place.
    temporary = Path(tempfile.gettempdir())
    is_it = _n_free_bytes(temporary) < _NEXT_TO_NOTHING_BYTES <= _n_free_bytes(home)
    return temporary if is_it else home


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those it came from, each once."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__


def _short(said: str) -> str:
    """Return what a library said on one line, without its full stop and SQLAlchemy's appendix."""
    return " ".join(_APPENDIX.split(said)[0].split())[:300].rstrip(". ")


def _n_free_bytes(path: Path) -> int:
    """Return the room that is left where a path lies or would lie."""
    return shutil.disk_usage(_nearest(path)).free


def _disk_of(path: Path) -> int:
    return _nearest(path).stat().st_dev


def _nearest(path: Path) -> Path:
    """Return a path, or the nearest folder above it that exists."""
    return next(above for above in (path, *path.parents) if above.exists())


def _n_bytes(folder: Path) -> int:
    """Return the bytes of all files below a folder; one that vanishes meanwhile has none."""
    n_bytes = 0
    for inside, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                n_bytes += (Path(inside) / name).lstat().st_size
    return n_bytes
