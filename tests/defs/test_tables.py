"""What tables show in Dagster, read off real materialisations: schema, lineage, rows, previews."""

import errno
import json
import os
from dataclasses import replace

import dagster as dg
import pytest

from astro_assets.defs import table_checks, tables, verdicts
from astro_assets.defs.assets import corpus, ingest, training, warehouse
from astro_assets.defs.resources import LogProgress, open_workspace
from astro_assets.defs.tables import N_PREVIEWED
from astro_assets.ingest.synthetic import generate
from astro_assets.months import Month
from astro_assets.warehouse import views
from astro_assets.warehouse.inputs import RECORD_COLUMNS
from tests.builders import record, write_snapshot

RELEASE = "2026-06"
TABLES = (
    "arxiv_snapshot", "arxiv_updates", "snapshot_papers", "astro_ph_papers", "general_papers",
    "token_blocks",
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory, tiny_base):
    """The workspace, and asset -> (materialization, check evaluations)."""
    root = tmp_path_factory.mktemp("tables")
    records = [r for r in generate(600, until=Month.parse(RELEASE)) if r["id"][:2] == "26"]
    created = [{"version": "v1", "created": "Tue, 2 Jun 2026 10:00:00 GMT"}]
    title = "Pipes | <b>tags</b> and `ticks`\n in $\\alpha_1$"
    records.append(record("2606.00000", title=title, versions=created))
    workspace = open_workspace(
        {
            "home": root / "home",
            "snapshot": str(write_snapshot(root / "snapshot.zip", records)),
            "base_model": str(tiny_base),
            "block_length": 64,
        }
    )
    runs = (
        ([ingest.arxiv_snapshot, warehouse.snapshot_papers, training.base_model], None),
        (
            [
                ingest.arxiv_updates,
                warehouse.astro_ph_papers,
                warehouse.general_papers,
                corpus.token_blocks,
            ],
            RELEASE,
        ),
    )
    found = {}
    with dg.DagsterInstance.ephemeral() as instance:
        for assets, partition in runs:
            ran = dg.materialize(
                assets,
                resources={"workspace": workspace, "progress": LogProgress()},
                instance=instance,
                partition_key=partition,
            )
            checks = ran.get_asset_check_evaluations()
            for asset in assets:
                (key,) = asset.keys
                (shown,) = ran.asset_materializations_for_node(key.to_user_string())
                found[key.to_user_string()] = (
                    shown,
                    {c.check_name: c for c in checks if c.asset_key == key},
                )
    return workspace, found


@pytest.fixture(scope="module")
def shown(made):
    return {name: made[1][name][0].metadata for name in TABLES}


def columns_of(metadata):
    return {c.name: c for c in metadata["dagster/column_schema"].value.columns}


def test_every_table_shows_described_columns_and_rows(shown):
    for name in TABLES:
        columns = columns_of(shown[name])
        assert columns and all(c.description and c.type for c in columns.values()), name
        assert isinstance(shown[name]["dagster/row_count"].value, int), name
    assert shown["arxiv_updates"]["dagster/row_count"].value == 0
    papers = [shown[name]["dagster/row_count"].value for name in TABLES[:5]]
    assert papers[0] >= papers[2] == papers[3] + papers[4] > 50
    side = columns_of(shown["astro_ph_papers"])["side"].constraints
    assert not side.nullable and side.other == ["one of train, test"]


def lineage_of(metadata):
    lineage = metadata["dagster/column_lineage"].value
    return {
        name: {(dep.asset_key.to_user_string(), dep.column_name) for dep in deps}
        for name, deps in lineage.deps_by_column.items()
    }


def walk(shown, asset, column):
    """Return every (asset, column) a column leads back to."""
    reached, todo = set(), {(asset, column)}
    while todo:
        asset, column = todo.pop()
        reached.add((asset, column))
        if "dagster/column_lineage" in shown[asset]:
            todo |= lineage_of(shown[asset])[column] - reached
    return reached


def test_every_step_of_the_lineage_ends_on_a_column_that_is_shown(shown):
    for name in TABLES:
        if "dagster/column_lineage" in shown[name]:
            lineage = lineage_of(shown[name])
            assert lineage.keys() == columns_of(shown[name]).keys(), name
            for deps in lineage.values():
                assert deps, name
                for asset, column in deps:
                    assert column in columns_of(shown[asset]), (name, asset, column)


def test_a_person_can_walk_from_tokens_back_to_the_snapshot(shown):
    def raw(column):
        reached = walk(shown, "token_blocks", column)
        assert {
            ("astro_ph_papers", "id"),
            ("general_papers", "id"),
        } <= reached or column != "tokens"
        return {name for asset, name in reached if asset == "arxiv_snapshot"}

    assert {"abstract", "categories", "versions", "comments", "id"} <= raw("tokens")
    assert raw("side") == {"id"}
    assert raw("month") == {"versions", "id"}
    assert raw("field") == {"categories"}
    assert {"abstract", "categories", "versions"} <= raw("offsets")
    updates = {n for a, n in walk(shown, "token_blocks", "tokens") if a == "arxiv_updates"}
    assert {"abstract", "categories", "versions"} <= updates
    assert raw("tokens") <= {c.name for c in RECORD_COLUMNS}


def test_previews_are_tables_that_hold_together(shown):
    for name in set(TABLES) - {"arxiv_updates"}:
        value = shown[name]["preview"]
        assert isinstance(value, dg.MarkdownMetadataValue), name
        lines = value.value.splitlines()
        assert 3 <= len(lines) <= 2 + N_PREVIEWED, name
        # unescaped pipes alone part cells
        cells = {line.replace("\\\\", "").replace("\\|", "").count("|") for line in lines}
        assert len(cells) == 1, name
        assert "<" not in value.value and max(map(len, lines)) < 1200, name
    first = shown["astro_ph_papers"]["preview"].value.splitlines()[2]
    assert r"Pipes \| &lt;b&gt;tags&lt;/b&gt; and \`ticks\` in \$\\alpha\_1\$" in first


def test_a_preview_that_cannot_be_read_says_so(made, tmp_path):
    workspace, _ = made
    papers = workspace.store.require("astro_ph_papers", RELEASE)
    shards = [{**shard, "file": "gone|.parquet"} for shard in papers.facts["shards"]]
    gone = replace(papers, facts=papers.facts | {"shards": shards})
    assert "No preview" in tables.shown(workspace.store, gone)["preview"].value


def test_each_test_and_contract_is_a_check_that_shows_what_it_found(made):
    _, found = made
    for name in ("snapshot_papers", "astro_ph_papers", "general_papers"):
        checks = found[name][1]
        declared = {c.name for c in table_checks.declared() if c.asset == name}
        assert declared <= checks.keys() and "contract" in declared
        for check in declared:
            assert checks[check].passed, (name, check, checks[check].description)
            assert checks[check].metadata["failing_rows"].value == 0
        rules = checks["contract"].metadata["rules"].value
        assert r"accepted side | side is one of 'train', 'test' | 0 |" in rules
    assert "tables_disjoint" in found["general_papers"][1]
    assert "tables_disjoint" not in found["astro_ph_papers"][1]


def damaged(made, tmp_path, change):
    """Return the astro manifest with the rows of its first shard changed, and its verdicts."""
    import polars as pl

    from astro_assets.warehouse.contracts import ASTRO_PH_PAPERS
    from astro_assets.warehouse.shards import write_shard

    workspace, _ = made
    papers = workspace.store.require("astro_ph_papers", RELEASE)
    frame = pl.read_parquet(workspace.store.path_of(papers) / papers.facts["shards"][0]["file"])
    table = frame.with_columns(**change).to_arrow().cast(ASTRO_PH_PAPERS.arrow_schema)
    write_shard(tmp_path / "shard.parquet", table)
    shard = {**papers.facts["shards"][0], "file": "shard.parquet"}
    facts = papers.facts | {"shards": [shard]}
    return workspace.store, replace(papers, path=str(tmp_path), facts=facts)


def test_failing_rows_are_counted_and_sampled(made, tmp_path):
    import polars as pl

    store, papers = damaged(
        made, tmp_path, {"side": pl.lit("a|b"), "submission_month": pl.lit("2026-07")}
    )
    judged = table_checks.judge(papers, store)
    n = papers.facts["shards"][0]["n_rows"]
    contract = judged["contract"]
    assert not contract.passed and contract.said == f"accepted side: {n:,}"
    assert contract.figures["failing_rows"].value == n
    sample = contract.figures["sample of accepted side"].value.splitlines()
    assert len(sample) == 2 + min(n, 5) and r"a\|b" in sample[2]
    late = judged["months_within_release"]
    assert not late.passed and f"{n:,} rows fail" in late.said
    assert late.figures["failing_rows"].value == n and "2026\\-07" in late.figures["sample"].value
    assert judged["reasons_fit_texts"].passed
    failures = verdicts.blocking_failures(store, {"astro_ph_papers": papers})
    assert {f.split(":")[0] for f in failures} >= {
        "astro_ph_papers.contract",
        "astro_ph_papers.months_within_release",
    }


def test_where_columns_are_wrong_every_test_fails_closed(made, tmp_path):
    store, papers = damaged(made, tmp_path, {})
    (tmp_path / "shard.parquet").write_bytes(b"no shard")
    judged = table_checks.judge(papers, store)
    assert not any(verdict.passed for verdict in judged.values())
    assert "columns: 1" in judged["contract"].said


def test_tests_of_both_tables_say_whose_columns_are_wrong(made, tmp_path):
    import pyarrow.parquet as pq

    workspace, _ = made
    store = workspace.store
    astro = store.require("astro_ph_papers", RELEASE)
    (tmp_path / "papers").mkdir()
    for shard in astro.facts["shards"]:
        table = pq.read_table(store.path_of(astro) / shard["file"])
        pq.write_table(table.drop_columns(["side"]), tmp_path / "papers" / shard["file"])
    pointer = store.home.releases / RELEASE / "astro_ph_papers.json"
    before = pointer.read_bytes()
    pointer.write_text(json.dumps(json.loads(before) | {"path": str(tmp_path / "papers")}))
    try:
        judged = table_checks.judge(store.require("general_papers", RELEASE), store)
    finally:
        pointer.write_bytes(before)
    assert judged["contract"].passed and judged["months_within_release"].passed
    for name in ("tables_disjoint", "texts_on_one_side", "disjoint_sides"):
        assert not judged[name].passed
        assert "the columns of astro_ph_papers are not as declared" in judged[name].said
        assert "lacks the column 'side'" in judged[name].said


def refusing(number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.parametrize(
    ("name", "value", "succeeds", "told"),
    [
        ("write_views", refusing(errno.EACCES), True, "The views stay as they were: "),
        ("STORAGE_VERSION", "v0.0.0", True, "The views stay as they were: "),
        ("write_views", refusing(errno.ENOSPC), False, "The disk is full: "),
    ],
)
def test_of_views_that_cannot_be_written_only_a_full_disk_ends_a_run(
    made, monkeypatch, name, value, succeeds, told
):
    workspace, _ = made
    before = workspace.home.warehouse.read_bytes()
    monkeypatch.setattr(views, name, value)
    with dg.DagsterInstance.ephemeral() as instance:
        ran = dg.materialize(
            [warehouse.general_papers],
            resources={"workspace": workspace, "progress": LogProgress()},
            instance=instance,
            partition_key=RELEASE,
            raise_on_error=False,
        )
        logs = [str(log.dagster_event or log.user_message) for log in instance.all_logs(ran.run_id)]
    assert ran.success == succeeds and any(told in log for log in logs)
    assert workspace.home.warehouse.read_bytes() == before


def test_a_missing_shard_is_a_failure_that_promotion_can_tell(made, tmp_path):
    store, papers = damaged(made, tmp_path, {})
    (tmp_path / "shard.parquet").unlink()
    failures = verdicts.blocking_failures(store, {"astro_ph_papers": papers})
    assert any("astro_ph_papers.contract: columns: 1" in failure for failure in failures)


def test_tests_of_views_warn_and_do_not_block():
    blocking = {check.name: check.blocking for check in table_checks.declared()}
    assert not blocking["months_add_up"] and blocking["texts_on_one_side"] and blocking["contract"]
    assert all(check.description for check in table_checks.declared())
