"""The two pairs of abstracts that the paper shows beside its figure 3, found again by title.

What does not belong here: the similarities (report).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class PaperPair:
    """Two abstracts of arXiv:2309.06126, figure 3, and how alike they are there."""

    titles: tuple[str, str]
    """As the paper gives them."""
    ids: tuple[str | None, str | None]
    """arXiv ids where the paper gives them."""
    similarity: Mapping[str, float]
    """Cosine by model, as published."""


PAPER_PAIRS = (
    PaperPair(
        titles=(
            "Astrophysical gyrokinetics: kinetic and fluid turbulent cascades in magnetized weakly "
            "collisional plasma",
            "Comment on modified Coulomb law in a strongly magnetised vacuum",
        ),
        ids=("0704.0044", None),
        similarity={"ada-002": 0.785, "AstroLLaMA": 0.363},
    ),
    PaperPair(
        titles=(
            "A Spitzer census of the IC 348 nebula",
            "Sequential and spontaneous star formation around the mid-infrared halo HII region "
            "KR 140",
        ),
        ids=(None, None),
        similarity={"ada-002": 0.824, "AstroLLaMA": 0.928},
    ),
)


def title_key(title: str) -> str:
    """Return what two spellings of one title have in common: letters and digits.

    >>> title_key("HII in a *Magnetized*  vacuum.") == title_key("H II in a magnetised vacuum")
    True
    """
    plain = unicodedata.normalize("NFKD", title).casefold().replace("z", "s")
    return re.sub(r"[^a-z0-9]", "", plain)


def find_pairs(ids: Sequence[str], titles: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """Return for each of the paper's pairs the rows of its two papers, None where one is absent.

    Args:
        ids: arXiv ids.
        titles: Of the same papers.
    """
    row_of_title = {title_key(title): row for row, title in reversed(list(enumerate(titles)))}
    row_of_id = {paper: row for row, paper in enumerate(ids)}
    found = []
    for pair in PAPER_PAIRS:
        first, second = (
            row_of_id.get(paper or "", row_of_title.get(title_key(title)))
            for paper, title in zip(pair.ids, pair.titles, strict=True)
        )
        found.append((first, second))
    return found
