"""The promotion decision, and the page people read."""

from dataclasses import asdict

import dagster as dg

from astro_assets.artifacts.manifest import Manifest
from astro_assets.defs import verdicts
from astro_assets.defs.adapter import keep, result, tracking_of, unit, workspace_of
from astro_assets.defs.resources import Workspace, now

GUARDED = ("arxiv_updates", "astro_ph_papers", "general_papers", "token_blocks", "lora_checkpoint")
"""Assets of a release whose blocking checks promotion judges again, beside its base.

The snapshot's own are not: what was made from it has checksums, and a file may be moved away.
"""


def guarded_by(workspace: Workspace, release: str) -> dict[str, Manifest | None]:
    """Return what a release's model was made of: the manifests whose checks promotion judges."""
    made: dict[str, Manifest | None] = {
        name: workspace.store.current(name, release) for name in GUARDED
    }
    tuned = made["lora_checkpoint"]
    digest = tuned.parents["base_model"] if tuned else ""
    return made | {"base_model": workspace.store.find_content("base_model", digest)}


def fresh(workspace: Workspace, release: str, report: Manifest) -> bool:
    """Tell whether a report and the checkpoint it is about were made of what the release holds."""
    held = guarded_by(workspace, release)
    held["near_copies"] = workspace.store.current("near_copies", release)
    tuned = held["lora_checkpoint"]
    parents = dict(report.parents) | (dict(tuned.parents) if tuned else {})
    return all(
        (now_held := held.get(name)) is not None and now_held.fingerprint == content
        for name, content in parents.items()
    )


def evidence(
    workspace: Workspace, release: str, perplexity: Manifest, *, knowledge: Manifest
) -> tuple[bool, bool]:
    """Tell of both reports whether they are of what the release holds, by the present settings.

    Raises:
        BadSettingError: the questions that are set cannot be read.
    """
    from astro_assets.releases.evaluation_inputs import knowledge_inputs

    settings = workspace.settings
    told = {"near_copies": settings.near_copies, "max_tokens": settings.max_eval_tokens}
    asked = knowledge_inputs(settings).parameters
    return (
        fresh(workspace, release, perplexity) and told.items() <= perplexity.parameters.items(),
        fresh(workspace, release, knowledge) and asked.items() <= knowledge.parameters.items(),
    )


@unit(
    group="registry",
    kinds={"mlflow"},
    deps=["lora_checkpoint", "perplexity_report", "knowledge_report"],
)
def champion_model(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """The promotion decision: moves the ``champion`` alias, or says in the ledger why not.

    Better on astro than base and champion, not forgetting more than allowed on far abstracts and on
    text sampled from the base, not shown to know less, no blocking check failed; what was not
    measured counts against it.
    """
    from astro_assets.registry.champion import Case, Rules, lost_champion, settle

    workspace, release = workspace_of(context), context.partition_key
    store, settings, tracking = workspace.store, workspace.settings, tracking_of(workspace)
    tuned, perplexity, knowledge = (
        store.require(name, release)
        for name in ("lora_checkpoint", "perplexity_report", "knowledge_report")
    )
    failures = tuple(verdicts.blocking_failures(store, guarded_by(workspace, release)))
    rules = Rules(settings.max_forgetting, settings.knowledge_margin, settings.max_drift)
    measured, asked = evidence(workspace, release, perplexity, knowledge=knowledge)
    case = Case(
        release=release,
        model_name=settings.model_name,
        adapter_fingerprint=tuned.fingerprint,
        perplexity=perplexity.facts["report"] if measured else None,
        opponent=perplexity.parameters["champion"],
        knowledge=knowledge.facts["report"] if asked else None,
        blocking_failures=failures,
        run_ids={"dagster": context.run.run_id, "mlflow": tuned.facts["mlflow_run_id"]},
    )
    manifest, reused = keep(
        context,
        parents=[tuned, perplexity, knowledge],
        parameters={
            "model_name": settings.model_name,
            "rules": asdict(rules),
            "blocking_failures": list(failures),
            "evidence_is_fresh": [measured, asked],
        },
        build=lambda key: settle(
            tracking,
            case,
            rules,
            ledger_path=workspace.home.ledger,
            out=workspace.home.evaluations / f"decision-{key}",
            now=now(),
        ),
        force=settings.force or lost_champion(tracking, case, workspace.home.ledger),
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
        "near_copies",
        "base_model",
        "lora_checkpoint",
    ],
)
def release_report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """The page people read: one self-contained HTML file per release, and the index over all."""
    from astro_assets.registry.release_page import build_release_report, parts_of, write_index
    from astro_assets.registry.report_artifacts import log_reports
    from astro_assets.registry.scorecards import write_leaderboard
    from astro_assets.registry.versions import CHAMPION, version_at

    workspace, release = workspace_of(context), context.partition_key
    store, home, model_name = workspace.store, workspace.home, workspace.settings.model_name
    parts = parts_of(store, release)
    manifest, reused = keep(
        context,
        parents=list(parts.values()),
        parameters={"release": release},
        build=lambda _key: build_release_report(home, store, release, parts),
    )
    tuned = parts.get("lora_checkpoint")
    if tuned is not None:
        log_reports(tracking_of(workspace), tuned.facts["mlflow_run_id"], parts)
    # The champion may have changed since this page was made; index and leaderboard say so.
    write_leaderboard(home, store)
    write_index(home, store, version_at(tracking_of(workspace), model_name, CHAMPION))
    return result(
        context, manifest, reused=reused, index=dg.MetadataValue.path(home.reports / "index.html")
    )
