"""Reports of releases and of models measured by themselves, gathered into the leaderboard.

Reports of older code lack figures of newer ones: what is not there counts as not measured. What
does not belong here: measuring (``evaluation``) and how the page looks (``evaluation.pages``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.code_versions import CODE_VERSIONS
from astro_assets.evaluation.pages.leaderboard import Group, Scorecard, render_leaderboard

ASSET = "model_evaluation"
"""Manifests of models that were measured by themselves."""
PARTS = {
    "perplexity": "perplexity_report",
    "embeddings": "embeddings",
    "similarity": "embedding_report",
    "completions": "completion_report",
    "knowledge": "knowledge_report",
}
"""Part of such an evaluation -> the asset that makes the same report of a release, in order."""

_ASTRO = ("astro", "per_document")

Reports = Mapping[str, Mapping[str, Any]]
"""Part -> report."""
Papers = tuple[str, int, int]
"""Release, and documents and bytes that were read: models compare where these are equal."""


def write_leaderboard(home: Home, store: Store) -> Path:
    """Write ``reports/leaderboard.html`` and ``.json`` over all models seen; return the page."""
    return render_leaderboard(leaderboard(store), home.reports)


def leaderboard(store: Store) -> list[Group]:
    """Return all models that were measured, those that read the same papers together.

    A model that a release reports and that was measured by itself stands there once.
    """
    groups: dict[Papers, list[Scorecard]] = defaultdict(list)
    for papers, card in (*_of_releases(store), *_by_themselves(store)):
        known = {(one.digest, one.quantisation) for one in groups[papers]}
        if (card.digest, card.quantisation) not in known:
            groups[papers].append(card)
    return [Group(*papers, tuple(cards)) for papers, cards in sorted(groups.items())]


def scorecard(reports: Reports, label: str, **known: Any) -> Scorecard:
    """Return one model's figures out of reports.

    Args:
        reports: By part; any may be missing.
        label: What the reports call the model.
        known: name, role, digest, base, n_parameters, quantisation.
    """
    perplexity, similarity, completions, knowledge = (
        reports.get(part) for part in ("perplexity", "similarity", "completions", "knowledge")
    )
    low, high = (
        _at(perplexity, "models", label, *_ASTRO, "interval", "bits_per_byte") or (None,) * 2
    )
    is_tuned = label == "tuned"
    return Scorecard(
        **known,
        bits_per_byte=_at(perplexity, "models", label, *_ASTRO, "bits_per_byte"),
        bits_per_byte_low=low,
        bits_per_byte_high=high,
        general_bits_per_byte=_at(
            perplexity, "models", label, "general", "per_document", "bits_per_byte"
        ),
        far_bits_per_byte=_at(
            perplexity, "forgetting", "rings", "far", "models", label, "bits_per_byte"
        ),
        rise_far=_at(perplexity, "forgetting", "rise_far") if is_tuned else None,
        drift_nats_per_token=(
            _at(perplexity, "forgetting", "drift_nats_per_token") if is_tuned else None
        ),
        retrieval_mrr=_at(similarity, "retrieval", "title_masked", label, "mrr"),
        n_retrieval=_at(similarity, "retrieval", "title_masked", label, "n"),
        accuracy=_at(knowledge, "models", label, "accuracy"),
        question_method=_at(knowledge, "headline"),
        chance=_at(knowledge, "chance"),
        n_questions=_at(knowledge, "n_questions"),
        repeated_4grams=_at(completions, "measures", label, "repeated_4grams"),
        loops=_at(completions, "measures", label, "loops"),
    )


def evaluated_card(parts: Mapping[str, Manifest]) -> Scorecard:
    """Return the figures of a model that was measured by itself."""
    model = next(iter(parts.values())).facts["model"]
    return scorecard(
        {part: made.facts.get("report", {}) for part, made in parts.items()},
        "model",
        name=model["name"],
        role="evaluated",
        digest=model["digest"],
        base=model["base"],
        n_parameters=model["n_parameters"],
        quantisation=model["quantisation"],
    )


def _of_releases(store: Store) -> Iterator[tuple[Papers, Scorecard]]:
    for folder in sorted(store.home.releases.glob("????-??")):
        report = store.current("perplexity_report", folder.name)
        if report is None or "lora_checkpoint" not in report.parents:
            continue
        reports = _reports_of(store, folder.name, report)
        for label in ("base", "tuned", "champion"):
            papers = _papers(folder.name, report.facts["report"], label)
            if papers is not None:
                known = _known_of(store, folder.name, report, label)
                yield papers, scorecard(reports, label, **known)


def _reports_of(store: Store, release: str, perplexity: Manifest) -> Reports:
    """Return the release's reports on the same checkpoint as the perplexity report."""
    tuned = perplexity.parents["lora_checkpoint"]
    found = {"perplexity": perplexity.facts["report"]}
    embeddings = store.current("embeddings", release)
    for part in ("similarity", "completions", "knowledge"):
        made = store.current(PARTS[part], release)
        if made is None:
            continue
        of = made
        if part == "similarity" and embeddings is not None:
            is_of_these = made.parents.get("embeddings") == embeddings.fingerprint
            of = embeddings if is_of_these else made
        if of.parents.get("lora_checkpoint") == tuned:
            found[part] = made.facts["report"]
    return found


def _known_of(store: Store, release: str, report: Manifest, label: str) -> dict[str, Any]:
    """Return what a release's model is: name, digest, base, parameters."""
    if label == "champion":
        return _champion(store, str(report.parameters.get("champion")))
    tuned, digest = report.parents["lora_checkpoint"], report.parents["base_model"]
    base, size = _base(store, digest)
    made = _made(store, "lora_checkpoint", tuned, release)
    recipe = made.parameters["recipe"] if made is not None else {}
    known = {"role": label, "n_parameters": size, "quantisation": recipe.get("quantisation")}
    if label == "base":
        return {**known, "name": base or "base", "digest": digest}
    is_whole = recipe.get("method") == "full"
    if is_whole:
        known["quantisation"] = None
    name = _registered_name(store, release, tuned) or f"tuned {release}"
    return {**known, "name": name, "digest": tuned, "base": base}


def _champion(store: Store, digest: str) -> dict[str, Any]:
    """Return what the champion is, as far as this home knows it."""
    known = {"name": "champion", "role": "champion", "digest": digest}
    made = _made(store, "lora_checkpoint", digest, None)
    if made is None:
        return known
    base, size = _base(store, made.parents["base_model"])
    recipe = made.parameters["recipe"]
    held = None if recipe.get("method") == "full" else recipe.get("quantisation")
    name = _registered_name(store, str(made.release), digest) or "champion"
    return {**known, "name": name, "base": base, "n_parameters": size, "quantisation": held}


def _base(store: Store, digest: str) -> tuple[str | None, int | None]:
    """Return a base's name and parameters, two None where the home no longer knows it."""
    base = _made(store, "base_model", digest, None)
    if base is None:
        return None, None
    name, revision = base.facts["name"], base.facts.get("revision")
    return f"{name}@{revision}" if revision else str(name), base.facts.get("n_parameters")


def _made(store: Store, asset: str, content: str, release: str | None) -> Manifest | None:
    """Return the manifest of this content; what is current is looked at before all there are."""
    current = store.current(asset, release)
    if current is not None and current.fingerprint == content:
        return current
    return store.find_content(asset, content)


def _registered_name(store: Store, release: str, tuned: str) -> str | None:
    """Return name and version as the release's decision has them."""
    decided = store.current("champion_model", release)
    if decided is None or decided.parents.get("lora_checkpoint") != tuned:
        return None
    decision = decided.facts["decision"]
    return f"{decision['model_name']} {decision['candidate_version']}"


def _by_themselves(store: Store) -> Iterator[tuple[Papers, Scorecard]]:
    """Yield what was measured by itself; of one report made twice, the newer counts."""
    held: dict[tuple[Any, ...], dict[str, list[Manifest]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted((store.home.manifests / ASSET).glob("*.json")):
        made = store.find(ASSET, path.stem)
        if made is not None and is_on_present_papers(store, made):
            given = made.parameters
            who = (given["release"], given["digest"], given["quantisation"] or "")
            held[who][given["part"]].append(made)
    for (release, *_), parts in sorted(held.items()):
        newest = {part: max(made, key=_age) for part, made in parts.items()}
        for perplexity in sorted(parts["perplexity"], key=_age, reverse=True):
            papers = _papers(release, perplexity.facts["report"], "model")
            if papers is not None:
                yield papers, evaluated_card({**newest, "perplexity": perplexity})


def is_on_present_papers(store: Store, made: Manifest) -> bool:
    """Tell whether an evaluation was made of what its release holds now."""
    for asset, content in made.parents.items():
        current = (
            store.current(asset, made.parameters["release"]) if asset in CODE_VERSIONS else None
        )
        if asset in CODE_VERSIONS and (current is None or current.fingerprint != content):
            return False
    return True


def _age(made: Manifest) -> tuple[str, str]:
    return (made.made_at, made.key)


def _papers(release: str, report: Mapping[str, Any], label: str) -> Papers | None:
    """Return which papers a model read; None where it was not measured."""
    figures = _at(report, "models", label, *_ASTRO)
    if figures is None:
        return None
    return (release, figures["n_documents"], figures["n_bytes"])


def _at(report: Mapping[str, Any] | None, *path: str) -> Any:
    """Return what stands in a report at a path of keys; None where there is no such place."""
    found: Any = report
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
