"""arXiv in: the snapshot, and the windows harvested since."""

from datetime import date

import dagster as dg

from astro_assets.defs.adapter import keep, materialise, progress_of, result, unit, workspace_of
from astro_assets.defs.resources import now, snapshot_of
from astro_assets.months import Month, newest_ended


@unit(group="ingest", kinds={"file", "json"}, deps=[], partitioned=False)
def arxiv_snapshot(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """The raw arXiv metadata snapshot: a file, Kaggle's, harvested by OAI-PMH, or generated.

    Read where it lies, zipped or not, and never unpacked. Its digest names everything that is made
    from it. Kaggle and arXiv are asked once per home; afterwards only with `force`.
    """
    from astro_assets.artifacts.fingerprint import of_file
    from astro_assets.ingest.snapshot import inspect_snapshot
    from astro_assets.ingest.sources import locate_snapshot
    from astro_assets.ingest.windows import open_requester

    workspace, progress, today = workspace_of(context), progress_of(context), now()
    settings = workspace.settings
    located = locate_snapshot(
        settings.snapshot,
        workspace.home,
        until=newest_ended(today),
        progress=progress,
        force=settings.force,
        server=lambda: open_requester(settings.oai_url, settings.contact),
    )
    sha256 = of_file(located.path)
    manifest, reused = keep(
        context,
        parents=[],
        parameters={"path": str(located.path), "sha256": sha256, **located.identity},
        build=lambda _key: inspect_snapshot(
            located, sha256=sha256, today=today.date(), progress=progress
        ),
    )
    told = {name: fact for name, fact in manifest.facts.items() if name != "path"}
    return result(context, manifest, reused=reused, sha256=sha256, **told)


@unit(group="ingest", kinds={"xml"}, deps=["arxiv_snapshot"])
def arxiv_updates(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Raw OAI-PMH pages of what arXiv added or changed since the snapshot, window by window.

    Windows run from the month of the snapshot's vintage to the release; missing ones are harvested
    first. A local file or the generator is not harvested for unless ASTRO_HARVEST=on.
    """
    from astro_assets.ingest.windows import build_updates, network_harvest

    workspace, settings = workspace_of(context), workspace_of(context).settings
    snapshot = snapshot_of(workspace, context.partition_key)
    asked = settings.harvest == "on" or (
        settings.harvest == "auto" and snapshot.facts["origin"] in {"kaggle", "oai"}
    )
    harvest = network_harvest(settings.oai_url, settings.contact, progress_of(context))
    updates = build_updates(
        date.fromisoformat(snapshot.facts["vintage"]),
        Month.parse(context.partition_key),
        workspace.home.windows,
        harvest=harvest if asked else None,
    )
    # What is held decides what is made from it, so the content is its own key.
    return materialise(
        context,
        parents=[],
        parameters={"windows": updates.fingerprint, **updates.facts},
        build=lambda _key: updates,
    )
