"""One piece of domain work as one materialisation: parents in, manifest kept, checks attached."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import dagster as dg

from astro_assets.artifacts.disk import full_disk_named
from astro_assets.artifacts.manifest import Built, Manifest, Work, make_or_reuse
from astro_assets.code_versions import CODE_VERSIONS
from astro_assets.defs import metadata, verdicts
from astro_assets.defs.partitions import RELEASES
from astro_assets.defs.resources import Workspace
from astro_assets.errors import AstroError
from astro_assets.progress import Progress

OWNERS = ["team:astro-assets"]


def unit(
    *,
    group: str,
    kinds: set[str],
    deps: Sequence[str],
    partitioned: bool = True,
    pool: str | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Declare an asset whose function returns a MaterializeResult, its checks attached."""

    def declare(function: Callable[..., Any]) -> dg.AssetsDefinition:
        name = function.__name__

        @wraps(function)
        def guarded(context: dg.AssetExecutionContext) -> Any:
            try:
                with full_disk_named(workspace_of(context).home.root):
                    return function(context)
            except AstroError as error:
                # A named error is the person's to mend; a retry cannot.
                raise dg.Failure(description=str(error), allow_retries=False) from error

        return dg.asset(
            name=name,
            description=inspect.getdoc(function),
            group_name=group,
            kinds=kinds,
            owners=OWNERS,
            deps=list(deps),
            code_version=CODE_VERSIONS[name],
            partitions_def=RELEASES if partitioned else None,
            check_specs=verdicts.specs_of(name),
            required_resource_keys={"workspace", "progress"},
            pool=pool,
        )(guarded)

    return declare


def workspace_of(context: dg.AssetExecutionContext) -> Workspace:
    """Return the run's workspace."""
    workspace: Workspace = context.resources.workspace
    return workspace


def progress_of(context: dg.AssetExecutionContext) -> Progress:
    """Return the progress this asset reports to."""
    progress: Progress = context.resources.progress.for_log(context.log.info)
    return progress


def tracking_of(workspace: Workspace) -> Any:
    """Return where MLflow keeps runs and versions: a server, or SQLite under the home."""
    from astro_assets.registry.tracking import Tracking

    return Tracking.of(workspace.settings.tracking_uri, workspace.home)


def materialise(
    context: dg.AssetExecutionContext,
    *,
    parents: Sequence[Manifest],
    parameters: Mapping[str, Any],
    build: Callable[[str], Built],
    force: bool | None = None,
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Do or re-use the asset's work, keep its manifest, and return it as metadata with checks.

    ``build`` is handed the short key that names this piece of work on disk.
    """
    manifest, reused = keep(
        context, parents=parents, parameters=parameters, build=build, force=force
    )
    return result(context, manifest, reused=reused)


def keep(
    context: dg.AssetExecutionContext,
    *,
    parents: Sequence[Manifest],
    parameters: Mapping[str, Any],
    build: Callable[[str], Built],
    force: bool | None = None,
) -> tuple[Manifest, bool]:
    """Do or re-use the asset's work; return its manifest and whether it was re-used."""
    asset = context.asset_key.to_user_string()
    workspace = workspace_of(context)
    work = Work(
        asset=asset,
        release=context.partition_key if context.assets_def.partitions_def else None,
        parameters=parameters,
        parents={parent.asset: parent.fingerprint for parent in parents},
    )
    again = workspace.settings.force if force is None else force
    return make_or_reuse(workspace.store, work, lambda: build(work.key[:16]), force=again)


def result(
    context: dg.AssetExecutionContext, manifest: Manifest, *, reused: bool, **more: Any
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Return a manifest as MaterializeResult, every check of the asset evaluated.

    What fails a blocking check does not stay current: later runs must not build on it.
    """
    store = workspace_of(context).store
    checks = verdicts.results_of(manifest, store)
    if any(not c.passed and c.severity == dg.AssetCheckSeverity.ERROR for c in checks):
        store.retract(manifest)
    return dg.MaterializeResult(
        metadata=metadata.of_manifest(store, manifest, reused=reused) | more,
        data_version=dg.DataVersion(manifest.fingerprint),
        check_results=checks,
    )
