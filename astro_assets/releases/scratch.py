"""The scratch folder of a rebuild: inside the home, gone when the rebuild ends, however it ends.

It lies in the home because that is where room for a second copy of a release is. A file in it is
locked as long as its process lives; a folder whose file can be locked was left by a killed one and
is removed by the next rebuild, or by gc.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from astro_assets.artifacts.home import Home

PREFIX = ".verify."
_IN_USE = ".in-use"
_SECONDS_TO_BEGIN = 3600.0
"""A folder younger than this that has no lock file yet may be one that just begins."""


@contextmanager
def scratch_folder(home: Home) -> Iterator[Path]:
    """Yield a fresh folder in the home; remove it at the end, and those of killed rebuilds first.

    No lock of the home is needed: nothing but this folder is written, and what a rebuild reads is
    named by content and never changed in place.
    """
    for left in abandoned(home):
        shutil.rmtree(left)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=home.root))
    descriptor = os.open(folder / _IN_USE, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder)
        os.close(descriptor)


def abandoned(home: Home) -> list[Path]:
    """Return the scratch folders of rebuilds that were killed."""
    if not home.root.is_dir():
        return []
    with os.scandir(home.root) as entries:
        found = [
            Path(entry.path)
            for entry in entries
            if entry.name.startswith(PREFIX) and entry.is_dir(follow_symlinks=False)
        ]
    return sorted(folder for folder in found if not _is_in_use(folder))


def _is_in_use(folder: Path) -> bool:
    try:
        descriptor = os.open(folder / _IN_USE, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return _seconds_since_change(folder) < _SECONDS_TO_BEGIN
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _seconds_since_change(folder: Path) -> float:
    try:
        return time.time() - folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0
