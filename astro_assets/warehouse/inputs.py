"""What the SQL models may name that is no model: sources, parameters, the tables that are kept.

Declared once: the loader refuses any other name, column lineage ends on these columns, and Dagster
shows them. What does not belong here: who registers a source or binds a parameter (papers.py,
views.py, quality.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from astro_assets.warehouse.contract import Column
from astro_assets.warehouse.contracts import (
    ASTRO_PH_PAPERS,
    GENERAL_PAPERS,
    SNAPSHOT_KEYS,
    SNAPSHOT_PAPERS,
)

TABLES = (SNAPSHOT_PAPERS.name, ASTRO_PH_PAPERS.name, GENERAL_PAPERS.name)
"""The tables that are kept as Parquet, each an asset; in the order they are made."""

RECORD_COLUMNS = (
    Column("id", "VARCHAR", "arXiv identifier", nullable=False),
    Column("submitter", "VARCHAR", "who handed the paper in"),
    Column("authors", "VARCHAR", "authors as one text"),
    Column("title", "VARCHAR", "title, raw TeX, line breaks as they came"),
    Column("comments", "VARCHAR", "authors' comments: pages, figures, withdrawals"),
    Column("journal_ref", "VARCHAR", "journal reference"),
    Column("doi", "VARCHAR", "DOI of the published version"),
    Column("report_no", "VARCHAR", "report number of an institution"),
    Column("categories", "VARCHAR", "all categories, blank-separated, the first is the primary"),
    Column("license", "VARCHAR", "URL of the licence"),
    Column("abstract", "VARCHAR", "abstract of the latest version, raw TeX"),
    Column(
        "versions",
        "STRUCT(version VARCHAR, created VARCHAR, source_type VARCHAR)[]",
        "every version with its day; the kind of its files only from OAI-PMH",
    ),
    Column("update_date", "VARCHAR", "day of the last modification, as the snapshot says"),
    Column("datestamp", "VARCHAR", "day of the last modification, as OAI-PMH says; else null"),
    Column("is_deleted", "BOOLEAN", "arXiv says there is no such paper any more", nullable=False),
)
"""A raw record (``ingest.records.RECORD_SCHEMA``), of a snapshot or a harvest."""


@dataclass(frozen=True)
class Source:
    """A relation from outside."""

    description: str
    columns: tuple[Column, ...]


SOURCES: Mapping[str, Source] = {
    "records": Source(
        "raw records of a snapshot or of harvest windows, numbered as they came",
        (*RECORD_COLUMNS, Column("ordinal", "BIGINT", "place in the stream", nullable=False)),
    ),
    "snapshot_rows": Source(
        "shards of snapshot_papers, of the months that are to be written", SNAPSHOT_PAPERS.columns
    ),
    "snapshot_keys": Source("key columns of all snapshot_papers", SNAPSHOT_KEYS.columns),
    "earlier_astro_ph_papers": Source(
        "astro_ph_papers of the kept release before", ASTRO_PH_PAPERS.columns
    ),
    "earlier_general_papers": Source(
        "general_papers of the kept release before", GENERAL_PAPERS.columns
    ),
}
"""Source by the name a model gives it."""

EARLIER: Mapping[str, str] = {
    f"earlier_{name}": name for name in (ASTRO_PH_PAPERS.name, GENERAL_PAPERS.name)
}
"""Source of the release before -> the table it is."""

PARAMETERS: Mapping[str, str] = {
    "release": "the release month, YYYY-MM; 9999-12 for a snapshot, which has no end",
    "salt": "goes into every hash that decides about a paper",
    "category_rule": "any or primary",
    "general_below": "a hash below it puts a general paper into the sample",
    "test_below": "a hash below it puts a paper on the test side",
}
"""What is bound in models."""

TEST_PARAMETERS: Mapping[str, str] = {"release": PARAMETERS["release"]}
"""What is bound in data tests."""
