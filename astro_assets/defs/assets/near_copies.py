"""Near copies: test texts that stand on the train side by half or more."""

import dagster as dg

from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.defs import markdown
from astro_assets.defs.adapter import keep, progress_of, result, unit, workspace_of

SHOWN = ("similarity", "test_id", "test_title", "train_id", "train_title")


@unit(group="corpus", kinds={"numpy", "parquet"}, deps=["astro_ph_papers", "general_papers"])
def near_copies(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Test papers with a near copy on the train side, each pair listed, the most similar first.

    Half of the test text's words or more stand in one train text of either table, in runs of 13
    words. Evaluations leave these papers out (ASTRO_NEAR_COPIES). A month that did not change is
    not read again.
    """
    from astro_assets.corpus.near_copies import RULES, build_near_copies
    from astro_assets.corpus.streams import paper_shards
    from astro_assets.releases.held_out import TABLES

    workspace, release = workspace_of(context), context.partition_key
    store, out = workspace.store, workspace.home.near_copies
    tables = {field: store.require(name, release) for field, name in TABLES.items()}
    shards = paper_shards(
        {field: store.as_built(table) for field, table in tables.items()}, release=release
    )
    manifest, reused = keep(
        context,
        parents=list(tables.values()),
        parameters=RULES,
        build=lambda _key: build_near_copies(
            shards, out, release=release, progress=progress_of(context), proofs=store.proofs(out)
        ),
    )
    return result(context, manifest, reused=reused, **_shown(store, manifest))


def _shown(store: Store, manifest: Manifest) -> dict[str, dg.MetadataValue]:
    first, n_pairs = manifest.facts["first"], manifest.counts["n_pairs"]
    rows = [pair | {"similarity": f"{pair['similarity']:.0%}"} for pair in first]
    said = f"The first {len(rows)} of {n_pairs:,} pairs" if n_pairs else "No near copy was found."
    return {
        "pairs": dg.MetadataValue.path(str(store.path_of(manifest) / manifest.facts["pairs"])),
        "first_pairs": dg.MetadataValue.md(
            f"{said}\n\n{markdown.table(rows, SHOWN)}" if rows else said
        ),
    }
