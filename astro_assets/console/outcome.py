"""What came of a run, as one JSON object and as a table."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from astro_assets.artifacts.manifest import Manifest
from astro_assets.console.run import Ended


def empty(release: str | None, error: str) -> dict[str, Any]:
    """Return the object of a request that never became a run."""
    parts = dict.fromkeys(("corpus", "perplexity", "model", "report"))
    return {"release": release, "run_id": None, "assets": [], **parts, "error": error}


def as_json(ended: Ended) -> dict[str, Any]:
    """Return the run as plain values; what this run neither made nor re-used is null."""
    return {
        "release": ended.release,
        "run_id": ended.run_id,
        "assets": [asdict(outcome) for outcome in ended.assets],
        "corpus": _corpus(ended),
        "perplexity": _perplexity(ended),
        "model": _model(ended),
        "report": _report(ended),
        "error": "\n".join(ended.errors) if not ended.success else None,
    }


def show(ended: Ended, told: dict[str, Any], console: Console) -> None:
    """Print the table a run ends with, and why it failed if it did."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("asset")
    table.add_column("status")
    table.add_column("seconds", justify="right")
    colours = {"made": "green", "reused": "cyan", "skipped": "dim", "failed": "bold red"}
    for outcome in ended.assets:
        colour = colours[outcome.status]
        table.add_row(outcome.asset, f"[{colour}]{outcome.status}[/]", f"{outcome.seconds:,.1f}")
    console.print(table)
    for line in _lines(told):
        console.print(line, highlight=False, soft_wrap=True)
    for error in ended.errors:
        console.print(f"[bold red]failed[/] {escape(error)}", highlight=False, soft_wrap=True)


def _lines(told: dict[str, Any]) -> list[str]:
    lines = [f"release     {told['release']}"]
    corpus, ppl, model = told["corpus"], told["perplexity"], told["model"]
    if corpus:
        tokens = corpus["train_tokens"]
        tokenised = f", {tokens:,} train tokens" if tokens is not None else ""
        lines.append(
            f"papers      {corpus['papers']:,} (astro-ph anywhere {corpus['papers_any']:,}, "
            f"first {corpus['papers_primary']:,}){tokenised}"
        )
    if ppl:
        for field in ("astro", "general"):
            base, tuned = ppl[f"base_{field}"], ppl[f"tuned_{field}"]
            lines.append(
                f"perplexity  {field:<7} base {base:,.2f} → tuned {tuned:,.2f} "
                f"({tuned / base - 1:+.1%})"
            )
    if model:
        aliases = ", ".join(model["aliases"]) or "no alias"
        lines.append(f"model       {model['name']} version {model['version']} ({aliases})")
    if told["report"]:
        lines.append(f"page        {told['report']}")
    return [escape(line) for line in lines]


def _held(ended: Ended, asset: str) -> Manifest | None:
    """Return an asset's manifest if this run made or re-used it."""
    for outcome in ended.assets:
        if outcome.asset == asset and outcome.status in {"made", "reused"}:
            return ended.store.current(asset, ended.release)
    return None


def _corpus(ended: Ended) -> dict[str, Any] | None:
    papers, tokens = _held(ended, "astro_ph_papers"), _held(ended, "token_blocks")
    if papers is None:
        return None
    return {
        "papers": papers.counts["papers"],
        "papers_any": papers.counts["papers_any"],
        "papers_primary": papers.counts["papers_primary"],
        "train_tokens": tokens.counts["astro_train_tokens"] if tokens else None,
        "test_tokens": tokens.counts["astro_test_tokens"] if tokens else None,
        "median_tokens": tokens.facts["median_tokens"] if tokens else None,
    }


def _perplexity(ended: Ended) -> dict[str, float] | None:
    report = _held(ended, "perplexity_report")
    if report is None:
        return None
    models = report.facts["report"]["models"]
    return {
        f"{label}_{field}": models[label][field]["per_document"]["perplexity"]
        for field in ("astro", "general")
        for label in ("base", "tuned")
    }


def _model(ended: Ended) -> dict[str, Any] | None:
    checkpoint = _held(ended, "lora_checkpoint")
    if checkpoint is None:
        return None
    from astro_assets.registry.tracking import Tracking
    from astro_assets.registry.versions import registered_version

    tracking = Tracking.of(ended.settings.tracking_uri, ended.store.home)
    version = registered_version(tracking, ended.settings.model_name, checkpoint.fingerprint)
    if version is None:
        return None
    return {"name": version.name, "version": version.version, "aliases": list(version.aliases)}


def _report(ended: Ended) -> str | None:
    report = _held(ended, "release_report")
    return None if report is None else str(ended.store.path_of(report))
