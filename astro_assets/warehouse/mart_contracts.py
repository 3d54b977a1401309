"""Contracts of the marts people ask: views over a release's tables, kept nowhere themselves."""

from __future__ import annotations

from astro_assets.warehouse.contract import Column, Contract
from astro_assets.warehouse.values import CHANGES, MONTH, REASONS, SIDES, TABLE_NAMES

_TABLE = Column(
    "table_name", "VARCHAR", "astro or general", nullable=False, accepted=TABLE_NAMES
)  # fmt: skip
_ID = Column("id", "VARCHAR", "arXiv identifier", nullable=False)
_MONTH = Column(
    "submission_month", "VARCHAR", "YYYY-MM of v1, else of the id", nullable=False, pattern=MONTH
)
_CATEGORY = Column(
    "category", "VARCHAR", "one category, such as astro-ph.GA", nullable=False, pattern=r"\S+"
)
_SIDE = Column("side", "VARCHAR", "train or test", nullable=False, accepted=SIDES)
_REASON = Column(
    "excluded_because", "VARCHAR", "why the text is not used; null if it is", accepted=REASONS
)
_TITLE = Column("title", "VARCHAR", "title as arXiv has it")
_CATEGORIES = Column("categories", "VARCHAR", "all categories, blank-separated", nullable=False)


def _count(name: str, description: str) -> Column:
    return Column(name, "BIGINT", description, nullable=False)


PAPERS_BY_MONTH = Contract(
    "papers_by_month",
    "How many papers of each submission month a release holds, and why others are not used.",
    (
        _TABLE,
        _MONTH,
        _count("n_rows", "all papers of the month"),
        _count("papers", "papers whose text is used"),
        _count("n_train", "of these on the train side"),
        _count("n_test", "of these on the test side"),
        _count("n_excluded", "papers whose text is not used: the sum of the next four"),
        *(_count(f"excluded_{reason}", f"excluded as {reason}") for reason in REASONS),
    ),
    key=("table_name", "submission_month"),
)
PAPERS_BY_SUBFIELD = Contract(
    "papers_by_subfield",
    "Papers per submission month and category; a paper counts in each of its categories.",
    (
        _TABLE,
        _MONTH,
        _CATEGORY,
        _count("n_rows", "papers with this category at any place"),
        _count("papers", "of these, papers whose text is used"),
        _count("papers_first", "of these, papers with this category first"),
        _count("n_excluded", "papers with this category whose text is not used"),
    ),
    key=("table_name", "submission_month", "category"),
)
PAPER_CATEGORIES = Contract(
    "paper_categories",
    "One row per paper and category, to count and join by subfield.",
    (
        _TABLE,
        _ID,
        _CATEGORY,
        _count("position", "place among the paper's categories, from 1: its primary one"),
        _MONTH,
        _SIDE,
        _REASON,
    ),
    key=("table_name", "id", "category"),
)
WITHDRAWN_PAPERS = Contract(
    "withdrawn_papers",
    "Papers that were withdrawn: their text says nothing any more, so it is not used.",
    (
        _TABLE,
        _ID,
        _TITLE,
        Column("comments", "VARCHAR", "authors' comments, which often say why"),
        _CATEGORIES,
        _MONTH,
        Column("latest_version", "INTEGER", "number of the latest version; null if unknown"),
        Column("update_date", "DATE", "day of the last modification; null if unknown"),
    ),
    key=("table_name", "id"),
)
CHANGED_PAPERS = Contract(
    "changed_papers",
    "What became of papers since the kept release before: added, revised, withdrawn or lost.",
    (
        _TABLE,
        _ID,
        Column("change", "VARCHAR", "what became of it", nullable=False, accepted=CHANGES),
        _TITLE,
        _CATEGORIES,
        _MONTH,
        Column("is_text_changed", "BOOLEAN", "the abstract says something else; null if it "
               "stands in one release only"),
        Column("earlier_version", "INTEGER", "latest version in the release before"),
        Column("latest_version", "INTEGER", "latest version in this release; null if lost"),
        Column("update_date", "DATE", "day of the last modification"),
        _REASON,
    ),
    key=("table_name", "id"),
)  # fmt: skip

MART_CONTRACTS = (
    PAPERS_BY_MONTH,
    PAPERS_BY_SUBFIELD,
    PAPER_CATEGORIES,
    WITHDRAWN_PAPERS,
    CHANGED_PAPERS,
)
"""Offered as views per kept release."""
