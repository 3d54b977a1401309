"""Models: the base, and the adapter trained on a release."""

from dataclasses import asdict, replace
from typing import Any

import dagster as dg

from astro_assets.artifacts.manifest import Built, Manifest
from astro_assets.defs.adapter import (
    keep,
    materialise,
    progress_of,
    result,
    tracking_of,
    unit,
    workspace_of,
)
from astro_assets.defs.asked import SCRATCH, asked_base, refuse_unmeetable_here
from astro_assets.defs.judges import shard_paths
from astro_assets.defs.resources import Workspace
from astro_assets.errors import BadModelError


@unit(
    group="training", kinds={"pytorch", "huggingface"}, deps=["snapshot_papers"], partitioned=False
)
def base_model(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """The base model and its tokenizer, resolved and digested: a folder, a hub id, or ``scratch``.

    ``scratch`` is a tiny Llama pretrained once on the train side of the general sample; it is kept
    as arXiv grows, until --rebuild-base asks for another.
    """
    from astro_assets.training.recipe import load_recipe

    workspace = workspace_of(context)
    settings = workspace.settings
    recipe = load_recipe(settings.recipe)
    refuse_unmeetable_here(settings, recipe, block_length=settings.block_length)
    asked = asked_base(settings, recipe)
    if asked == SCRATCH:
        return _scratch_base(context, workspace)
    from astro_assets.models.base import resolve_base

    # Described again each time: the folder is not ours, its digest is what counts.
    base = resolve_base(asked, hub_token=settings.hf_token.get_secret_value() or None)
    _refuse_changed(workspace, base)
    return materialise(
        context,
        parents=[],
        parameters={"base": base.name, "digest": base.digest, "folder": str(base.folder)},
        build=lambda _key: _described(base),
    )


def _refuse_changed(workspace: Workspace, base: Any) -> None:
    """Raise if a hub's base has other files than when the same revision was recorded here.

    Raises:
        BadModelError: it has; what was recorded stays current.
    """
    from astro_assets.releases.origin import every_manifest

    for known in every_manifest(workspace.store, "base_model"):
        facts = known.facts
        named = (facts["kind"], facts["name"], facts["revision"])
        is_same = named == (base.kind, base.name, base.revision) and base.kind == "hub"
        if is_same and facts["digest"] != base.digest:
            raise BadModelError(
                f"{base.name}@{base.revision} in {base.folder} has digest {base.digest[:12]}…, "
                f"recorded is {facts['digest'][:12]}….",
                expected="the same files for the same revision.",
                do="Remove that folder from the hub's cache (HF_HOME) and materialise base_model "
                "again: it is fetched anew.",
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


@unit(
    group="training",
    kinds={"pytorch", "huggingface", "mlflow"},
    deps=["token_blocks", "base_model", "near_copies", "astro_ph_papers", "general_papers"],
    pool="gpu",
)
def lora_checkpoint(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """The adapter trained on the release's train blocks, and its version in the MLflow registry.

    Trained in a process of its own, which is gone on with when it was stopped or killed. One MLflow
    run per training, one version per adapter, alias ``candidate``. Held-out papers are measured
    while it runs; with the recipe's ``init_from: champion`` it starts from the present champion.
    """
    from astro_assets.defs.training_figures import shown
    from astro_assets.defs.training_order import Wanted
    from astro_assets.registry.checkpoint import retire, train_and_log

    workspace, release = workspace_of(context), context.partition_key
    wanted = Wanted.of(workspace, release)
    if wanted.is_from_champion and wanted.parent is None:
        context.log.info("There is no champion yet: the training starts from the base.")

    def linked(mlflow_run_id: str) -> None:
        context.instance.add_run_tags(context.run_id, {"mlflow_run_id": mlflow_run_id})

    def train(key: str) -> Built:
        made: Built = train_and_log(
            tracking_of(workspace),
            wanted.order(key, context.run_id),
            workspace.home.adapters / key,
            progress=progress_of(context),
            say=context.log.info,
            on_run_id=linked,
        )
        return made

    manifest, reused = keep(
        context, parents=wanted.parents, parameters=wanted.parameters, build=train
    )
    retire(workspace.home.trainings / manifest.key[:16], manifest)
    version = _registered(workspace, manifest, wanted, context.run_id)
    return result(
        context,
        manifest,
        reused=reused,
        model=f"{version.name} version {version.version}",
        mlflow_run_id=manifest.facts["mlflow_run_id"],
        **shown(workspace.store, manifest),
    )


def _registered(workspace: Workspace, manifest: Manifest, wanted: Any, run_id: str) -> Any:
    """Register the adapter (again, should the registry have lost it) and return its version."""
    from astro_assets.registry.checkpoint import base_facts, register_checkpoint

    store, base = workspace.store, wanted.base
    return register_checkpoint(
        tracking_of(workspace),
        manifest,
        store.path_of(manifest),
        base_facts(base, quantisation=manifest.parameters["recipe"]["quantisation"]),
        store.path_of(base),
        model_name=workspace.settings.model_name,
        identity=wanted.identity(run_id),
    )
