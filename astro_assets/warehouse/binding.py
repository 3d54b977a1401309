"""Which snapshot a release is made from: the one it was first bound to, until asked to move.

What does not belong here: what a release makes of its snapshot (papers.py).
"""

from __future__ import annotations

from typing import Any

from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.errors import MissingArtifactError, ReleaseBoundError


def bound_snapshot(store: Store, release: str, *, rebase: bool, snapshot_given: bool) -> Manifest:
    """Return the snapshot a release is made from.

    A release seen for the first time, or with ``rebase``, takes the present one. Otherwise it keeps
    its own, so that a new snapshot never rewrites an old release by itself.

    Args:
        store: The home's manifests.
        release: The release month.
        rebase: Whether to bind the release anew.
        snapshot_given: Whether the run named its snapshot itself.

    Raises:
        ReleaseBoundError: the run named another snapshot than the one the release is bound to.
        MissingArtifactError: the snapshot it is bound to is no longer known to this home.
    """
    present = store.require("arxiv_snapshot", None)
    made = store.current("astro_ph_papers", release)
    if made is None or rebase or made.facts["snapshot"] == present.fingerprint:
        return present
    if snapshot_given:
        raise ReleaseBoundError(
            f"Release {release} is bound to the snapshot {made.facts['snapshot'][:12]}…, and this "
            f"run named {present.fingerprint[:12]}….",
            expected="the same snapshot: a release stays what it was.",
            do="Add --rebase to make the release anew from it, or use another ASTRO_HOME.",
        )
    bound = store.find("arxiv_snapshot", made.facts["snapshot_key"])
    if bound is None:
        raise _forgotten(release, made)
    return bound


def papers_of(store: Store, release: str, snapshot: Manifest) -> Manifest:
    """Return the snapshot_papers that were made of a release's snapshot.

    Raises:
        MissingArtifactError: they have not been made, or are no longer known to this home.
    """
    present = store.require("snapshot_papers", None)
    if present.parents["arxiv_snapshot"] == snapshot.fingerprint:
        return present
    made = store.current("astro_ph_papers", release)
    if made is None or made.facts["snapshot"] != snapshot.fingerprint:
        raise MissingArtifactError(
            f"snapshot_papers was made from {present.parents['arxiv_snapshot'][:12]}…, and the "
            f"present snapshot is {snapshot.fingerprint[:12]}….",
            do="Materialise snapshot_papers, then run this again.",
        )
    return papers_of_table(store, release, made)


def papers_of_table(store: Store, release: str, table: Manifest) -> Manifest:
    """Return the snapshot_papers that a release's astro table was made from.

    Raises:
        MissingArtifactError: they are no longer known to this home.
    """
    papers = store.find("snapshot_papers", table.facts["snapshot_papers_key"])
    if papers is None:
        raise _forgotten(release, table)
    return papers


def binding_facts(snapshot: Manifest, papers: Manifest) -> dict[str, Any]:
    """Return what a release's manifest keeps of the snapshot it is bound to."""
    return {
        "snapshot": snapshot.fingerprint,
        "snapshot_key": snapshot.key,
        "snapshot_papers_key": papers.key,
        "snapshot_vintage": snapshot.facts["vintage"],
    }


def _forgotten(release: str, made: Manifest) -> MissingArtifactError:
    return MissingArtifactError(
        f"Release {release} is bound to the snapshot {made.facts['snapshot'][:12]}…, which this "
        "home no longer knows.",
        do="Materialise arxiv_snapshot from that file again, or bind anew with --rebase.",
    )
