"""What may go, and taking it away.

Order of removal: pointers of releases to be forgotten, then manifests, then files. So a manifest
never claims a file that is not there: killed halfway, files are left that nobody names, and the
next call finds them by their names. Files first would leave manifests that offer for re-use what
is gone. A folder is renamed before it is emptied, so that it is never seen half empty.

What does not belong here: what must stay (``kept``) and what we make where (``places``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from astro_assets.artifacts import atomic
from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Store
from astro_assets.code_versions import ASIDE, CODE_VERSIONS
from astro_assets.errors import BadSettingError, DamagedArtifactError, MissingArtifactError
from astro_assets.progress import Progress
from astro_assets.releases import scratch
from astro_assets.releases.kept import Kept, kept_of, pointers
from astro_assets.releases.places import PLACES, Place, entries_of, links_in, temporaries
from astro_assets.releases.registered import Registered
from astro_assets.releases.unfinished import is_wanted
from astro_assets.warehouse.views import publish_views

LEFT_AFTER = timedelta(days=1)
"""A temporary file this old belongs to no write that is still going on."""


@dataclass(frozen=True)
class Item:
    """One file or folder that may go."""

    kind: str
    path: str
    """Relative to the home."""
    n_bytes: int


@dataclass(frozen=True)
class Garbage:
    """Everything that may go, in the order it is removed in."""

    items: tuple[Item, ...]
    links: tuple[str, ...]
    """Folders of ours that are links: not looked into."""

    @property
    def n_bytes(self) -> int:
        """What removing it all frees."""
        return sum(item.n_bytes for item in self.items)


def find_garbage(
    store: Store, registered: Registered, *, forget: Sequence[str] = (), now: datetime
) -> Garbage:
    """List what no kept manifest names; nothing is changed.

    Args:
        store: The home's manifests.
        registered: What the registry's model versions refer to.
        forget: Releases whose pointers are to go as well.
        now: The present instant (UTC), for the age of what killed writes left.

    Raises:
        DamagedArtifactError: a manifest cannot be read, so nobody knows what it names.
        MissingArtifactError: a release to be forgotten was never made here.
        BadSettingError: a release to be forgotten is the one the champion was trained on.
    """
    home = store.home
    forgotten = [item for release in dict.fromkeys(forget) for item in _pointers(store, release)]
    _refuse_champions(store, registered, forget)
    kept = kept_of(store, registered, forgotten=forget)
    unnamed = [item for place in PLACES for item in _unnamed(home, place, kept, now)]
    left = [_item(home, "left by killed writes", path) for path in _left(home, now)]
    return Garbage(tuple(forgotten + unnamed + left), tuple(links_in(home)))


def remove(store: Store, garbage: Garbage, *, progress: Progress) -> int:
    """Remove what was found and return the bytes freed; only under the home's lock.

    The warehouse file is written anew once the pointers are gone and before anything else is: views
    over forgotten releases go before the shards they read, also those that a killed call left.
    """
    root, freed, published = store.home.root, 0, None
    with progress.task("remove", total=float(len(garbage.items)), unit="items") as task:
        for item in garbage.items:
            if published is None and item.kind != _POINTERS:
                published = _publish_or_drop(store)
            _remove(root, root / item.path)
            freed += item.n_bytes
            task.advance(1, kind=item.kind)
    if garbage.items and not published:
        publish_views(store)
    return freed


def _publish_or_drop(store: Store) -> bool:
    """Write the views, or remove their file; tell whether they were written."""
    try:
        publish_views(store)
    except (OSError, DamagedArtifactError):
        # A full disk is when gc is called: rather no views until there is room than no room.
        store.home.warehouse.unlink(missing_ok=True)
        return False
    return True


_POINTERS = "pointers of forgotten releases"


def _pointers(store: Store, release: str) -> list[Item]:
    """Return a release's pointers, what was made last first: killed halfway, it stays a release."""
    assets = [asset for asset, of in pointers(store) if of == release]
    if not assets:
        raise MissingArtifactError(
            f"Release {release} has not been made in {store.home.root}.",
            do="Leave it out of --forget.",
        )
    order = [*CODE_VERSIONS, *ASIDE]
    known = sorted((a for a in assets if a in order), key=order.index, reverse=True)
    folder = store.home.releases / release
    return [_item(store.home, _POINTERS, folder / f"{asset}.json") for asset in known]


def _refuse_champions(store: Store, registered: Registered, forget: Sequence[str]) -> None:
    for release in forget:
        tuned = store.current("lora_checkpoint", release)
        if tuned is not None and tuned.fingerprint in registered.champions:
            raise BadSettingError(
                f"Release {release} is what the present champion was trained on.",
                expected="--forget of a release that no champion stands on.",
                do="Let another model become champion first.",
            )


def _unnamed(home: Home, place: Place, kept: Kept, now: datetime) -> Iterator[Item]:
    """Yield what lies in a place and is not kept."""
    for path in entries_of(home, place):
        relative = path.relative_to(home.root)
        if place.kind == "manifests":
            stays = (path.parent.name, path.stem) in kept.manifests
        elif place.folder == "proofs":
            stays = f"papers/snapshot/{path.stem.rpartition('-')[2]}" in kept.paths
        elif place.folder == "trainings":
            stays = is_wanted(home, path, kept, now=now)
        elif place.kind == "downloaded models":
            stays = f"{path.parent.name}/{path.name}" in kept.registered.versions
        else:
            stays = relative.as_posix() in kept.paths
        if not stays and not _goes_with_folder(home, path, kept):
            yield _item(home, place.kind, path)


def _goes_with_folder(home: Home, path: Path, kept: Kept) -> bool:
    """Tell whether a file lies in a snapshot's folder that goes as a whole."""
    folder = path.parent.parent
    return folder.parent == home.papers / "snapshot" and (
        folder.relative_to(home.root).as_posix() not in kept.paths
    )


def _left(home: Home, now: datetime) -> Iterator[Path]:
    """Yield what killed writes and killed rebuilds left."""
    yield from scratch.abandoned(home)
    for path in temporaries(home):
        if now.timestamp() - path.lstat().st_mtime > LEFT_AFTER.total_seconds():
            yield path


def _item(home: Home, kind: str, path: Path) -> Item:
    return Item(kind, path.relative_to(home.root).as_posix(), _n_bytes(path))


def _n_bytes(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder; links are not followed."""
    if not path.is_dir():
        return path.lstat().st_size
    return sum(
        (Path(folder) / name).lstat().st_size
        for folder, _, names in os.walk(path)
        for name in names
    )


def _remove(root: Path, path: Path) -> None:
    """Remove one file or folder of ours; what a link would lead to is left alone."""
    inside = path.parent.resolve() == root.resolve() / path.parent.relative_to(root)
    if not inside or path.is_symlink() or not path.exists():
        return
    if not path.is_dir():
        path.unlink()
        return
    atomic.remove_folder(path)
