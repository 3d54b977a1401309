"""The rows of a harvest window, kept beside its pages: typed once, read by every release after it.

Without them each release would read the XML of every window since its snapshot again, and the cost
of a refresh would grow with every month. They are derived: what is damaged or made by other rules
is made again from the pages. What does not belong here: what the rows say (papers.py).
"""

from __future__ import annotations

import shutil
from pathlib import Path

from astro_assets.artifacts import fingerprint
from astro_assets.code_versions import CODE_VERSIONS
from astro_assets.ingest.oai_held import harvest_fingerprint, read_window
from astro_assets.progress import Progress
from astro_assets.warehouse.papers import Rules, build_window_rows


def window_rows(window: Path, *, rules: Rules, progress: Progress) -> Path:
    """Return the file of a window's rows, made if it is not there, damaged, or by other rules.

    The name holds what the rows were made from and the hash of the file's bytes, so it proves
    itself; its bytes are read each time.

    Raises:
        MissingArtifactError: the window was not harvested to its end.
        DamagedArtifactError: a page is gone or is not what the server sent.
    """
    made_from = [
        harvest_fingerprint(window),
        rules.salt,
        rules.general_share,
        CODE_VERSIONS["astro_ph_papers"],
    ]
    key = fingerprint.of_value(made_from)[:16]
    for path in sorted(window.glob(f"rows-{key}-*.parquet")):
        if fingerprint.of_file(path)[:16] == path.stem.rpartition("-")[2]:
            return path
    _remove_leftovers(window)
    fresh = window / f"rows-{key}.parquet"
    build_window_rows(read_window(window), fresh, rules=rules, progress=progress)
    for outdated in window.glob("rows-*-*.parquet"):
        outdated.unlink()
    return fresh.rename(window / f"rows-{key}-{fingerprint.of_file(fresh)[:16]}.parquet")


def _remove_leftovers(window: Path) -> None:
    """Remove what a killed write left; whoever makes rows holds the home's lock."""
    for path in [*window.glob(".rows-*"), *window.glob(".duckdb.*")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
