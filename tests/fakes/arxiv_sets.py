"""arXiv's sets: which categories there are, and which setSpecs a paper's categories give.

Belongs here: the tree of groups, archives and categories, and the two ways the server reads it
(with and without aliases). Does not belong here: pages and arguments (``arxiv_answers``).
"""

from __future__ import annotations

TREE = {
    "physics": {
        "astro-ph": "CO EP GA HE IM SR",
        "cond-mat": "dis-nn mes-hall mtrl-sci other quant-gas soft stat-mech str-el supr-con",
        "gr-qc": "", "hep-ex": "", "hep-lat": "", "hep-ph": "", "hep-th": "", "math-ph": "",
        "nlin": "AO CD CG PS SI",
        "nucl-ex": "", "nucl-th": "",
        "physics": "acc-ph ao-ph app-ph atm-clus atom-ph bio-ph chem-ph class-ph comp-ph data-an "
        "ed-ph flu-dyn gen-ph geo-ph hist-ph ins-det med-ph optics plasm-ph pop-ph soc-ph space-ph",
        "quant-ph": "",
    },
    "math": {
        "math": "AC AG AP AT CA CO CT CV DG DS FA GM GN GR GT HO IT KT LO MG MP NA NT OA OC PR QA "
        "RA RT SG SP ST",
    },
    "q-bio": {"q-bio": "BM CB GN MN NC OT PE QM SC TO"},
    "cs": {
        "cs": "AI AR CC CE CG CL CR CV CY DB DC DL DM DS ET FL GL GR GT HC IR IT LG LO MA MM MS "
        "NA NE NI OH OS PF PL RO SC SD SE SI SY",
    },
    "q-fin": {"q-fin": "CP EC GN MF PM PR RM ST TR"},
    "stat": {"stat": "AP CO ME ML OT TH"},
    "eess": {"eess": "AS IV SP SY"},
    "econ": {"econ": "EM GN TH"},
}  # fmt: skip
"""Group -> archive -> the endings of its categories; none: the archive is the category."""

_GROUP = {archive: group for group, archives in TREE.items() for archive in archives}
_SAME = (
    ("math-ph", "math.MP"), ("math.ST", "stat.TH"), ("cs.IT", "math.IT"),
    ("econ.GN", "q-fin.EC"), ("cs.SY", "eess.SY"), ("cs.NA", "math.NA"),
)  # fmt: skip
_ALIAS = {a: b for pair in _SAME for a, b in (pair, pair[::-1])}
_SUBSUMED = {
    "acc-phys": "physics.acc-ph", "adap-org": "nlin.AO", "alg-geom": "math.AG",
    "ao-sci": "physics.ao-ph", "atom-ph": "physics.atom-ph", "bayes-an": "physics.data-an",
    "chao-dyn": "nlin.CD", "chem-ph": "physics.chem-ph", "cmp-lg": "cs.CL", "comp-gas": "nlin.CG",
    "dg-ga": "math.DG", "funct-an": "math.FA", "mtrl-th": "cond-mat.mtrl-sci",
    "patt-sol": "nlin.PS", "plasm-ph": "physics.plasm-ph", "q-alg": "math.QA",
    "solv-int": "nlin.SI", "supr-con": "cond-mat.supr-con",
}  # fmt: skip


def all_sets() -> list[str]:
    """Return every setSpec in the order of ListSets: groups, archives, categories."""
    archives = sorted(_GROUP)
    categories = sorted(
        f"{archive}.{ending}" if ending else archive
        for group in TREE.values()
        for archive, endings in group.items()
        for ending in (endings.split() or [""])
    )
    return [
        *TREE,
        *(f"{_GROUP[archive]}:{archive}" for archive in archives),
        *(_spec(category) for category in categories),
    ]


def record_sets(categories: str) -> list[str]:
    """Return the setSpecs ListRecords and GetRecord show: today's names, aliases beside them."""
    shown: list[str] = []
    for category in categories.split():
        names = [_SUBSUMED.get(category, category)]
        if names[0] in _ALIAS:
            names.append(_ALIAS[names[0]])
        shown += [spec for name in names if (spec := _spec(name)) and spec not in shown]
    return shown


def identifier_sets(categories: str) -> list[str]:
    """Return the setSpecs ListIdentifiers shows: the categories as they stand."""
    return [spec for category in categories.split() if (spec := _spec(category))]


def in_set(categories: str, wanted: str) -> bool:
    """Return whether a paper belongs to a set: one of its own setSpecs, or a parent of one."""
    return any(f"{spec}:".startswith(f"{wanted}:") for spec in record_sets(categories))


def _spec(category: str) -> str:
    """Return ``group:archive[:ending]``; empty for what is no category of arXiv's."""
    archive, _, ending = category.partition(".")
    group = _GROUP.get(archive)
    if category in _SUBSUMED:
        group = _GROUP[_SUBSUMED[category].partition(".")[0]]
        # The old archives of physics are now parts of physics, nlin or cond-mat: one group.
    return "" if group is None else ":".join(filter(None, (group, archive, ending)))
