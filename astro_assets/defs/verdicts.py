"""The checks that guard each asset: which they are, and whether a failure blocks.

An asset evaluates its checks right after it was made (or re-used). Promotion asks for the blocking
ones of a release again by itself, because a blocking check stops only the run it failed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import dagster as dg

from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.defs import judges, table_checks
from astro_assets.errors import DamagedArtifactError, MissingArtifactError


@dataclass(frozen=True)
class Check:
    """One check of one asset."""

    asset: str
    name: str
    blocking: bool
    """A blocking check that fails stops everything downstream; the others warn."""
    description: str
    judge: Callable[[Manifest, Store], judges.Verdict] | None
    """None: one of the data tests of a table, which are judged together."""


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
    checks = [check for check in CHECKS if check.asset == manifest.asset]
    return [
        dg.AssetCheckResult(
            check_name=check.name,
            passed=verdict.passed,
            severity=dg.AssetCheckSeverity.ERROR if check.blocking else dg.AssetCheckSeverity.WARN,
            description=verdict.said,
            metadata=verdict.figures,
        )
        for check, verdict in _judged(checks, manifest, store)
    ]


def blocking_failures(store: Store, manifests: Mapping[str, Manifest | None]) -> list[str]:
    """Judge the blocking checks of these assets again; return a sentence for each that failed.

    An asset that is missing or damaged is a failure as well.
    """
    failures = []
    for asset, manifest in manifests.items():
        checks = [check for check in CHECKS if check.asset == asset and check.blocking]
        failures += [
            f"{asset}.{check.name}: {verdict.said}"
            for check, verdict in _judged(checks, manifest, store)
            if not verdict.passed
        ]
    return failures


def _judged(
    checks: Iterable[Check], manifest: Manifest | None, store: Store
) -> Iterator[tuple[Check, judges.Verdict]]:
    """Yield checks of one asset with what they find; an asset that is missing fails them all."""
    tested: Mapping[str, judges.Verdict] | None = None
    for check in checks:
        if manifest is None:
            yield check, judges.Verdict(False, "it has not been made.")
            continue
        try:
            if check.judge is not None:
                verdict = check.judge(manifest, store)
            else:
                tested = tested or table_checks.judge(manifest, store)
                verdict = tested[check.name]
        except (MissingArtifactError, DamagedArtifactError) as error:
            verdict = judges.Verdict(False, error.found)
        yield check, verdict


def _guarded(asset: str) -> Check:
    return Check(
        asset, "checksums", True, "Every file has the bytes it was made with.", judges.checksums
    )


def _of_tables() -> Iterator[Check]:
    """Yield the checks that contracts and data tests make: one per contract, one per SQL file."""
    for check in table_checks.declared():
        yield Check(check.asset, check.name, check.blocking, check.description, None)


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
    _guarded("token_blocks"),
    Check(
        "token_blocks", "tokens_add_up", True, "Tokens = blocks + one tail.", judges.tokens_add_up
    ),
    _guarded("near_copies"),
    Check(
        "near_copies",
        "near_copies",
        False,
        "At most 1 % of the test papers have a near copy on the train side.",
        judges.few_near_copies,
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
        "Perplexity of far abstracts and of text sampled from the base stays within what promotion"
        " allows.",
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
    *_of_tables(),
)
