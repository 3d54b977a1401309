"""``astro-assets paper``: the page of numbers written to a file, or to stdout.

What does not belong here: what it says (``registry.paper_page``).
"""

from __future__ import annotations

import sys
from pathlib import Path

from astro_assets.artifacts import atomic
from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Store
from astro_assets.errors import BadSettingError
from astro_assets.months import Month
from astro_assets.registry.paper_page import paper_page
from astro_assets.settings import Settings

STDOUT = "-"
_NAME = "paper.md"


def write_paper(settings: Settings, release: str | None, out: str | None) -> Path | None:
    """Write the page of a release of the home; return where, None for stdout.

    Raises:
        MissingArtifactError: no such release was measured.
        BadReleaseError: the month is none.
        BadSettingError: the file cannot be written.
    """
    month = str(Month.parse(release)) if release is not None else None
    page = paper_page(Store(Home(settings.home)), month)
    if out == STDOUT:
        sys.stdout.write(page)
        return None
    path = Path(out).expanduser() if out else _usual_place()
    try:
        atomic.write_text(path, page)
    except OSError as error:
        raise BadSettingError(
            f"{path} cannot be written: {error.strerror}.", do="Give another file with --out."
        ) from None
    return path


def _usual_place() -> Path:
    return Path("docs") / _NAME if Path("docs").is_dir() else Path(_NAME)
