"""A paper's astro-ph categories as one small number, kept beside its tokens.

What does not belong here: which papers are astro-ph papers (the SQL models say so).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

CATEGORY_RULES = "1"
"""Version of the numbers below: part of every token stream's name."""

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


def pack_categories(lists: Iterable[str]) -> NDArray[np.uint16]:
    """Return one number per paper from its blank-separated categories.

    Bit ``k`` of the low byte: ``SUBFIELDS[k]`` stands among them. High byte: 1 + the number of the
    subfield that stands first, 0 where the first category is none of astro-ph.

    >>> [f"{n:#x}" for n in pack_categories(["astro-ph.CO gr-qc", "hep-ph astro-ph", "plasm-ph"])]
    ['0x202', '0x1', '0x0']
    """
    return np.fromiter((_packed(listed) for listed in lists), dtype=np.uint16)


def carries(packed: NDArray[np.uint16], subfield: int) -> NDArray[np.bool_]:
    """Return for each paper whether a subfield stands among its categories, at any place."""
    found: NDArray[np.bool_] = (packed >> subfield) & 1 == 1
    return found


def comes_first(packed: NDArray[np.uint16], subfield: int | None = None) -> NDArray[np.bool_]:
    """Return for each paper whether a subfield, or any for None, is its first category."""
    first = packed >> _FIRST_SHIFT
    return first > 0 if subfield is None else first == subfield + 1


@lru_cache(maxsize=4_096)  # papers of a month share few lists
def _packed(listed: str) -> int:
    packed = 0
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
