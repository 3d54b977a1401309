"""Reports: base, tuned and the present champion on the same held-out papers."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import dagster as dg

from astro_assets.artifacts.fingerprint import of_folder, of_value
from astro_assets.artifacts.manifest import Manifest
from astro_assets.defs.adapter import materialise, progress_of, tracking_of, unit, workspace_of
from astro_assets.defs.assets.near_copies import left_out
from astro_assets.defs.judges import shard_paths
from astro_assets.defs.resources import Workspace
from astro_assets.errors import MissingArtifactError


def handles(workspace: Workspace, release: str) -> dict[str, Any]:
    """Return the handles ``base`` and ``tuned`` of a release; the base is held as in training."""
    from astro_assets.models.handle import ModelHandle

    store, base = workspace.store, base_of_release(workspace, release)
    tuned = store.require("lora_checkpoint", release)
    folder, recipe = store.path_of(base), tuned.parameters["recipe"]
    return {
        "base": ModelHandle("base", folder, None, base.fingerprint, recipe["quantisation"]),
        "tuned": ModelHandle.trained(
            "tuned",
            store.path_of(tuned),
            folder,
            method=recipe["method"],
            digest=tuned.fingerprint,
            quantisation=recipe["quantisation"],
        ),
    }


def base_of_release(workspace: Workspace, release: str) -> Manifest:
    """Return the base that the release's adapter was trained on, whatever the home's base is now.

    Raises:
        MissingArtifactError: this home no longer knows it.
    """
    tuned = workspace.store.require("lora_checkpoint", release)
    digest = tuned.parents["base_model"]
    base = workspace.store.find_content("base_model", digest)
    if base is None or not workspace.store.path_of(base).exists():
        raise MissingArtifactError(
            f"The base {digest[:12]}… that release {release} was trained on is gone.",
            do="Materialise base_model and lora_checkpoint of this release again.",
        )
    return base


def test_texts(workspace: Workspace, table: Manifest) -> Any:
    """Return a table's test papers.

    Raises:
        DamagedArtifactError: a shard is gone or its bytes changed.
    """
    from astro_assets.corpus.texts import read_texts

    workspace.store.verify(table)
    return read_texts(shard_paths(workspace.store, table), side="test")


@unit(
    group="evaluation",
    kinds={"pytorch", "polars"},
    deps=[
        "lora_checkpoint",
        "base_model",
        "token_blocks",
        "near_copies",
        "astro_ph_papers",
        "general_papers",
    ],
    pool="gpu",
)
def perplexity_report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Held-out perplexity and bits per byte of base, tuned and champion, on astro and on general.

    Per document (fresh [BOS], text tokens only) and over packed blocks as the paper has it; all
    token-weighted. A champion that is this very adapter is compared with its predecessor. Test
    papers with a near copy on the train side are left out per document (ASTRO_NEAR_COPIES). General
    papers are of fields that no recipe replays.
    """
    from astro_assets.corpus.documents import measured_blocks
    from astro_assets.corpus.streams import open_blocks
    from astro_assets.evaluation.perplexity.report import build_perplexity_report
    from astro_assets.registry.champion import opponent_of

    workspace, release = workspace_of(context), context.partition_key
    store, settings = workspace.store, workspace.settings
    astro, general, tokens, tuned = (
        store.require(name, release)
        for name in ("astro_ph_papers", "general_papers", "token_blocks", "lora_checkpoint")
    )
    models, copies = handles(workspace, release), left_out(workspace, release)
    champion = opponent_of(
        tracking_of(workspace),
        settings.model_name,
        tuned.fingerprint,
        ledger_path=workspace.home.ledger,
        download_to=workspace.home.bases / "downloaded",
        afresh=settings.force,
    )
    if champion is not None:
        models["champion"] = champion
    return materialise(
        context,
        parents=[
            *(tuned, base_of_release(workspace, release), astro, general, tokens),
            *copies.parents,
        ],
        parameters={
            "max_tokens": settings.max_eval_tokens,
            "near_copies": settings.near_copies,
            "champion": champion.digest if champion else None,
        },
        build=lambda key: build_perplexity_report(
            models,
            texts={
                "astro": test_texts(workspace, astro),
                "general": test_texts(workspace, general),
            },
            blocks={
                "astro": open_blocks(
                    tokens.facts, store.path_of(tokens), field="astro", side="test"
                ),
                "general": measured_blocks(tokens.facts, store.path_of(tokens)),
            },
            max_tokens=settings.max_eval_tokens,
            out=workspace.home.evaluations / f"perplexity-{key}",
            progress=progress_of(context),
            near_copies=copies.ids,
        ),
    )


@unit(
    group="evaluation",
    kinds={"pytorch", "numpy"},
    deps=["lora_checkpoint", "base_model", "astro_ph_papers", "near_copies"],
    pool="gpu",
)
def embeddings(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Vectors of fixed test abstracts: base, tuned, and a baseline encoder.

    The mean of the last hidden states over all tokens but [BOS], as in the paper (section 3.3).
    """
    from astro_assets.evaluation.embeddings.spaces import build_embeddings

    workspace, release = workspace_of(context), context.partition_key
    store, settings = workspace.store, workspace.settings
    astro, copies = store.require("astro_ph_papers", release), left_out(workspace, release)
    encoder = settings.baseline_encoder
    parameters = {
        "near_copies": settings.near_copies,
        "n_abstracts": settings.embedding_abstracts,
        "baseline": of_value(of_folder(Path(encoder))) if encoder else None,
    }
    return materialise(
        context,
        parents=[
            store.require("lora_checkpoint", release),
            base_of_release(workspace, release),
            astro,
            *copies.parents,
        ],
        parameters=parameters,
        build=lambda key: build_embeddings(
            handles(workspace, release),
            test_texts(workspace, astro),
            baseline=encoder or None,
            n_abstracts=settings.embedding_abstracts,
            out=workspace.home.evaluations / f"embeddings-{key}",
            progress=progress_of(context),
            near_copies=copies.astro,
        ),
    )


@unit(group="evaluation", kinds={"numpy"}, deps=["embeddings", "astro_ph_papers"])
def embedding_report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Pairwise similarities against a baseline encoder (the paper's figure 3), and retrieval."""
    from astro_assets.evaluation.embeddings.report import build_embedding_report

    workspace, release = workspace_of(context), context.partition_key
    vectors, astro = (
        workspace.store.require(name, release) for name in ("embeddings", "astro_ph_papers")
    )
    return materialise(
        context,
        parents=[vectors, astro],
        parameters={},
        build=lambda key: build_embedding_report(
            workspace.store.path_of(vectors),
            test_texts(workspace, astro),
            out=workspace.home.evaluations / f"similarity-{key}",
            progress=progress_of(context),
        ),
    )


@unit(
    group="evaluation",
    kinds={"pytorch"},
    deps=["lora_checkpoint", "base_model", "astro_ph_papers", "near_copies"],
    pool="gpu",
)
def completion_report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """First sentences of fixed test abstracts, continued by base and tuned (paper's figure 2)."""
    from astro_assets.evaluation.completions.generation import Sampling
    from astro_assets.evaluation.completions.report import build_completion_report

    workspace, release = workspace_of(context), context.partition_key
    store, settings = workspace.store, workspace.settings
    astro, copies = store.require("astro_ph_papers", release), left_out(workspace, release)
    sampling = Sampling(max_new_tokens=settings.max_new_tokens)
    return materialise(
        context,
        parents=[
            store.require("lora_checkpoint", release),
            base_of_release(workspace, release),
            astro,
            *copies.parents,
        ],
        parameters={
            "n_abstracts": settings.completion_abstracts,
            "near_copies": settings.near_copies,
            **asdict(sampling),
        },
        build=lambda key: build_completion_report(
            handles(workspace, release),
            test_texts(workspace, astro),
            sampling,
            n_abstracts=settings.completion_abstracts,
            out=workspace.home.evaluations / f"completions-{key}",
            progress=progress_of(context),
            near_copies=copies.astro,
        ),
    )


@unit(group="evaluation", kinds={"pytorch"}, deps=["lora_checkpoint", "base_model"], pool="gpu")
def knowledge_report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Multiple-choice astronomy questions by log-likelihood, tuned against base.

    The published model read better and knew less than its base (arXiv:2409.19750): promotion asks.
    """
    from astro_assets.evaluation.knowledge.question_files import load_questions
    from astro_assets.evaluation.knowledge.report import build_knowledge_report

    workspace, release = workspace_of(context), context.partition_key
    store, settings = workspace.store, workspace.settings
    questions = load_questions(Path(settings.questions) if settings.questions else None)
    return materialise(
        context,
        parents=[store.require("lora_checkpoint", release), base_of_release(workspace, release)],
        parameters={"questions": questions.digest, "margin": settings.knowledge_margin},
        build=lambda key: build_knowledge_report(
            handles(workspace, release),
            questions,
            margin=settings.knowledge_margin,
            out=workspace.home.evaluations / f"knowledge-{key}",
            progress=progress_of(context),
        ),
    )
