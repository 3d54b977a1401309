"""The real sample: every astro-ph paper is in the table or counted under a reason."""

from collections import Counter
from pathlib import Path

import pytest

from astro_assets.artifacts.manifest import Built
from astro_assets.ingest.snapshot import read_batches
from astro_assets.months import Month
from astro_assets.progress import NO_PROGRESS
from astro_assets.warehouse.papers import Rules, build_release_table, build_snapshot_papers
from astro_assets.warehouse.quality import run_data_tests
from tests.warehouse.tables import SALT, papers_of, rows, shard_paths

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sample(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build_snapshot_papers(
        read_batches(shared / "data" / "arxiv-sample.zip", progress=NO_PROGRESS),
        tmp_path_factory.mktemp("sample"),
        general_share=1.0,
        salt=SALT,
        progress=NO_PROGRESS,
    )


def test_nothing_is_lost(sample: Built) -> None:
    assert sample.counts["n_records_in"] == 75_207
    assert sample.counts["n_astro"] == 25_745
    assert sample.counts["n_astro_primary"] == 19_550
    assert sample.counts["n_general_kept"] == 75_207 - 25_745


@pytest.mark.parametrize(("rule", "n_rows"), [("any", 25_745), ("primary", 19_550)])
def test_the_newest_release_accounts_for_every_paper(
    sample: Built, tmp_path: Path, rule: str, n_rows: int
) -> None:
    built = build_release_table(
        "astro_ph_papers",
        papers_of(sample),
        [],
        release=Month(2026, 6),
        out=tmp_path,
        rules=Rules(SALT, 1.0, rule),
        progress=NO_PROGRESS,
    )
    excluded = {k: n for k, n in built.counts.items() if k.startswith("excluded_")}
    assert built.counts["n_rows"] == n_rows == built.counts["papers"] + sum(excluded.values())
    assert 0 < excluded["excluded_withdrawn"] < 40
    assert built.facts["shards"][-1]["month"] == "2026-06"
    assert Counter(r["side"] for r in rows(built).values())["test"] == pytest.approx(
        0.2 * n_rows, rel=0.05
    )


def test_all_data_tests_hold(sample: Built) -> None:
    results = run_data_tests(
        shard_paths(sample, "astro"), shard_paths(sample, "general"), Month(2026, 6)
    )
    assert [result.name for result in results if not result.holds] == []
