"""The checks that guard each asset: plain functions of a manifest and the store.

An asset evaluates its checks right after it was made (or re-used). Promotion asks for the blocking
ones of a release again by itself, because a blocking check stops only the run it failed in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.errors import DamagedArtifactError, MissingArtifactError
from astro_assets.months import Month
from astro_assets.settings import load_settings


@dataclass(frozen=True)
class Verdict:
    """What a check found."""

    passed: bool
    said: str
    """One sentence with the figures."""
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """One check of one asset."""

    asset: str
    name: str
    blocking: bool
    """A blocking check that fails stops everything downstream; the others warn."""
    description: str
    judge: Callable[[Manifest, Store], Verdict]


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
                    else Verdict(False, "it has not been made.")
                )
            except (MissingArtifactError, DamagedArtifactError) as error:
                verdict = Verdict(False, error.found)
            if not verdict.passed:
                failures.append(f"{check.asset}.{check.name}: {verdict.said}")
    return failures


def _checksums(manifest: Manifest, store: Store) -> Verdict:
    try:
        store.verify(manifest)
    except DamagedArtifactError as error:
        return Verdict(False, str(error))
    return Verdict(True, f"{len(manifest.files)} files have the bytes they were made with.")


def _readable(manifest: Manifest, store: Store) -> Verdict:
    del store
    broken, lines = manifest.counts["n_broken_lines"], manifest.counts["n_lines"]
    return Verdict(
        broken <= 0.01 * lines,
        f"{broken:,} of {lines:,} lines are broken (at most 1 % may be).",
        {"n_broken_lines": broken, "n_lines": lines},
    )


def _window_held(manifest: Manifest, store: Store) -> Verdict:
    del store
    missing = manifest.facts["missing"]
    return Verdict(
        not missing,
        f"the windows of {len(missing)} months are missing, {missing[0]} to {missing[-1]}."
        if missing
        else "every window it needs is held.",
    )


def _in_is_out(manifest: Manifest, store: Store) -> Verdict:
    del store
    counts = manifest.counts
    out = counts["n_astro"] + counts["n_general_kept"] + counts["n_general_left_out"]
    dropped = sum(count for name, count in counts.items() if name.startswith("dropped_"))
    return Verdict(
        counts["n_records_in"] == out + dropped,
        f"{counts['n_records_in']:,} records in = {out:,} papers + {dropped:,} dropped.",
    )


def _papers_add_up(manifest: Manifest, store: Store) -> Verdict:
    del store
    counts = manifest.counts
    excluded = sum(count for name, count in counts.items() if name.startswith("excluded_"))
    came_in = counts["n_snapshot_rows"] + counts["n_window_records"]
    elsewhere = counts["n_other_table"] + counts["not_primary"] + counts["n_general_left_out"]
    dropped = sum(count for name, count in counts.items() if name.startswith("dropped_"))
    return Verdict(
        counts["n_rows"] == counts["papers"] + excluded
        and came_in == counts["n_rows"] + elsewhere + dropped,
        f"{came_in:,} records in = {counts['n_rows']:,} rows + {elsewhere:,} elsewhere + "
        f"{dropped:,} dropped; rows = {counts['papers']:,} papers + {excluded:,} excluded.",
    )


def _text_vintage(manifest: Manifest, store: Store) -> Verdict:
    del store
    vintage, release = manifest.facts["text_vintage"], Month.parse(str(manifest.release))
    newer = release.is_before(date.fromisoformat(vintage))
    return Verdict(
        not newer,
        f"texts are as of {vintage}; release {release} ended on {release.end:%Y-%m-%d}"
        + (", so some may have been revised since." if newer else "."),
        {"text_vintage": vintage},
    )


def _updates_through(manifest: Manifest, store: Store) -> Verdict:
    del store
    through, release = manifest.facts["updates_through"], str(manifest.release)
    return Verdict(
        through >= release,
        f"arXiv is known through {through}" + ("." if through >= release else f", not {release}."),
        {"updates_through": through},
    )


def _data_tests(manifest: Manifest, store: Store) -> Verdict:
    from astro_assets.warehouse.quality import run_data_tests

    astro = store.require("astro_ph_papers", manifest.release)
    results = run_data_tests(
        shard_paths(store, astro),
        shard_paths(store, manifest),
        Month.parse(str(manifest.release)),
    )
    failing = [result for result in results if result.n_failing]
    said = (
        "; ".join(f"{r.name}: {r.n_failing:,} rows" for r in failing)
        if failing
        else f"{len(results)} data tests return no row."
    )
    samples = {r.name: dg.MetadataValue.json(list(r.sample)) for r in failing}
    return Verdict(not failing, said, samples)


def _tokens_add_up(manifest: Manifest, store: Store) -> Verdict:
    del store
    counts, length = manifest.counts, manifest.facts["block_length"]
    wrong = [
        f"{field}_{side}"
        for field in ("astro", "general")
        for side in ("train", "test")
        if counts[f"{field}_{side}_blocks"] * length + counts[f"{field}_{side}_tail_tokens"]
        != counts[f"{field}_{side}_tokens"]
    ]
    return Verdict(
        not wrong,
        f"tokens ≠ blocks + tail: {wrong}"
        if wrong
        else "tokens = blocks + one tail, for each field and side.",
    )


def _below_base(manifest: Manifest, store: Store) -> Verdict:
    del store
    reduction = manifest.facts["report"]["reduction_astro"]
    return Verdict(
        reduction > 0,
        f"held-out astro perplexity {reduction:+.1%} below base.",
        {"reduction_astro": reduction},
    )


def _forgetting(manifest: Manifest, store: Store) -> Verdict:
    del store
    rise, allowed = manifest.facts["report"]["rise_general"], load_settings().max_forgetting
    return Verdict(
        rise <= allowed,
        f"general perplexity {rise:+.1%} against base (at most {allowed:+.1%}).",
        {"rise_general": rise},
    )


def _not_worse(manifest: Manifest, store: Store) -> Verdict:
    del store
    verdict = manifest.facts["report"]["verdict"]
    return Verdict(verdict != "worse", f"against base: {verdict}.", {"verdict": verdict})


def shard_paths(store: Store, manifest: Manifest, *, table: str | None = None) -> list[Path]:
    """Return the Parquet shards a manifest lists, in month order; of one table if it is named."""
    folder = store.path_of(manifest)
    return [
        folder / shard["file"]
        for shard in manifest.facts["shards"]
        if table is None or shard["table"] == table
    ]


def _guarded(asset: str) -> Check:
    return Check(asset, "checksums", True, "Every file has the bytes it was made with.", _checksums)


_ADD_UP = "Records in = rows + elsewhere + dropped; rows = papers + excluded."

CHECKS: tuple[Check, ...] = (
    _guarded("arxiv_snapshot"),
    Check("arxiv_snapshot", "readable", True, "At most 1 % of the lines are broken.", _readable),
    _guarded("arxiv_updates"),
    Check("arxiv_updates", "window_held", False, "Every window it needs is held.", _window_held),
    _guarded("snapshot_papers"),
    Check("snapshot_papers", "in_is_out", True, "Records in = papers + dropped.", _in_is_out),
    _guarded("astro_ph_papers"),
    Check("astro_ph_papers", "papers_add_up", True, _ADD_UP, _papers_add_up),
    Check(
        "astro_ph_papers",
        "text_vintage",
        False,
        "No text is newer than the release.",
        _text_vintage,
    ),
    Check(
        "astro_ph_papers",
        "updates_through",
        False,
        "arXiv is known up to the release.",
        _updates_through,
    ),
    _guarded("general_papers"),
    Check("general_papers", "papers_add_up", True, _ADD_UP, _papers_add_up),
    Check(
        "general_papers",
        "data_tests",
        True,
        "Unique ids, disjoint sides, no paper in both tables, no test text on the train side.",
        _data_tests,
    ),
    _guarded("token_blocks"),
    Check("token_blocks", "tokens_add_up", True, "Tokens = blocks + one tail.", _tokens_add_up),
    _guarded("base_model"),
    _guarded("lora_checkpoint"),
    Check(
        "perplexity_report",
        "tuned_below_base",
        False,
        "Held-out astro perplexity of tuned lies below base.",
        _below_base,
    ),
    Check(
        "perplexity_report",
        "forgetting",
        False,
        "General perplexity of tuned is at most a little above base.",
        _forgetting,
    ),
    _guarded("embeddings"),
    Check(
        "knowledge_report",
        "not_worse",
        False,
        "Tuned is not shown to know less than base.",
        _not_worse,
    ),
    _guarded("release_report"),
)
