"""The promotion decision, and the page people read."""

import dagster as dg

from astro_assets.defs import verdicts
from astro_assets.defs.adapter import keep, result, tracking_of, unit, workspace_of
from astro_assets.defs.resources import now

GUARDED = (
    "arxiv_snapshot",
    "snapshot_papers",
    "astro_ph_papers",
    "general_papers",
    "token_blocks",
    "base_model",
    "lora_checkpoint",
)
"""Assets whose blocking checks promotion judges again."""


@unit(
    group="registry",
    kinds={"mlflow"},
    deps=["lora_checkpoint", "perplexity_report", "knowledge_report"],
)
def champion_model(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """The promotion decision: moves the ``champion`` alias, or says in the ledger why not.

    Better on astro than base and champion, not above base on general by more than allowed, not
    shown to know less, no blocking check failed; what was not measured counts against it.
    """
    from astro_assets.registry.champion import Case, Rules, settle
    from astro_assets.registry.versions import CHAMPION, version_at

    workspace, release = workspace_of(context), context.partition_key
    store, settings, tracking = workspace.store, workspace.settings, tracking_of(workspace)
    tuned, perplexity, knowledge = (
        store.require(name, release)
        for name in ("lora_checkpoint", "perplexity_report", "knowledge_report")
    )
    failures = tuple(verdicts.blocking_failures(store, release, GUARDED))
    case = Case(
        release,
        settings.model_name,
        tuned.fingerprint,
        perplexity.facts["report"]
        if perplexity.parents["lora_checkpoint"] == tuned.fingerprint
        else None,
        perplexity.parameters["champion"],
        knowledge.facts["report"]
        if knowledge.parents["lora_checkpoint"] == tuned.fingerprint
        else None,
        failures,
        {"dagster": context.run.run_id, "mlflow": tuned.facts["mlflow_run_id"]},
    )
    rules = Rules(settings.max_forgetting, settings.knowledge_margin)
    held = version_at(tracking, settings.model_name, CHAMPION) is not None
    before = store.current("champion_model", release)
    manifest, reused = keep(
        context,
        parents=[tuned, perplexity, knowledge],
        parameters={
            "model_name": settings.model_name,
            "max_forgetting": rules.max_forgetting,
            "knowledge_margin": rules.knowledge_margin,
            "blocking_failures": list(failures),
        },
        build=lambda key: settle(
            tracking,
            case,
            rules,
            ledger_path=workspace.home.ledger,
            out=workspace.home.evaluations / f"decision-{key}",
            now=now(),
        ),
        # A registry that lost its champion is given the one that was decided on.
        force=settings.force or bool(not held and before and before.facts["decision"]["promoted"]),
    )
    decision = manifest.facts["decision"]
    return result(
        context,
        manifest,
        reused=reused,
        promoted=decision["promoted"],
        decision=dg.MetadataValue.md("\n".join(f"- {reason}" for reason in decision["reasons"])),
    )


@unit(
    group="registry",
    kinds={"html", "matplotlib"},
    deps=[
        "champion_model",
        "perplexity_report",
        "embedding_report",
        "completion_report",
        "knowledge_report",
        "astro_ph_papers",
        "general_papers",
        "token_blocks",
        "base_model",
        "lora_checkpoint",
    ],
)
def release_report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """The page people read: one self-contained HTML file per release, and the index over all."""
    from astro_assets.registry.release_page import build_release_report, parts_of, write_index

    workspace, release = workspace_of(context), context.partition_key
    store, home = workspace.store, workspace.home
    parts = parts_of(store, release)
    manifest, reused = keep(
        context,
        parents=list(parts.values()),
        parameters={"release": release},
        build=lambda _key: build_release_report(home, store, release, parts),
    )
    # The champion may have changed since this page was made; the index says so.
    write_index(home, store, workspace.settings.model_name)
    return result(
        context, manifest, reused=reused, index=dg.MetadataValue.path(home.reports / "index.html")
    )
