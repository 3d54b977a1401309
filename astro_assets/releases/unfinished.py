"""Which unfinished trainings are still wanted: they are gone on with when materialised again.

What does not belong here: work folders of finished ones, which go with the manifest that is kept
(``registry.checkpoint``).
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

from astro_assets.artifacts import lock
from astro_assets.artifacts.home import Home
from astro_assets.releases.kept import Kept

WANTED_FOR = timedelta(days=30)
"""A training that nobody went on with for so long is given up."""


def is_wanted(home: Home, work: Path, kept: Kept, *, now: datetime) -> bool:
    """Tell whether a training's work folder must stay.

    It does while a trainer is at work in it, and else if every stream it reads belongs to blocks
    that are kept and it was last touched less than ``WANTED_FOR`` ago.

    Args:
        home: The home it lies in.
        work: The folder.
        kept: What must stay.
        now: The present instant, UTC.
    """
    if lock.holder_of(work / "lock") is not None:
        return True
    touched = max(path.stat().st_mtime for path in (work, *work.iterdir()))
    if now.timestamp() - touched > WANTED_FOR.total_seconds():
        return False
    streams = _streams(work)
    return streams is not None and all(_relative(home, path) in kept.paths for path in streams)


def _streams(work: Path) -> list[Path] | None:
    """Return the token files a training reads; None where no job says."""
    try:
        job = json.loads((work / "job.json").read_bytes())
        return [Path(stream["path"]) for stream in job["blocks"]["streams"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _relative(home: Home, path: Path) -> str:
    """Return a path as kept ones are written."""
    root, real = home.root.resolve(), path.resolve()
    return real.relative_to(root).as_posix() if real.is_relative_to(root) else ""
