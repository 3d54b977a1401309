"""Near copies in the real sample: how many there are, and some that are known by name."""

from pathlib import Path

import polars as pl
import pytest

from astro_assets.artifacts.manifest import Built
from astro_assets.corpus.near_copies import build_near_copies
from astro_assets.corpus.streams import PaperShard
from astro_assets.ingest.snapshot import read_batches
from astro_assets.months import Month
from astro_assets.progress import NO_PROGRESS
from astro_assets.warehouse.papers import Rules, build_release_table, build_snapshot_papers
from astro_assets.warehouse.sides import SPLIT_SALT
from tests.warehouse.tables import papers_of

pytestmark = pytest.mark.slow

COPIES = {
    # a later version, one text under two titles, proceedings, a series
    ("cs/0409031", "cs/0506089"),
    ("gr-qc/9405059", "gr-qc/9410025"),
    ("cmp-lg/9605008", "cmp-lg/9607029"),
    ("math/0410362", "math/0505530"),
    ("math/0209040", "math/0209039"),
    ("physics/9902012", "physics/9903037"),
}


@pytest.fixture(scope="module")
def built(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    root = tmp_path_factory.mktemp("sample")
    snapshot = build_snapshot_papers(
        read_batches(shared / "data" / "arxiv-sample.zip", progress=NO_PROGRESS),
        root / "snapshot",
        general_share=1.0,
        salt=SPLIT_SALT,
        progress=NO_PROGRESS,
    )
    shards = []
    for field, table in (("astro", "astro_ph_papers"), ("general", "general_papers")):
        made = build_release_table(
            table,
            papers_of(snapshot),
            [],
            release=Month(2026, 6),
            out=root / table,
            rules=Rules(SPLIT_SALT, 1.0),
            progress=NO_PROGRESS,
        )
        shards += [
            PaperShard(
                field, s["month"], made.path / s["file"], s["content"], made.files[s["file"]]
            )
            for s in made.facts["shards"]
        ]
    return build_near_copies(shards, root / "near", release="2026-06", progress=NO_PROGRESS)


def test_few_test_papers_have_a_near_copy_and_known_ones_are_among_them(built: Built):
    assert built.counts == {
        "astro_test_papers": 5_078,
        "astro_test_with_near_copy": 12,
        "general_test_papers": 10_001,
        "general_test_with_near_copy": 32,
        "n_test_papers": 15_079,
        "n_test_with_near_copy": 44,
        "n_pairs": 48,
    }
    listed = pl.read_parquet(built.path / built.facts["pairs"])
    assert set(listed.select("test_id", "train_id").rows()) >= COPIES
    assert listed["similarity"].is_between(0.5, 1).all()
