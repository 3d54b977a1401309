"""Which general papers forgetting is measured on, and which may be replayed: never the same fields.

A model that replays mathematics is no witness of what it kept of mathematics. So arXiv's archives
outside astronomy are in two fixed lists, and the measure reads one of them whatever a recipe
replays: recipes with and without replay are then compared on the same papers.

What does not belong here: which papers are general (warehouse), and how they are sampled.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

FIELD_RULES = "1"
"""Version of the lists below. They are in streams' names (``CATEGORY_RULES``) and in reports: who
changes them raises both, and the code versions of token_blocks, lora_checkpoint (what is replayed)
and perplexity_report."""

MEASURED = (
    "cond-mat", "cs", "eess", "hep-ex", "hep-lat", "hep-ph", "nucl-ex", "nucl-th", "physics",
    "q-bio", "quant-ph", "stat",
)  # fmt: skip
"""Archives that forgetting is measured on: computing, engineering, statistics and biology, which
are far from astronomy, and matter, quanta, particles and physics at large, which are near."""

REPLAYED = ("econ", "gr-qc", "hep-th", "math", "math-ph", "nlin", "q-fin")
"""Archives that may be replayed: mathematics, mathematical and gravitational theory, dynamics,
economics and finance.

The cut runs where few papers are cross-listed (gr-qc with hep-th, stat with cs, q-fin with econ
stand together), since a paper on both sides is lost to both: an eighth of the real sample's.
"""

FORMER = {
    "acc-phys": "physics", "ao-sci": "physics", "atom-ph": "physics", "bayes-an": "physics",
    "chem-ph": "physics", "plasm-ph": "physics", "mtrl-th": "cond-mat", "supr-con": "cond-mat",
    "cmp-lg": "cs", "alg-geom": "math", "dg-ga": "math", "funct-an": "math", "q-alg": "math",
    "adap-org": "nlin", "chao-dyn": "nlin", "comp-gas": "nlin", "patt-sol": "nlin",
    "solv-int": "nlin",
}  # fmt: skip
"""Archives that were closed, and the one that took them in (https://arxiv.org/archive)."""

Role = Literal["measured", "replayed"]

_ROLES: dict[str, Role] = {
    **dict.fromkeys(MEASURED, "measured"),
    **dict.fromkeys(REPLAYED, "replayed"),
}
_ROLES |= {former: _ROLES[today] for former, today in FORMER.items()}


@lru_cache(maxsize=4_096)  # papers share few lists
def role_of(categories: str) -> Role | None:
    """Return what a paper with these blank-separated categories may be used for.

    All of them, cross-lists too, must be in archives of one list. None: they are in both, or one is
    astronomy's, or an archive that is in neither list.

    >>> role_of("cs.LG stat.ML"), role_of("math.AG hep-th"), role_of("math.PR cs.IT")
    ('measured', 'replayed', None)
    >>> role_of("cmp-lg"), role_of("gr-qc astro-ph.CO"), role_of("")
    ('measured', None, None)
    """
    roles = {_ROLES.get(category.split(".")[0]) for category in categories.split()}
    return roles.pop() if len(roles) == 1 else None


def field_facts() -> dict[str, Any]:
    """Return the lists as reports keep them."""
    return {"rules": FIELD_RULES, "measured": list(MEASURED), "replayed": list(REPLAYED)}
