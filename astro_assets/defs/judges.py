"""What each check looks at: plain functions of a manifest and the store, a sentence each.

What does not belong here: which asset is checked by which, and whether a failure blocks (verdicts).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.errors import DamagedArtifactError
from astro_assets.months import Month
from astro_assets.registry.promotion import Forgetting, judge_forgetting
from astro_assets.settings import load_settings


@dataclass(frozen=True)
class Verdict:
    """What a check found."""

    passed: bool
    said: str
    """One sentence with the figures."""
    figures: dict[str, Any] = field(default_factory=dict)


def checksums(manifest: Manifest, store: Store) -> Verdict:
    """Compare every guarded file with its checksum."""
    try:
        store.verify(manifest)
    except DamagedArtifactError as error:
        return Verdict(False, str(error))
    return Verdict(True, f"{len(manifest.files)} files have the bytes they were made with.")


def readable(manifest: Manifest, store: Store) -> Verdict:
    """Count the lines of a snapshot that are no records."""
    del store
    broken, lines = manifest.counts["n_broken_lines"], manifest.counts["n_lines"]
    return Verdict(
        broken <= 0.01 * lines,
        f"{broken:,} of {lines:,} lines are broken (at most 1 % may be).",
        {"n_broken_lines": broken, "n_lines": lines},
    )


def window_held(manifest: Manifest, store: Store) -> Verdict:
    """Look for months whose changes no window holds."""
    del store
    missing = manifest.facts["missing"]
    return Verdict(
        not missing,
        f"the windows of {len(missing)} months are missing, {missing[0]} to {missing[-1]}."
        if missing
        else "every window it needs is held.",
    )


def all_readable(manifest: Manifest, store: Store) -> Verdict:
    """Count the papers that are listed and could not be had, and pages a sample lacks."""
    del store
    if "n_unreadable" not in manifest.counts:
        return Verdict(True, "nothing was harvested for it.")
    n, n_pages = manifest.counts["n_unreadable"], manifest.counts.get("n_left_out", 0)
    said = [
        f"arXiv lists {n:,} papers that it cannot give; their ids stand in the harvest's journal."
        if n
        else "every paper arXiv lists is held."
    ]
    if n_pages:
        said.append(f"The sample of the other fields lacks {n_pages:,} pages.")
        return Verdict(False, " ".join(said), {"n_unreadable": n, "n_left_out": n_pages})
    return Verdict(not n, " ".join(said), {"n_unreadable": n})


def in_is_out(manifest: Manifest, store: Store) -> Verdict:
    """Account for every record of a snapshot."""
    del store
    counts = manifest.counts
    out = counts["n_astro"] + counts["n_general_kept"] + counts["n_general_left_out"]
    dropped = sum(count for name, count in counts.items() if name.startswith("dropped_"))
    return Verdict(
        counts["n_records_in"] == out + dropped,
        f"{counts['n_records_in']:,} records in = {out:,} papers + {dropped:,} dropped.",
    )


def papers_add_up(manifest: Manifest, store: Store) -> Verdict:
    """Account for every record and every row of a release."""
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


def text_vintage(manifest: Manifest, store: Store) -> Verdict:
    """Compare the newest text with the end of the release."""
    del store
    vintage, release = manifest.facts["text_vintage"], Month.parse(str(manifest.release))
    newer = release.is_before(date.fromisoformat(vintage))
    return Verdict(
        not newer,
        f"texts are as of {vintage}; release {release} ended on {release.end:%Y-%m-%d}"
        + (", so some may have been revised since." if newer else "."),
        {"text_vintage": vintage},
    )


def updates_through(manifest: Manifest, store: Store) -> Verdict:
    """Compare the last month arXiv is known of with the release."""
    del store
    through, release = manifest.facts["updates_through"], str(manifest.release)
    return Verdict(
        through >= release,
        f"arXiv is known through {through}" + ("." if through >= release else f", not {release}."),
        {"updates_through": through},
    )


def tokens_add_up(manifest: Manifest, store: Store) -> Verdict:
    """Compare tokens with blocks and tails."""
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


def few_near_copies(manifest: Manifest, store: Store) -> Verdict:
    """Compare the share of test papers with a near copy on the train side with one in a hundred."""
    del store
    counts = manifest.counts
    n, of = counts["n_test_with_near_copy"], counts["n_test_papers"]
    return Verdict(
        n <= 0.01 * of,
        f"{n:,} of {of:,} test papers have a near copy on the train side, in {counts['n_pairs']:,} "
        "pairs (more than 1 % is a warning).",
        {"n_test_with_near_copy": n, "n_test_papers": of},
    )


def below_base(manifest: Manifest, store: Store) -> Verdict:
    """Compare held-out astro perplexity of tuned with base."""
    del store
    reduction = manifest.facts["report"]["reduction_astro"]
    return Verdict(
        reduction > 0,
        f"held-out astro perplexity {reduction:+.1%} below base.",
        {"reduction_astro": reduction},
    )


def forgetting(manifest: Manifest, store: Store) -> Verdict:
    """Judge what training cost elsewhere as a promotion does."""
    del store
    found, settings = Forgetting.of(manifest.facts["report"]), load_settings()
    passed, said = judge_forgetting(
        found, max_forgetting=settings.max_forgetting, max_drift=settings.max_drift
    )
    return Verdict(passed, said, found.figures)


def not_worse(manifest: Manifest, store: Store) -> Verdict:
    """Read the verdict on what tuned knows."""
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
