"""What killed writes left beside what they were to write, cleared away by the next run.

A write goes to a hidden sibling that is renamed over its target; a killed one leaves the sibling.
Nobody reads it, but a home whose runs are killed again and again must not fill up with them. What
does not belong here: what finished work left that no release needs any more (``garbage``).
"""

from __future__ import annotations

import shutil

from astro_assets.artifacts.home import Home
from astro_assets.releases.places import temporaries


def clear_leftovers(home: Home) -> int:
    """Remove what killed writes left and return how many there were.

    Only for a caller that holds the home's lock: then no write is going on, and every temporary
    sibling was left behind.
    """
    left = list(temporaries(home))
    for path in left:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return len(left)
