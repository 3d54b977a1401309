"""Which side a paper is on, and whether a general paper is in the sample: hashes of (salt, id).

The same rules stand in SQL (paper_judgements, stg_records); a test holds the two together. Whatever
else changes about a paper, or about the library versions, it never changes sides.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from astro_assets.artifacts.manifest import Manifest

Side = Literal["train", "test"]

TEST_SHARE = 0.20
"""Share of papers held out (arXiv:2309.06126, section 2.1: 20 % at random)."""


SPLIT_SALT = "astro-assets"
"""One salt for both fields. Changing it would move papers between sides."""

_SMALL_SNAPSHOT_RECORDS = 500_000
_LARGE_SNAPSHOT_SHARE = 0.05


def choose_general_share(
    setting: float | Literal["auto"], *, n_records: int, previous: Manifest | None
) -> float:
    """Return the share of general papers to keep; a home that chose once stays with it.

    All of a small snapshot; 5 % of a full one (about 130,000 of arXiv's papers), plenty for a test
    side. Growth never changes it, or the general side of a release would not compare with the next.
    """
    if setting != "auto":
        return setting
    if previous is not None:
        return float(previous.parameters["general_share"])
    return 1.0 if n_records < _SMALL_SNAPSHOT_RECORDS else _LARGE_SNAPSHOT_SHARE


def threshold(share: float) -> int:
    """Return the number that the first 64 bits of a hash lie below in ``share`` of all cases."""
    return int(share * 2**64)


def side_of(paper_id: str, salt: str) -> Side:
    """Return ``test`` if sha256(salt, 0x1f, id) falls in the first TEST_SHARE, else ``train``."""
    return "test" if _first_bits(salt, paper_id) < threshold(TEST_SHARE) else "train"


def in_general_sample(paper_id: str, salt: str, share: float) -> bool:
    """Tell whether a general paper is sampled; a larger share holds every smaller one."""
    return _first_bits("general", salt, paper_id) < threshold(share)


def _first_bits(*parts: str) -> int:
    """Return the first 64 bits of the sha256 of the parts, joined by the unit separator."""
    return int.from_bytes(hashlib.sha256("\x1f".join(parts).encode()).digest()[:8], "big")
