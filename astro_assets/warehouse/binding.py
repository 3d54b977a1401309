"""Which snapshot a release is made from: the one it was first bound to, until asked to move.

What does not belong here: what a release makes of its snapshot (papers.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.errors import MissingArtifactError, ReleaseBoundError


@dataclass(frozen=True)
class Binding:
    """A release's snapshot."""

    snapshot: Manifest
    papers: Manifest
    """The snapshot_papers of that snapshot."""
    is_present: bool
    """Whether it is the snapshot the home holds now."""

    def facts(self) -> dict[str, Any]:
        """Return what the release's manifest keeps of it."""
        return {
            "snapshot": self.snapshot.fingerprint,
            "snapshot_key": self.snapshot.key,
            "snapshot_papers_key": self.papers.key,
            "snapshot_vintage": self.snapshot.facts["vintage"],
        }


def bind(store: Store, release: str, *, rebase: bool, snapshot_given: bool) -> Binding:
    """Return the snapshot a release is made from.

    A release seen for the first time, or with ``rebase``, takes the present one. Otherwise it keeps
    its own, so that a new snapshot never rewrites an old release by itself.

    Raises:
        ReleaseBoundError: the run named another snapshot than the one the release is bound to.
        MissingArtifactError: the snapshot it is bound to is no longer known to this home.
    """
    present = Binding(
        store.require("arxiv_snapshot", None), store.require("snapshot_papers", None), True
    )
    made = store.current("astro_ph_papers", release)
    if made is None or rebase or made.facts["snapshot"] == present.snapshot.fingerprint:
        return present
    if snapshot_given:
        raise ReleaseBoundError(
            f"Release {release} is bound to the snapshot {made.facts['snapshot'][:12]}…, and this "
            f"run named {present.snapshot.fingerprint[:12]}….",
            expected="the same snapshot: a release stays what it was.",
            do="Add --rebase to make the release anew from it, or use another ASTRO_HOME.",
        )
    snapshot = store.find("arxiv_snapshot", made.facts["snapshot_key"])
    papers = store.find("snapshot_papers", made.facts["snapshot_papers_key"])
    if snapshot is None or papers is None:
        raise MissingArtifactError(
            f"Release {release} is bound to the snapshot {made.facts['snapshot'][:12]}…, which "
            "this home no longer knows.",
            do="Materialise arxiv_snapshot from that file again, or bind anew with --rebase.",
        )
    return Binding(snapshot, papers, False)
