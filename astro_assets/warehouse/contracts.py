"""The declared schema of each table: its Dagster checks, its documentation and its tests.

What does not belong here: how a column is computed (that is the SQL model's), the marts that are
offered as views (mart_contracts.py), and what a rule looks like in SQL (rules.py).
"""

from __future__ import annotations

from dataclasses import replace

from astro_assets.warehouse.contract import Column, Contract
from astro_assets.warehouse.mart_contracts import MART_CONTRACTS
from astro_assets.warehouse.values import MONTH, REASONS, SHA256, SIDES

__all__ = [
    "ASTRO_PH_PAPERS",
    "CONTRACTS",
    "GENERAL_PAPERS",
    "SNAPSHOT_KEYS",
    "SNAPSHOT_PAPERS",
    "Column",
    "Contract",
]

_PAPER_COLUMNS = (
    Column("id", "VARCHAR", "arXiv identifier, old form with a slash or new form", nullable=False),
    Column("title", "VARCHAR", "title as arXiv has it"),
    Column("authors", "VARCHAR", "authors as one text"),
    Column("abstract", "VARCHAR", "abstract of the latest version, raw TeX, uncleaned"),
    Column("categories", "VARCHAR", "all categories, blank-separated", nullable=False),
    Column("primary_category", "VARCHAR", "the first category", nullable=False, pattern=r"\S+"),
    Column("comments", "VARCHAR", "authors' comments"),
    Column("journal_ref", "VARCHAR", "journal reference"),
    Column("doi", "VARCHAR", "DOI of the published version"),
    Column("license", "VARCHAR", "URL of the licence"),
    Column("submitted_at", "TIMESTAMP WITH TIME ZONE", "when v1 came in (UTC); null if unknown"),
    Column(
        "submission_month", "VARCHAR", "YYYY-MM of v1, else of the id", nullable=False,
        pattern=MONTH,
    ),
    Column("n_versions", "INTEGER", "number of versions; null if unknown"),
    Column("update_date", "DATE", "day of the last modification; null if unknown"),
    Column("is_primary", "BOOLEAN", "an astro-ph category comes first", nullable=False),
    Column(
        "text_sha256", "VARCHAR", "hash of the abstract, blanks collapsed; null if empty",
        pattern=SHA256,
    ),
    Column(
        "side", "VARCHAR", "train or test, by a hash of salt and id", nullable=False,
        accepted=SIDES,
    ),
    Column(
        "excluded_because", "VARCHAR", "why the text is not used; null if it is", accepted=REASONS
    ),
    Column("latest_version", "INTEGER", "number of the latest version; null if unknown"),
    Column("is_astro", "BOOLEAN", "an astro-ph category stands at any place", nullable=False),
    Column(
        "row_sha256", "VARCHAR", "hash of everything arXiv says in this row", nullable=False,
        pattern=SHA256,
    ),
)  # fmt: skip


def _papers(**accepted: tuple[bool, ...]) -> tuple[Column, ...]:
    """Return the columns of a paper table, some flags of one value only."""
    return tuple(replace(c, accepted=accepted.get(c.name, c.accepted)) for c in _PAPER_COLUMNS)


ASTRO_PH_PAPERS = Contract(
    "astro_ph_papers",
    "Papers of a release with an astro-ph category.",
    _papers(is_astro=(True,)),
)
GENERAL_PAPERS = Contract(
    "general_papers",
    "Sampled papers of a release without any astro-ph category.",
    _papers(is_astro=(False,), is_primary=(False,)),
)
SNAPSHOT_PAPERS = Contract(
    "snapshot_papers",
    "The snapshot's papers, astro and sampled general; sides and reasons are as of its vintage.",
    _PAPER_COLUMNS,
)

_KEY_COLUMNS = (
    "id", "submitted_at", "submission_month", "latest_version", "update_date", "is_astro",
    "is_primary", "text_sha256", "side", "excluded_because", "row_sha256",
)  # fmt: skip
SNAPSHOT_KEYS = Contract(
    "snapshot_keys",
    "The columns of snapshot_papers that later releases judge its papers by.",
    tuple({column.name: column for column in _PAPER_COLUMNS}[name] for name in _KEY_COLUMNS),
)

CONTRACTS = {
    contract.name: contract
    for contract in (
        SNAPSHOT_PAPERS, SNAPSHOT_KEYS, ASTRO_PH_PAPERS, GENERAL_PAPERS, *MART_CONTRACTS
    )
}  # fmt: skip
"""Contract by table name."""
