"""Reports: base, tuned and the present champion on the same held-out papers."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg

from astro_assets.artifacts.manifest import Built, Manifest
from astro_assets.defs import report_figures
from astro_assets.defs.adapter import keep, progress_of, result, tracking_of, unit, workspace_of

if TYPE_CHECKING:
    from astro_assets.registry.champion import Opponent
    from astro_assets.releases.evaluation_inputs import Inputs

_MODELS = ["lora_checkpoint", "base_model"]
_TEST_PAPERS = ["astro_ph_papers", "near_copies"]


@unit(
    group="evaluation",
    kinds={"pytorch", "polars"},
    deps=[*_MODELS, *_TEST_PAPERS, "token_blocks", "general_papers"],
    pool="gpu",
)
def perplexity_report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Held-out perplexity and bits per byte of base, tuned and champion, and what was forgotten.

    Per document (fresh [BOS], text tokens only) and over packed blocks as the paper has it; by
    year, subfield and place; forgetting in rings; the champion on papers after its cut. A champion
    that is this very adapter is compared with its predecessor. Test papers with a near copy on the
    train side are left out per document (ASTRO_NEAR_COPIES).
    """
    from astro_assets.evaluation.perplexity.report import build_perplexity_report
    from astro_assets.months import Month
    from astro_assets.releases.evaluation_inputs import Cut, perplexity_inputs

    workspace, release = workspace_of(context), context.partition_key
    tuned, opponent = workspace.store.require("lora_checkpoint", release), _opponent_of(context)
    is_foreign = opponent and opponent.base_digest != tuned.parents["base_model"]
    read_until = opponent.release if opponent else None
    cut = Cut("champion", Month.parse(read_until)) if read_until else None
    return _reported(
        context,
        partial(
            build_perplexity_report,
            train_share_read=min(tuned.facts["n_epochs"], 1.0),
            foreign=["champion"] if is_foreign else [],
        ),
        perplexity_inputs(workspace.store, release, workspace.settings, cut=cut),
        opponent,
    )


@unit(
    group="evaluation",
    kinds={"pytorch", "numpy"},
    deps=[*_MODELS, *_TEST_PAPERS],
    pool="gpu",
)
def embeddings(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Vectors of fixed test abstracts: base, tuned, champion, and a baseline encoder.

    The mean of the last hidden states over all tokens but [BOS], as in the paper (section 3.3). The
    papers are those below a fixed hash, the oldest first: new ones never displace old ones.
    """
    from astro_assets.evaluation.embeddings.spaces import build_embeddings
    from astro_assets.releases.evaluation_inputs import embeddings_inputs

    workspace = workspace_of(context)
    inputs = embeddings_inputs(workspace.store, context.partition_key, workspace.settings)
    return _reported(context, build_embeddings, inputs, _opponent_of(context))


@unit(group="evaluation", kinds={"numpy"}, deps=["embeddings", "astro_ph_papers"])
def embedding_report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Pairwise similarities against a baseline (the paper's figure 3), and retrieval."""
    from astro_assets.evaluation.embeddings.report import build_embedding_report
    from astro_assets.releases.evaluation_inputs import embedding_report_inputs

    workspace, release = workspace_of(context), context.partition_key
    store, vectors = workspace.store, workspace.store.require("embeddings", release)
    inputs = embedding_report_inputs(store, release)
    manifest, reused = keep(
        context,
        parents=[vectors, *inputs.parents],
        parameters=inputs.parameters,
        build=lambda key: build_embedding_report(
            store.path_of(vectors),
            **inputs.load(),
            out=workspace.home.evaluations / f"similarity-{key}",
            progress=progress_of(context),
        ),
    )
    return _shown(context, manifest, reused=reused)


@unit(group="evaluation", kinds={"pytorch"}, deps=[*_MODELS, *_TEST_PAPERS], pool="gpu")
def completion_report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """First sentences of fixed test abstracts, continued by every model (the paper's figure 2)."""
    from astro_assets.evaluation.completions.report import build_completion_report
    from astro_assets.releases.evaluation_inputs import completions_inputs

    workspace = workspace_of(context)
    inputs = completions_inputs(workspace.store, context.partition_key, workspace.settings)
    return _reported(context, build_completion_report, inputs, _opponent_of(context))


@unit(group="evaluation", kinds={"pytorch"}, deps=_MODELS, pool="gpu")
def knowledge_report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Multiple-choice questions and probes by log-likelihood, tuned against base and champion.

    The published model read better and knew less than its base (arXiv:2409.19750): promotion asks.
    """
    from astro_assets.evaluation.knowledge.report import build_knowledge_report
    from astro_assets.releases.evaluation_inputs import knowledge_inputs

    inputs = knowledge_inputs(workspace_of(context).settings)
    return _reported(context, build_knowledge_report, inputs, _opponent_of(context))


_FOLDERS = {
    "perplexity_report": "perplexity",
    "embeddings": "embeddings",
    "completion_report": "completions",
    "knowledge_report": "knowledge",
}


def _opponent_of(context: dg.AssetExecutionContext) -> "Opponent | None":
    """Return the champion that stands beside the release's models."""
    from astro_assets.registry.champion import opponent_of

    workspace = workspace_of(context)
    return opponent_of(
        tracking_of(workspace),
        workspace.settings.model_name,
        workspace.store.require("lora_checkpoint", context.partition_key).fingerprint,
        ledger_path=workspace.home.ledger,
        afresh=workspace.settings.force,
    )


def _reported(
    context: dg.AssetExecutionContext,
    build: Callable[..., Built],
    inputs: "Inputs",
    opponent: "Opponent | None",
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Make or re-use a report on the release's models and the champion."""
    from astro_assets.registry.release_models import base_of_release, models_of_release

    workspace, release = workspace_of(context), context.partition_key
    store, folder = workspace.store, _FOLDERS[context.asset_key.to_user_string()]
    tuned, base = store.require("lora_checkpoint", release), base_of_release(store, release)

    def built(key: str) -> Built:
        models = models_of_release(store, release)
        if opponent is not None:
            models["champion"] = opponent.model(
                tracking_of(workspace),
                download_to=workspace.home.bases / "downloaded",
                bases={base.fingerprint: store.path_of(base)},
            )
        return build(
            models,
            **inputs.load(),
            out=workspace.home.evaluations / f"{folder}-{key}",
            progress=progress_of(context),
        )

    manifest, reused = keep(
        context,
        parents=[tuned, base, *inputs.parents],
        parameters=inputs.parameters | {"champion": opponent.digest if opponent else None},
        build=built,
    )
    return _shown(context, manifest, reused=reused)


def _shown(
    context: dg.AssetExecutionContext, manifest: Manifest, *, reused: bool
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    return result(context, manifest, reused=reused, **report_figures.shown(manifest))
