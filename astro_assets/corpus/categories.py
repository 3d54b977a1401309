"""A paper's categories as one small number, kept beside its tokens.

Of an astro-ph paper: which subfields. Of a general one: whether it may be replayed, or is measured.

What does not belong here: which papers are astro-ph papers (the SQL models say so).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from astro_assets.corpus.fields import Role, role_of

CATEGORY_RULES = "2"
"""Version of the numbers below and of the lists in fields.py: part of every token stream's name."""

SUBFIELDS = (
    "astro-ph",
    "astro-ph.CO",
    "astro-ph.EP",
    "astro-ph.GA",
    "astro-ph.HE",
    "astro-ph.IM",
    "astro-ph.SR",
    "astro-ph (other)",
)
"""By number: arXiv's categories (https://arxiv.org/category_taxonomy), and any that comes later.

``astro-ph`` is the category itself, all there was until 2009. The numbers are in files, so whoever
changes this list raises ``CATEGORY_RULES``. The low byte is full: a ninth name needs wider numbers.
"""

_FIRST_SHIFT = 8
_FIRST_MASK = 0xF
_ROLES: dict[Role, int] = {"measured": 0x1000, "replayed": 0x2000}
_ROLE_MASK = 0xF000


def pack_categories(lists: Iterable[str]) -> NDArray[np.uint16]:
    """Return one number per paper from its blank-separated categories.

    Bit ``k`` of the low byte: ``SUBFIELDS[k]`` stands among them. The next four bits: 1 + the
    number of the subfield that stands first, 0 where the first category is none of astro-ph. The
    highest four: what a general paper may be used for (fields.py), 0 for all others.

    >>> [f"{n:#x}" for n in pack_categories(["astro-ph.CO gr-qc", "hep-ph astro-ph", "plasm-ph"])]
    ['0x202', '0x1', '0x1000']
    """
    return np.fromiter((_packed(listed) for listed in lists), dtype=np.uint16)


def carries(packed: NDArray[np.uint16], subfield: int) -> NDArray[np.bool_]:
    """Return for each paper whether a subfield stands among its categories, at any place."""
    found: NDArray[np.bool_] = (packed >> subfield) & 1 == 1
    return found


def comes_first(packed: NDArray[np.uint16], subfield: int | None = None) -> NDArray[np.bool_]:
    """Return for each paper whether a subfield, or any for None, is its first category."""
    first = (packed >> _FIRST_SHIFT) & _FIRST_MASK
    return first > 0 if subfield is None else first == subfield + 1


def has_role(packed: NDArray[np.uint16], role: Role) -> NDArray[np.bool_]:
    """Return for each paper whether it is a general one of this role."""
    found: NDArray[np.bool_] = packed & _ROLE_MASK == _ROLES[role]
    return found


@lru_cache(maxsize=4_096)  # papers of a month share few lists
def _packed(listed: str) -> int:
    role = role_of(listed)
    packed = _ROLES[role] if role else 0
    for place, category in enumerate(listed.split()):
        number = _number(category)
        if number is not None:
            packed |= 1 << number
            packed |= (number + 1) << _FIRST_SHIFT if place == 0 else 0
    return packed


def _number(category: str) -> int | None:
    if category in SUBFIELDS:
        return SUBFIELDS.index(category)
    return len(SUBFIELDS) - 1 if category.startswith("astro-ph.") else None
