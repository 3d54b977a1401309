"""Papers: the snapshot through DuckDB once, then the tables of each release."""

from dataclasses import replace
from functools import cache
from typing import Any

import dagster as dg

from astro_assets.artifacts.disk import full_disk_named
from astro_assets.artifacts.manifest import Built, Manifest
from astro_assets.defs.adapter import materialise, progress_of, unit, workspace_of
from astro_assets.defs.resources import Workspace, snapshot_of
from astro_assets.errors import DamagedArtifactError
from astro_assets.months import Month


@unit(group="warehouse", kinds={"duckdb", "parquet"}, deps=["arxiv_snapshot"], partitioned=False)
def snapshot_papers(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """The snapshot through DuckDB once: astro-ph papers and the general sample, by month."""
    from astro_assets.warehouse.papers import build_snapshot_papers
    from astro_assets.warehouse.sides import SPLIT_SALT, choose_general_share

    workspace, progress = workspace_of(context), progress_of(context)
    store, folder = workspace.store, workspace.home.papers / "snapshot"
    snapshot = store.require("arxiv_snapshot", None)
    share = choose_general_share(
        workspace.settings.general_share,
        n_records=snapshot.counts["n_records"],
        previous=store.current("snapshot_papers", None),
    )
    return _table_result(
        context,
        [snapshot],
        {"general_share": share, "salt": SPLIT_SALT},
        lambda key: build_snapshot_papers(
            store.path_of(snapshot),
            folder / key,
            general_share=share,
            salt=SPLIT_SALT,
            progress=progress,
            proofs=store.proofs(folder / key),
            n_expected=snapshot.counts["n_records"],
        ),
    )


@unit(
    group="warehouse",
    kinds={"duckdb", "parquet", "sql"},
    deps=["snapshot_papers", "arxiv_updates"],
)
def astro_ph_papers(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Every paper of the release with an astro-ph category; what no model may read is marked.

    ``excluded_because`` says withdrawn, empty_abstract, duplicate_text or copy_of_test; ``side``
    says train or test, by a hash of the id alone.
    """
    from astro_assets.warehouse.binding import binding_facts, papers_of

    workspace, release = workspace_of(context), context.partition_key
    snapshot = snapshot_of(workspace, release)
    papers = papers_of(workspace.store, release, snapshot)
    updates = workspace.store.require("arxiv_updates", release)

    known = {name: updates.facts[name] for name in ("text_vintage", "updates_through")}

    def build(_key: str) -> Built:
        built = _release_table(context, workspace, papers, updates)
        return replace(built, facts=built.facts | binding_facts(snapshot, papers) | known)

    parameters = _rules(workspace, release) | known | {"snapshot": snapshot.fingerprint}
    return _table_result(context, [papers, updates], parameters, build)


@unit(
    group="warehouse",
    kinds={"duckdb", "parquet", "sql"},
    deps=["snapshot_papers", "arxiv_updates", "astro_ph_papers"],
)
def general_papers(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """A sample of the papers without any astro-ph category: forgetting is measured on them.

    Made from the snapshot that astro_ph_papers of the same release is bound to.
    """
    from astro_assets.warehouse.binding import papers_of_table

    workspace, release = workspace_of(context), context.partition_key
    astro = workspace.store.require("astro_ph_papers", release)
    updates = workspace.store.require("arxiv_updates", release)
    papers = papers_of_table(workspace.store, release, astro)
    return _table_result(
        context,
        [papers, updates],
        _rules(workspace, release),
        lambda _key: _release_table(context, workspace, papers, updates),
    )


def _rules(workspace: Workspace, release: str) -> dict[str, Any]:
    """Return what, besides its parents, decides a release's table."""
    return {"release": release, "category_rule": workspace.settings.category_rule}


def _release_table(
    context: dg.AssetExecutionContext, workspace: Workspace, papers: Manifest, updates: Manifest
) -> Built:
    from astro_assets.warehouse.papers import Rules, build_release_table
    from astro_assets.warehouse.snapshot_papers import SnapshotPapers
    from astro_assets.warehouse.window_rows import window_rows

    table, progress = context.asset_key.to_user_string(), progress_of(context)
    out, windows = workspace.home.papers / table, workspace.store.path_of(updates)
    rules = Rules(
        salt=papers.parameters["salt"],
        general_share=papers.parameters["general_share"],
        category_rule=workspace.settings.category_rule,
    )
    return build_release_table(
        table,
        SnapshotPapers.of(workspace.store, papers),
        [
            window_rows(windows / window, rules=rules, progress=progress)
            for window in updates.facts["windows"]
        ],
        release=Month.parse(context.partition_key),
        out=out,
        rules=rules,
        progress=progress,
        proofs=workspace.store.proofs(out),
    )


def _table_result(
    context: dg.AssetExecutionContext,
    parents: list[Manifest],
    parameters: dict[str, Any],
    build: Any,
) -> dg.MaterializeResult:
    """Keep a paper table and its column lineage; return them as Dagster shows them."""
    table = context.asset_key.to_user_string()
    # Both marts have the same columns; a snapshot's papers are made of them without an end.
    mart = "astro_ph_papers" if table == "snapshot_papers" else table

    def with_lineage(key: str) -> Built:
        built: Built = build(key)
        return replace(built, facts=built.facts | {"column_lineage": _lineage(mart)})

    made = materialise(context, parents=parents, parameters=parameters, build=with_lineage)
    if context.has_partition_key:
        # After the checks: what failed one is not current any more, and not shown.
        _tell_views(context)
    return made


def _tell_views(context: dg.AssetExecutionContext) -> None:
    """Publish the views of all kept releases; say which tables have none.

    The table is made and checked by now: that people's views cannot be written is told and no more.
    Only a full disk, which nothing after this could be written to, ends the run by its name.
    """
    from astro_assets.warehouse.views import publish_views

    workspace = workspace_of(context)
    try:
        with full_disk_named(workspace.home.root):
            left_out = publish_views(workspace.store)
        for said in left_out:
            context.log.warning(said)
    except (OSError, DamagedArtifactError) as error:
        context.log.warning(f"The views stay as they were: {error}")


@cache
def _lineage(mart: str) -> dict[str, list[tuple[str, str]]]:
    """Return column -> source columns of a mart; reading them off the SQL takes seconds."""
    from astro_assets.warehouse.lineage import column_lineage
    from astro_assets.warehouse.sql import load_project

    return {name: list(of) for name, of in column_lineage(mart, load_project()).items()}
