"""The declared schema of each table: used for checks, for documentation and for data tests.

What does not belong here: how a column is computed (that is the SQL model's).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from astro_assets.errors import DamagedArtifactError

_ARROW = {
    "VARCHAR": pa.string(),
    "INTEGER": pa.int32(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", tz="UTC"),
}


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    type: str
    """DuckDB's name of the type."""
    description: str
    nullable: bool = True


@dataclass(frozen=True)
class Contract:
    """What a table promises."""

    name: str
    description: str
    columns: tuple[Column, ...]

    @property
    def arrow_schema(self) -> pa.Schema:
        """The schema of its Parquet files."""
        return pa.schema(
            [pa.field(c.name, _ARROW[c.type], nullable=c.nullable) for c in self.columns]
        )

    def check(self, found: pa.Schema, path: Path) -> None:
        """Refuse a file whose columns or types are others.

        Raises:
            DamagedArtifactError: names the first difference.
        """
        expected = self.arrow_schema
        for name in expected.names:
            if name not in found.names:
                self._refuse(f"{path} lacks the column {name!r}.")
            if found.field(name).type != expected.field(name).type:
                self._refuse(
                    f"{path}: column {name!r} is {found.field(name).type}, "
                    f"not {expected.field(name).type}."
                )
        extra = [name for name in found.names if name not in expected.names]
        if extra:
            self._refuse(f"{path} has the unknown column {extra[0]!r}.")

    def _refuse(self, found: str) -> None:
        raise DamagedArtifactError(
            found,
            expected=f"the {len(self.columns)} columns declared for {self.name}.",
            do=f"Materialise {self.name} again.",
        )


_PAPER_COLUMNS = (
    Column("id", "VARCHAR", "arXiv identifier, old form with a slash or new form", nullable=False),
    Column("title", "VARCHAR", "title as arXiv has it"),
    Column("authors", "VARCHAR", "authors as one text"),
    Column("abstract", "VARCHAR", "abstract of the latest version, raw TeX, uncleaned"),
    Column("categories", "VARCHAR", "all categories, blank-separated", nullable=False),
    Column("primary_category", "VARCHAR", "the first category", nullable=False),
    Column("comments", "VARCHAR", "authors' comments"),
    Column("journal_ref", "VARCHAR", "journal reference"),
    Column("doi", "VARCHAR", "DOI of the published version"),
    Column("license", "VARCHAR", "URL of the licence"),
    Column("submitted_at", "TIMESTAMP WITH TIME ZONE", "when v1 came in (UTC); null if unknown"),
    Column("submission_month", "VARCHAR", "YYYY-MM of v1, else of the id", nullable=False),
    Column("n_versions", "INTEGER", "number of versions; null if unknown"),
    Column("update_date", "DATE", "day of the last modification; null if unknown"),
    Column("is_primary", "BOOLEAN", "an astro-ph category comes first", nullable=False),
    Column("text_sha256", "VARCHAR", "hash of the abstract, blanks collapsed; null if empty"),
    Column("side", "VARCHAR", "train or test, by a hash of salt and id", nullable=False),
    Column("excluded_because", "VARCHAR", "why the text is not used; null if it is"),
    Column("latest_version", "INTEGER", "number of the latest version; null if unknown"),
    Column("is_astro", "BOOLEAN", "an astro-ph category stands at any place", nullable=False),
    Column("row_sha256", "VARCHAR", "hash of everything arXiv says in this row", nullable=False),
)

ASTRO_PH_PAPERS = Contract(
    "astro_ph_papers", "Papers of a release with an astro-ph category.", _PAPER_COLUMNS
)
GENERAL_PAPERS = Contract(
    "general_papers", "Sampled papers of a release without any astro-ph category.", _PAPER_COLUMNS
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

CONTRACTS = {c.name: c for c in (SNAPSHOT_PAPERS, SNAPSHOT_KEYS, ASTRO_PH_PAPERS, GENERAL_PAPERS)}
"""Contract by table name."""
