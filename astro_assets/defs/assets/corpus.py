"""Tokens: the texts of a release as streams of ids, cut into blocks."""

import dagster as dg

from astro_assets.defs.adapter import keep, progress_of, result, unit, workspace_of
from astro_assets.defs.corpus_figures import of_token_blocks


@unit(
    group="corpus",
    kinds={"numpy", "huggingface"},
    deps=["astro_ph_papers", "general_papers", "base_model"],
)
def token_blocks(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """[BOS] abstract [EOS] of every paper end to end, cut into blocks, train and test apart.

    One stream per submission month and side, named by what it is made from: a month that did not
    change is not tokenised again.
    """
    from astro_assets.corpus.streams import build_token_blocks, paper_shards
    from astro_assets.corpus.tokenizer import Tokenizer

    workspace, release = workspace_of(context), context.partition_key
    store, block_length = workspace.store, workspace.settings.block_length
    base = store.require("base_model", None)
    tokenizer = Tokenizer.load(store.path_of(base))
    tables = {
        "astro": store.require("astro_ph_papers", release),
        "general": store.require("general_papers", release),
    }
    shards = paper_shards(
        {field: store.as_built(table) for field, table in tables.items()}, release=release
    )
    manifest, reused = keep(
        context,
        parents=list(tables.values()),
        parameters={"block_length": block_length, "tokenizer": tokenizer.fingerprint},
        build=lambda _key: build_token_blocks(
            shards,
            tokenizer,
            workspace.home.tokens,
            block_length=block_length,
            progress=progress_of(context),
            proofs=store.proofs(workspace.home.tokens),
        ),
    )
    shown = of_token_blocks(store, release, tables["astro"], manifest)
    return result(context, manifest, reused=reused, **shown)
