"""gc called as its tests call it."""

from datetime import UTC, datetime

from astro_assets.artifacts.manifest import Store
from astro_assets.progress import NO_PROGRESS
from astro_assets.releases.garbage import Garbage, find_garbage, remove
from astro_assets.releases.registered import Registered
from astro_assets.releases.verify import verify_release

NOW = datetime.now(UTC)
NOBODY = Registered()
KEY = "0123456789abcdef"


def garbage_of(store: Store, registered: Registered = NOBODY, **given) -> Garbage:
    return find_garbage(store, registered, now=NOW, **given)


def kinds(garbage: Garbage) -> dict[str, int]:
    found: dict[str, int] = {}
    for item in garbage.items:
        found[item.kind] = found.get(item.kind, 0) + 1
    return found


def collect(store: Store, registered: Registered = NOBODY, **given) -> Garbage:
    garbage = garbage_of(store, registered, **given)
    remove(store, garbage, progress=NO_PROGRESS)
    return garbage


def is_clean(store: Store, release: str) -> bool:
    return verify_release(store, release, from_papers=False, progress=NO_PROGRESS).is_clean
