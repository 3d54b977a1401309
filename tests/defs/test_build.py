"""What Dagster loads: sixteen well-described assets, an unbroken lineage, and nothing heavy."""

import subprocess
import sys

import dagster as dg
import pytest

from astro_assets.code_versions import CODE_VERSIONS
from astro_assets.defs.build import build_defs
from astro_assets.defs.partitions import RELEASES
from astro_assets.defs.verdicts import CHECKS

UNPARTITIONED = {"arxiv_snapshot", "snapshot_papers", "base_model"}


@pytest.fixture(scope="module")
def specs() -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in build_defs().resolve_all_asset_specs()}


def test_all_assets_are_there_and_read_well_in_the_catalogue(specs: dict[str, dg.AssetSpec]):
    assert set(specs) == set(CODE_VERSIONS) and len(specs) == 16
    for name, spec in specs.items():
        assert spec.description and spec.owners and spec.kinds and spec.group_name, name
        assert spec.code_version == CODE_VERSIONS[name]
        assert (spec.partitions_def is None) == (name in UNPARTITIONED), name
    groups = {spec.group_name for spec in specs.values()}
    assert groups == {"ingest", "warehouse", "corpus", "training", "evaluation", "registry"}


def test_lineage_runs_unbroken_from_snapshot_to_page(specs: dict[str, dg.AssetSpec]):
    above = {
        name: {dep.asset_key.to_user_string() for dep in spec.deps} for name, spec in specs.items()
    }
    seen, frontier = set(), {"release_report"}
    while frontier:
        seen |= frontier
        frontier = set().union(*(above[name] for name in frontier)) - seen
    assert seen == set(specs)
    assert above["arxiv_snapshot"] == set()


def test_every_check_belongs_to_an_asset_and_some_block(specs: dict[str, dg.AssetSpec]):
    assert {check.asset for check in CHECKS} <= set(specs)
    blocking = {check.asset for check in CHECKS if check.blocking}
    assert {"arxiv_snapshot", "astro_ph_papers", "general_papers", "token_blocks"} <= blocking
    warning = {(check.asset, check.name) for check in CHECKS if not check.blocking}
    assert ("perplexity_report", "forgetting") in warning


def test_releases_are_months_that_have_ended():
    from datetime import UTC, datetime

    keys = RELEASES.get_partition_keys(current_time=datetime(2026, 11, 20, tzinfo=UTC))
    assert (keys[0], keys[-1]) == ("1992-04", "2026-10")


def test_schedules_start_stopped():
    (schedule,) = build_defs().schedules
    assert (
        dg.Definitions(schedules=[schedule]).resolve_schedule_def("monthly_refresh").default_status
        == dg.DefaultScheduleStatus.STOPPED
    )


def test_a_resource_can_be_swapped_by_its_key():
    marker = object()
    assert build_defs(resources={"progress": marker}).resources["progress"] is marker
    assert build_defs().resources["progress"] is not marker


def test_loading_imports_nothing_heavy():
    script = (
        "import sys, astro_assets.definitions\n"
        "heavy = {'torch', 'transformers', 'peft', 'mlflow', 'duckdb', 'polars', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
