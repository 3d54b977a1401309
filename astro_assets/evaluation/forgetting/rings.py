"""General test papers in rings by their distance from astronomy.

What does not belong here: text that is no abstract (``self_text``, ``prose``), and what the rings
came to (``figures``).
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Literal

import polars as pl

from astro_assets.corpus.fields import FORMER
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.evaluation.samples import Sample
from astro_assets.evaluation.selection import leave_out, take_tokens

Ring = Literal["far", "near", "rehearsed"]

FAR = ("cs", "eess", "q-bio", "stat")
"""Archives that share neither objects nor words with astronomy: computing, engineering, biology,
statistics. No recipe may replay them (``corpus.fields``), so they are what a promotion reads."""

NEAR = (
    "gr-qc", "hep-ex", "hep-lat", "hep-ph", "hep-th", "nucl-ex", "nucl-th",
    "physics.plasm-ph", "physics.space-ph",
)  # fmt: skip
"""Archives, and categories of the archive physics, whose papers astronomers write and read too:
gravity, particles, nuclei, plasmas, space. A tuned model may well improve on them. gr-qc and hep-th
may be replayed, which is one more reason why no promotion reads this ring."""

REHEARSED = ("econ", "math", "math-ph", "nlin", "q-fin")
"""Far archives that a recipe may replay (``corpus.fields``): shown, for a model that rehearsed them
is no witness of what it forgot."""

RING_WORDS = {
    "far": "Abstracts of computing, engineering, statistics and biology; no training replays them.",
    "near": "Abstracts of gravity, particle, nuclear, plasma and space physics.",
    "rehearsed": "Abstracts of mathematics, dynamics and economics, which a training may replay.",
    "self_text": "Text sampled from the base itself: the rise estimates how far a tuned model "
    "has moved from it.",
    "prose": "The user's own texts outside astronomy.",
}
"""Ring -> a sentence what it is made of, in the order of reports."""

_RING_OF: dict[str, Ring] = {
    **dict.fromkeys(FAR, "far"),
    **dict.fromkeys(NEAR, "near"),
    **dict.fromkeys(REHEARSED, "rehearsed"),
}
_CLOSED = {"plasm-ph": "physics.plasm-ph"}
"""Closed archives that became one category of their ring; of the others the archive is enough."""


@lru_cache(maxsize=4_096)  # papers share few lists
def ring_of(categories: str) -> Ring | None:
    """Return the ring of a paper with these blank-separated categories.

    All of them, cross-lists too, must be of one ring: a paper on graph theory in cs and math is
    neither surely far nor surely rehearsed. Condensed matter, quanta and the rest of physics lie
    between the rings and are in none; so is everything astronomy is listed with.

    >>> ring_of("cs.LG stat.ML"), ring_of("gr-qc hep-th"), ring_of("math.AG")
    ('far', 'near', 'rehearsed')
    >>> ring_of("cs.IT math.IT"), ring_of("gr-qc astro-ph.CO"), ring_of("physics.optics")
    (None, None, None)
    """
    rings = {_ring_of_one(category) for category in categories.split()}
    return rings.pop() if len(rings) == 1 else None


def take_rings(
    general_texts: pl.DataFrame,
    tokenizer: Tokenizer,
    *,
    max_tokens: int,
    near_copies: Collection[str] | None,
) -> dict[str, Sample]:
    """Return the papers of each ring, in sampling order; a ring without papers is absent.

    Args:
        general_texts: The general test papers: columns id, title, categories, text.
        tokenizer: Whose tokens the cap counts.
        max_tokens: Text tokens per ring at most (but at least one paper).
        near_copies: Ids of papers to leave out; None leaves none out.
    """
    rings = pl.Series(
        [ring_of(listed or "") for listed in general_texts["categories"]], dtype=pl.String
    )
    samples: dict[str, Sample] = {}
    for ring in ("far", "near", "rehearsed"):
        papers, _ = leave_out(general_texts.filter(rings == ring), near_copies)
        if not papers.is_empty():
            samples[ring] = take_tokens(
                papers, tokenizer, max_tokens=max_tokens, what=f"{ring} test papers"
            )
    return samples


def _ring_of_one(category: str) -> Ring | None:
    category = _CLOSED.get(category, category)
    archive = category.split(".")[0]
    return _RING_OF.get(category) or _RING_OF.get(FORMER.get(archive, archive))
