"""Which months the monthly refresh has to ask for.

What does not belong here: when it asks, and what is already under way (``defs.automation``).
"""

from __future__ import annotations

from collections.abc import Collection

from astro_assets.artifacts.manifest import Store
from astro_assets.errors import BadReleaseError
from astro_assets.months import Month

NEEDED = ("arxiv_snapshot", "snapshot_papers", "base_model")
"""What a refresh reads and does not make."""


def missing_parts(store: Store) -> list[str]:
    """Return which of the things a refresh reads were never made in this home."""
    return [asset for asset in NEEDED if store.current(asset, None) is None]


def newest_with_blocks(store: Store) -> Month | None:
    """Return the newest release that has token blocks, if any has."""
    months = [
        month
        for path in store.home.releases.glob("*/token_blocks.json")
        if (month := month_named(path.parent.name)) is not None
    ]
    return max(months, default=None)


def due_months(store: Store, last: Month, *, failed: Collection[Month] = ()) -> list[Month]:
    """Return the months to be made, oldest first.

    Every month after the newest release with blocks, up to ``last``; where no release has blocks,
    ``last`` alone. Of the months in ``failed`` (asked for before, in vain) also older ones, as long
    as they have no blocks.
    """
    newest = newest_with_blocks(store)
    first = last if newest is None else newest.next()
    again = [
        month
        for month in failed
        if month <= last and store.current("token_blocks", str(month)) is None
    ]
    return sorted({*first.through(last), *again})


def month_named(name: str) -> Month | None:
    """Return the month a folder is named by; ``all`` holds what belongs to no release."""
    try:
        return Month.parse(name)
    except BadReleaseError:
        return None
