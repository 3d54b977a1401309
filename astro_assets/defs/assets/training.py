"""Models: the base, and the adapter trained on a release."""

from dataclasses import asdict, fields, replace
from typing import Any

import dagster as dg

from astro_assets.artifacts.manifest import Built, Manifest, Store
from astro_assets.defs.adapter import (
    keep,
    materialise,
    progress_of,
    result,
    tracking_of,
    unit,
    workspace_of,
)
from astro_assets.defs.judges import shard_paths
from astro_assets.defs.resources import Workspace


@unit(
    group="training", kinds={"pytorch", "huggingface"}, deps=["snapshot_papers"], partitioned=False
)
def base_model(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """The base model and its tokenizer, resolved and digested: a folder, a hub id, or ``scratch``.

    ``scratch`` is a tiny Llama pretrained once on the train side of the general sample; it is kept
    as arXiv grows, until --rebuild-base asks for another.
    """
    workspace = workspace_of(context)
    if workspace.settings.base_model == "scratch":
        return _scratch_base(context, workspace)
    from astro_assets.models.base import resolve_base

    # Described again each time: the folder is not ours, its digest is what counts.
    base = resolve_base(workspace.settings.base_model)
    return materialise(
        context,
        parents=[],
        parameters={"base": base.name, "digest": base.digest, "folder": str(base.folder)},
        build=lambda _key: _described(base),
    )


def _scratch_base(context: dg.AssetExecutionContext, workspace: Workspace) -> Any:
    from astro_assets.corpus.texts import read_texts
    from astro_assets.models.base import describe_base
    from astro_assets.training.scratch import ScratchConfig, build_scratch_base

    store, config = workspace.store, ScratchConfig()
    papers = store.require("snapshot_papers", None)
    snapshot = store.require("arxiv_snapshot", None)

    def build(key: str) -> Built:
        store.verify(papers)
        general = shard_paths(store, papers, table="general")
        texts = read_texts(general, side="train")["text"].to_list()
        built = build_scratch_base(
            texts,
            workspace.home.bases / f"scratch-{key}",
            config=config,
            progress=progress_of(context),
            threads=workspace.settings.threads,
        )
        described = _described(describe_base(built.path, name="scratch", kind="scratch"))
        return replace(
            described,
            counts=built.counts | described.counts,
            facts=built.facts | described.facts | {"pretrained_on": papers.fingerprint},
        )

    # The generator's world and arXiv's are two languages; within one, the base outlives snapshots.
    world = "generator" if snapshot.facts["origin"] == "synthetic" else "arxiv"
    return materialise(
        context,
        parents=[],
        parameters={"base": "scratch", "world": world, "config": asdict(config)},
        build=build,
        force=workspace.settings.rebuild_base,
    )


def _described(base: Any) -> Built:
    """Return a base as what was built: its facts, and the files its digest is made of."""
    from astro_assets.models.base import base_files

    facts = asdict(base)
    folder = facts.pop("folder")
    return Built(
        fingerprint=base.digest,
        path=folder,
        counts={"n_parameters": base.n_parameters, "n_vocab": base.n_vocab},
        files=base_files(folder),
        facts=facts,
    )


def base_of(store: Store, manifest: Manifest) -> Any:
    """Return the base model a manifest describes."""
    from astro_assets.models.base import BaseModel

    names = [field.name for field in fields(BaseModel) if field.name != "folder"]
    known = {name: manifest.facts[name] for name in names}
    return BaseModel(folder=store.path_of(manifest), **known)


@unit(
    group="training",
    kinds={"pytorch", "huggingface", "mlflow"},
    deps=["token_blocks", "base_model"],
    pool="gpu",
)
def lora_checkpoint(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """The adapter trained on the release's train blocks, and its version in the MLflow registry.

    One MLflow run per training, one version per adapter, alias ``candidate``.
    """
    from astro_assets.corpus.streams import open_blocks
    from astro_assets.corpus.tokenizer import refuse_other_tokenizer
    from astro_assets.registry.checkpoint import Identity, train_and_log
    from astro_assets.training.recipe import load_recipe

    workspace, release = workspace_of(context), context.partition_key
    store, recipe = workspace.store, load_recipe(workspace.settings.recipe)
    base, tokens = store.require("base_model", None), store.require("token_blocks", release)
    refuse_other_tokenizer(tokens.facts["tokenizer"], store.path_of(base), release)
    parents = {"base_model": base.fingerprint, "token_blocks": tokens.fingerprint}
    identity = Identity(release, context.run.run_id, parents)

    def train(key: str) -> Built:
        # Their own checks ran when they were made; what rotted since must not be trained on.
        store.verify(base)
        store.verify(tokens)
        blocks = {
            field: open_blocks(tokens.facts, store.path_of(tokens), field=field, side="train")
            for field in ("astro", "general")
        }
        made: Built = train_and_log(
            tracking_of(workspace),
            base_of(store, base),
            blocks,
            recipe,
            workspace.home.adapters / key,
            identity=identity,
            threads=workspace.settings.threads,
            progress=progress_of(context),
        )
        return made

    manifest, reused = keep(
        context, parents=[base, tokens], parameters={"recipe": recipe.as_dict()}, build=train
    )
    return _registered(context, manifest, base, identity, reused=reused)


def _registered(
    context: dg.AssetExecutionContext,
    manifest: Manifest,
    base: Manifest,
    identity: Any,
    *,
    reused: bool,
) -> Any:
    """Register the adapter (again, should the registry have lost it) and show where."""
    from astro_assets.registry.checkpoint import base_facts, register_checkpoint

    workspace = workspace_of(context)
    store = workspace.store
    version = register_checkpoint(
        tracking_of(workspace),
        manifest,
        store.path_of(manifest),
        base_facts(base, quantisation=manifest.parameters["recipe"]["quantisation"]),
        store.path_of(base),
        model_name=workspace.settings.model_name,
        identity=identity,
    )
    return result(
        context,
        manifest,
        reused=reused,
        model=f"{version.name} version {version.version}",
        mlflow_run_id=manifest.facts["mlflow_run_id"],
    )
