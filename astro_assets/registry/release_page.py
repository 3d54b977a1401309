"""A release's manifests and decision gathered into its page, and all releases into the index.

What does not belong here: how a page looks (``evaluation.pages``).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import date
from typing import Any

from astro_assets.artifacts import fingerprint
from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Built, Manifest, Store
from astro_assets.corpus.published import Published, Source, compare_with_paper
from astro_assets.evaluation.pages.content import (
    IndexEntry,
    PageCorpus,
    PageForgetting,
    PageLineage,
    PageModel,
    PageVerdict,
    ReleasePage,
)
from astro_assets.evaluation.pages.index import render_index
from astro_assets.evaluation.pages.release import render_release_page
from astro_assets.evaluation.pages.values import number_at
from astro_assets.months import Month
from astro_assets.registry.promotion import Forgetting
from astro_assets.registry.versions import ModelVersion

SHOWN = (
    "astro_ph_papers", "general_papers", "token_blocks", "near_copies", "base_model",
    "lora_checkpoint",
    "perplexity_report", "embeddings", "embedding_report", "completion_report",
    "knowledge_report", "champion_model",
)  # fmt: skip
"""Assets a page is made of, in the order of the flow."""

MEASURED = ("perplexity_report", "embeddings", "completion_report", "knowledge_report")
"""Those that models are loaded for, base, tuned and champion."""

Parts = Mapping[str, Manifest]


def parts_of(store: Store, release: str) -> dict[str, Manifest]:
    """Return the manifests a release's page is made of; what was never made is left out."""
    found = {name: store.current(name, release) or store.current(name, None) for name in SHOWN}
    return {name: manifest for name, manifest in found.items() if manifest is not None}


def build_release_report(home: Home, store: Store, release: str, parts: Parts) -> Built:
    """Write the page of a release, and its numbers as JSON beside it.

    Returns:
        The page; its fingerprint leaves out run ids, which name runs and not content. Facts:
        ``index``, the release's line in the index.
    """
    content = _content(store, release, parts)
    path = render_release_page(content, home.reports / f"{release}.html")
    said = asdict(replace(content, run_ids={}))
    return Built(
        fingerprint=fingerprint.of_value(json.loads(json.dumps(said))),
        path=path,
        counts={"n_bytes": path.stat().st_size},
        files={file.name: fingerprint.of_file(file) for file in (path, path.with_suffix(".json"))},
        facts={"index": asdict(_index_entry(release, path.name, parts))},
    )


def write_index(home: Home, store: Store, champion: ModelVersion | None) -> None:
    """Write the index over all releases that have a page, the present champion marked."""
    named = None if champion is None else f"{champion.name} {champion.version}"
    entries = []
    for folder in sorted(home.releases.glob("????-??")):
        report = store.current("release_report", folder.name)
        if report is not None and store.path_of(report).is_file():
            known = {field.name for field in fields(IndexEntry)}  # a page may be of other code
            told = {k: v for k, v in report.facts["index"].items() if k in known}
            entry = IndexEntry(**told)
            is_champion = named is not None and entry.model == named
            entries.append(replace(entry, is_champion=is_champion))
    render_index(entries, home.reports / "index.html")


def _content(store: Store, release: str, parts: Parts) -> ReleasePage:
    allowed_rise = _allowed(parts, "max_forgetting", ReleasePage.allowed_rise)
    allowed_drift = _allowed(parts, "max_drift", ReleasePage.allowed_drift)
    return ReleasePage(
        release=release,
        model=_model(parts),
        verdict=_verdict(parts),
        corpus=_corpus(store, release, parts),
        learning_curve=_lines(store, parts.get("lora_checkpoint"), "learning_curve.jsonl"),
        heldout_curve=_lines(store, parts.get("lora_checkpoint"), "heldout_curve.jsonl") or (),
        perplexity=_report(parts, "perplexity_report"),
        embeddings=_report(parts, "embedding_report"),
        completions=_report(parts, "completion_report"),
        knowledge=_report(parts, "knowledge_report"),
        lineage=[
            PageLineage(name, part.fingerprint, part.code_version) for name, part in parts.items()
        ],
        run_ids=_run_ids(parts),
        allowed_rise=allowed_rise,
        allowed_drift=allowed_drift,
        forgetting=_forgetting(parts, allowed_rise=allowed_rise, allowed_drift=allowed_drift),
        warnings=_warnings(release, parts),
    )


def _decision(parts: Parts) -> dict[str, Any] | None:
    champion = parts.get("champion_model")
    return None if champion is None else champion.facts["decision"]


def _allowed(parts: Parts, rule: str, default: float) -> float:
    """Return a bound of the promotion this release went through."""
    champion = parts.get("champion_model")
    rules = {} if champion is None else champion.parameters["rules"]
    return float(rules.get(rule, default))


def _forgetting(parts: Parts, *, allowed_rise: float, allowed_drift: float) -> PageForgetting:
    """Return what promotion reads, each figure beside its bound."""
    found = Forgetting.of(_report(parts, "perplexity_report") or {})
    rise, drift = found.rise, found.drift_nats_per_token
    return PageForgetting(
        rise=rise,
        rise_on="far fields" if found.has_far_abstracts else "all general fields",
        rise_is_allowed=None if rise is None else rise <= allowed_rise,
        drift_nats_per_token=drift,
        drift_is_allowed=None if drift is None else drift <= allowed_drift,
    )


def _model(parts: Parts) -> PageModel | None:
    checkpoint, base, decision = (
        parts.get("lora_checkpoint"),
        parts.get("base_model"),
        _decision(parts),
    )
    if checkpoint is None or base is None:
        return None
    promoted = decision is not None and decision["promoted"]
    revision = base.facts.get("revision")
    return PageModel(
        name=decision["model_name"] if decision else "not registered",
        version=decision["candidate_version"] if decision else None,
        aliases=("champion",) if promoted else ("candidate",),
        base=f"{base.facts['name']}@{revision}" if revision else str(base.facts["name"]),
        recipe=str(checkpoint.parameters["recipe"]["name"]),
    )


def _verdict(parts: Parts) -> PageVerdict | None:
    decision = _decision(parts)
    if decision is None:
        return None
    return PageVerdict(decision["promoted"], tuple(decision["reasons"]))


def _corpus(store: Store, release: str, parts: Parts) -> PageCorpus | None:
    papers, tokens = parts.get("astro_ph_papers"), parts.get("token_blocks")
    if papers is None:
        return None
    years: Counter[int] = Counter()
    for shard in papers.facts["shards"]:
        years[int(shard["month"][:4])] += shard["n_papers"]
    prefix = "excluded_"
    return PageCorpus(
        papers=papers.counts["papers"],
        papers_any=papers.counts["papers_any"],
        papers_primary=papers.counts["papers_primary"],
        excluded={
            name.removeprefix(prefix): count
            for name, count in papers.counts.items()
            if name.startswith(prefix)
        },
        train_tokens=tokens.counts["astro_train_tokens"] if tokens else None,
        test_tokens=tokens.counts["astro_test_tokens"] if tokens else None,
        median_tokens=tokens.facts["median_tokens"] if tokens else None,
        papers_by_year=dict(sorted(years.items())),
        statistics=tokens.facts.get("statistics") if tokens else None,
        published=published_beside(store, release, papers, tokens),
    )


def published_beside(
    store: Store, release: str, papers: Manifest, tokens: Manifest | None
) -> Published:
    """Return the paper's corpus figures beside a release's, or why they are not shown."""
    statistics = tokens.facts.get("statistics") if tokens else None
    if tokens is None or statistics is None:
        return Published(why_not="there are no statistics of the tokens")
    snapshot = store.find("arxiv_snapshot", papers.facts["snapshot_key"])
    source = None
    if snapshot is not None:
        source = Source(
            origin=snapshot.facts["origin"],
            n_records=snapshot.counts["n_records"],
            vintage=snapshot.facts["vintage"],
            updates_through=papers.facts["updates_through"],
        )
    return compare_with_paper(
        release,
        statistics,
        n_vocab=tokens.facts["n_vocab"],
        category_rule=papers.parameters["category_rule"],
        source=source,
    )


def _lines(
    store: Store, checkpoint: Manifest | None, name: str
) -> Sequence[Mapping[str, Any]] | None:
    """Return a curve that training wrote; None where this training wrote none."""
    if checkpoint is None or name not in checkpoint.files:
        return None
    text = (store.path_of(checkpoint) / name).read_text()
    return [json.loads(line) for line in text.splitlines()]


def _report(parts: Parts, asset: str) -> dict[str, Any] | None:
    part = parts.get(asset)
    return None if part is None else dict(part.facts["report"])


def _run_ids(parts: Parts) -> dict[str, str]:
    decision = _decision(parts) or {}
    names = {"dagster": "Dagster", "mlflow": "MLflow"}
    return {names.get(name, name): run for name, run in decision.get("run_ids", {}).items()}


def _warnings(release: str, parts: Parts) -> list[str]:
    papers, said = parts.get("astro_ph_papers"), _of_other_champions(parts)
    if papers is None:
        return said
    through, vintage = papers.facts["updates_through"], papers.facts["text_vintage"]
    if through < release:
        said.append(f"arXiv is known through {through} only; the release is {release}.")
    if Month.parse(release).is_before(date.fromisoformat(vintage)):
        said.append(f"Texts are as of {vintage}; some may have been revised since the release.")
    return said


def _of_other_champions(parts: Parts) -> list[str]:
    """Return a warning where reports were made beside different champions: one was made again."""
    made = [name for name in MEASURED if "champion" in getattr(parts.get(name), "parameters", {})]
    beside = {name: parts[name].parameters["champion"] for name in made}
    others = [name for name in made if beside[name] != beside[made[0]]]
    if not others:
        return []
    return [
        f"The champion in {', '.join(others)} is another than in {made[0]}: they were made at"
        " different times. Make them again to compare it."
    ]


def _index_entry(release: str, page: str, parts: Parts) -> IndexEntry:
    decision = _decision(parts)
    papers, tokens = parts.get("astro_ph_papers"), parts.get("token_blocks")
    report = _report(parts, "perplexity_report")

    def astro(label: str, key: str) -> float | None:
        return number_at(report, "models", label, "astro", "per_document", key)

    return IndexEntry(
        release=release,
        page=page,
        model=f"{decision['model_name']} {decision['candidate_version']}" if decision else None,
        promoted=decision["promoted"] if decision else None,
        papers=papers.counts["papers"] if papers else None,
        base_astro=astro("base", "perplexity"),
        tuned_astro=astro("tuned", "perplexity"),
        rise_general=number_at(report, "rise_general"),
        train_tokens=tokens.counts["astro_train_tokens"] if tokens else None,
        base_bits=astro("base", "bits_per_byte"),
        tuned_bits=astro("tuned", "bits_per_byte"),
        champion_bits=astro("champion", "bits_per_byte"),
        rise_far=number_at(report, "forgetting", "rise_far"),
        drift_nats_per_token=number_at(report, "forgetting", "drift_nats_per_token"),
    )
