"""The home folder: every path the project writes to is spelled here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Home:
    """All paths under ``ASTRO_HOME``; making one touches nothing on disk."""

    root: Path
    """Absolute path of the home folder."""

    @property
    def dagster(self) -> Path:
        """Dagster's own home: dagster.yaml, run and event storage."""
        return self.root / "dagster"

    @property
    def mlflow_db(self) -> Path:
        """MLflow's SQLite file (unless MLFLOW_TRACKING_URI points elsewhere)."""
        return self.root / "mlflow" / "mlflow.db"

    @property
    def mlflow_artifacts(self) -> Path:
        """Where MLflow keeps artifacts of the local store."""
        return self.root / "mlflow" / "artifacts"

    @property
    def lock(self) -> Path:
        """The file whose lock says that a run is writing here."""
        return self.root / ".lock"

    @property
    def snapshots(self) -> Path:
        """Snapshots made here (generator, downloads); a local file stays where it lies."""
        return self.root / "snapshots"

    @property
    def windows(self) -> Path:
        """Raw OAI-PMH pages, one folder per window."""
        return self.root / "windows"

    @property
    def papers(self) -> Path:
        """Parquet shards of papers, named by content."""
        return self.root / "papers"

    @property
    def warehouse(self) -> Path:
        """The DuckDB file people open: views only, over the Parquet shards."""
        return self.root / "warehouse.duckdb"

    @property
    def tokens(self) -> Path:
        """Token streams, named by paper shard, tokenizer and text rules."""
        return self.root / "tokens"

    @property
    def near_copies(self) -> Path:
        """Words of each month's texts, and lists of near copies found by them."""
        return self.root / "near_copies"

    @property
    def bases(self) -> Path:
        """Base models made or downloaded here, one folder per digest."""
        return self.root / "bases"

    @property
    def adapters(self) -> Path:
        """Trained adapters, one folder per key."""
        return self.root / "adapters"

    @property
    def trainings(self) -> Path:
        """Trainings under way, one work folder per key; gone once their result is kept."""
        return self.root / "trainings"

    @property
    def evaluations(self) -> Path:
        """Numbers, vectors and figures of the reports, one folder per key."""
        return self.root / "evaluations"

    @property
    def manifests(self) -> Path:
        """One manifest per piece of work, by asset and key."""
        return self.root / "manifests"

    @property
    def proofs(self) -> Path:
        """What is on record of files, so that they need not be read to be believed; may be lost."""
        return self.root / "proofs"

    @property
    def releases(self) -> Path:
        """Which manifests make up each release."""
        return self.root / "releases"

    @property
    def reports(self) -> Path:
        """The pages people read: one per release and the index."""
        return self.root / "reports"

    @property
    def ledger(self) -> Path:
        """Every promotion decision ever taken, one JSON line each."""
        return self.root / "ledger.jsonl"
