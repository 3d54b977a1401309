"""What a refresh imports, imported by the server that its processes are forked off.

Importing starts nothing that a fork would break: no pool of threads, no database, no connection.
Reading column lineage off the SQL is warmed up too: it takes seconds and touches no file of a home.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import alembic.config  # noqa: F401
import dagster._core.storage.base_storage
import dagster._core.storage.sqlite_storage  # noqa: F401
import sqlalchemy.dialects.postgresql
import sqlalchemy.dialects.sqlite  # noqa: F401

import astro_assets.cli
import astro_assets.console.outcome
import astro_assets.console.releases
import astro_assets.console.run
import astro_assets.corpus.near_copies
import astro_assets.corpus.streams
import astro_assets.corpus.tokenizer
import astro_assets.ingest.snapshot
import astro_assets.ingest.sources
import astro_assets.ingest.windows
import astro_assets.models.base
import astro_assets.releases.places
import astro_assets.warehouse.binding
import astro_assets.warehouse.papers
import astro_assets.warehouse.quality
import astro_assets.warehouse.views
import astro_assets.warehouse.window_rows  # noqa: F401
from astro_assets.defs.assets import warehouse

for mart in ("astro_ph_papers", "general_papers"):
    warehouse._lineage(mart)
