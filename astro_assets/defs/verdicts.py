"""The checks that guard each asset: which they are, and whether a failure blocks.

An asset evaluates its checks right after it was made (or re-used). Promotion asks for the blocking
ones of a release again by itself, because a blocking check stops only the run it failed in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import dagster as dg

from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.defs import judges
from astro_assets.errors import DamagedArtifactError, MissingArtifactError


@dataclass(frozen=True)
class Check:
    """One check of one asset."""

    asset: str
    name: str
    blocking: bool
    """A blocking check that fails stops everything downstream; the others warn."""
    description: str
    judge: Callable[[Manifest, Store], judges.Verdict]


def specs_of(asset: str) -> list[dg.AssetCheckSpec]:
    """Return Dagster's declarations of an asset's checks."""
    return [
        dg.AssetCheckSpec(
            name=check.name, asset=asset, blocking=check.blocking, description=check.description
        )
        for check in CHECKS
        if check.asset == asset
    ]


def results_of(manifest: Manifest, store: Store) -> list[dg.AssetCheckResult]:
    """Evaluate every check of the asset a manifest describes."""
    results = []
    for check in CHECKS:
        if check.asset == manifest.asset:
            verdict = check.judge(manifest, store)
            results.append(
                dg.AssetCheckResult(
                    check_name=check.name,
                    passed=verdict.passed,
                    severity=dg.AssetCheckSeverity.ERROR
                    if check.blocking
                    else dg.AssetCheckSeverity.WARN,
                    description=verdict.said,
                    metadata=verdict.figures,
                )
            )
    return results


def blocking_failures(store: Store, manifests: Mapping[str, Manifest | None]) -> list[str]:
    """Judge the blocking checks of these assets again; return a sentence for each that failed.

    An asset that is missing or damaged is a failure as well.
    """
    failures = []
    for check in CHECKS:
        if check.blocking and check.asset in manifests:
            manifest = manifests[check.asset]
            try:
                verdict = (
                    check.judge(manifest, store)
                    if manifest
                    else judges.Verdict(False, "it has not been made.")
                )
            except (MissingArtifactError, DamagedArtifactError) as error:
                verdict = judges.Verdict(False, error.found)
            if not verdict.passed:
                failures.append(f"{check.asset}.{check.name}: {verdict.said}")
    return failures


def _guarded(asset: str) -> Check:
    return Check(
        asset, "checksums", True, "Every file has the bytes it was made with.", judges.checksums
    )


_ADD_UP = "Records in = rows + elsewhere + dropped; rows = papers + excluded."

CHECKS: tuple[Check, ...] = (
    _guarded("arxiv_snapshot"),
    Check(
        "arxiv_snapshot", "readable", True, "At most 1 % of the lines are broken.", judges.readable
    ),
    Check(
        "arxiv_snapshot", "all_readable", False, "Every paper listed is held.", judges.all_readable
    ),
    _guarded("arxiv_updates"),
    Check(
        "arxiv_updates", "window_held", False, "Every window it needs is held.", judges.window_held
    ),
    Check(
        "arxiv_updates", "all_readable", False, "Every paper listed is held.", judges.all_readable
    ),
    _guarded("snapshot_papers"),
    Check("snapshot_papers", "in_is_out", True, "Records in = papers + dropped.", judges.in_is_out),
    _guarded("astro_ph_papers"),
    Check("astro_ph_papers", "papers_add_up", True, _ADD_UP, judges.papers_add_up),
    Check(
        "astro_ph_papers",
        "text_vintage",
        False,
        "No text is newer than the release.",
        judges.text_vintage,
    ),
    Check(
        "astro_ph_papers",
        "updates_through",
        False,
        "arXiv is known up to the release.",
        judges.updates_through,
    ),
    _guarded("general_papers"),
    Check("general_papers", "papers_add_up", True, _ADD_UP, judges.papers_add_up),
    Check(
        "general_papers",
        "data_tests",
        True,
        "Unique ids, disjoint sides, no paper in both tables, no test text on the train side.",
        judges.data_tests,
    ),
    _guarded("token_blocks"),
    Check(
        "token_blocks", "tokens_add_up", True, "Tokens = blocks + one tail.", judges.tokens_add_up
    ),
    _guarded("base_model"),
    _guarded("lora_checkpoint"),
    Check(
        "perplexity_report",
        "tuned_below_base",
        False,
        "Held-out astro perplexity of tuned lies below base.",
        judges.below_base,
    ),
    Check(
        "perplexity_report",
        "forgetting",
        False,
        "General perplexity of tuned is at most a little above base.",
        judges.forgetting,
    ),
    _guarded("embeddings"),
    Check(
        "knowledge_report",
        "not_worse",
        False,
        "Tuned is not shown to know less than base.",
        judges.not_worse,
    ),
    _guarded("release_report"),
)
