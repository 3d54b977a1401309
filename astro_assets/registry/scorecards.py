"""Reports of releases and of models measured by themselves, gathered into the leaderboard.

Reports of older code lack figures of newer ones: what is not there counts as not measured. What
does not belong here: measuring (``evaluation``) and how the page looks (``evaluation.pages``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.code_versions import CODE_VERSIONS
from astro_assets.evaluation.pages.leaderboard import Group, Scorecard, render_leaderboard
from astro_assets.registry.model_lookup import LABEL
from astro_assets.registry.model_names import known_of

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
_Value = TypeVar("_Value", int, str)


@dataclass(frozen=True)
class _Measured:
    """One model's reports, before a table says which of their figures it shows."""

    reports: Reports
    label: str
    """What the reports call it."""
    known: dict[str, Any]
    """What else its card says: name, role, digest …"""

    @property
    def identity(self) -> tuple[Any, Any]:
        """Return digest and quantisation: the same model stands in a table once."""
        return self.known["digest"], self.known.get("quantisation")


def write_leaderboard(home: Home, store: Store) -> Path:
    """Write ``reports/leaderboard.html`` and ``.json`` over all models seen; return the page."""
    return render_leaderboard(leaderboard(store), home.reports)


def leaderboard(store: Store) -> list[Group]:
    """Return all models that were measured, those that read the same papers together.

    A model that a release reports and that was measured by itself stands there once.
    """
    groups: dict[Papers, list[_Measured]] = defaultdict(list)
    for papers, one in (*_of_releases(store), *_by_themselves(store)):
        known = {other.identity for other in groups[papers]}
        if one.identity not in known:
            groups[papers].append(one)
    return [_group(papers, measured) for papers, measured in sorted(groups.items())]


def _group(papers: Papers, measured: Sequence[_Measured]) -> Group:
    """Return models that read the same papers; a column holds figures of one kind and size only.

    The release's own models say of which: their headline way of asking and their numbers of
    questions and titles. Where the release has none, what most of the models have does.
    """
    is_own = [one.label != LABEL for one in measured]
    method = _of_column((_at(one.reports, "knowledge", "headline") for one in measured), is_own)
    cards = [scorecard(one.reports, one.label, method=method, **one.known) for one in measured]
    base = next((card.base for card in cards if card.role == "tuned"), None)
    cards = [_forgot_of_own(card, base) for card in cards]
    n_questions = _of_column(
        (None if card.accuracy is None else card.n_questions for card in cards), is_own
    )
    n_retrieval = _of_column(
        (None if card.retrieval_mrr is None else card.n_retrieval for card in cards), is_own
    )
    questions = _of_column(
        (None if card.accuracy is None else card.questions_digest for card in cards), is_own
    )
    shown = (_comparable(card, n_questions, questions, n_retrieval) for card in cards)
    return Group(*papers, tuple(shown), method, n_questions, n_retrieval)


def _of_column(values: Iterable[_Value | None], is_own: Sequence[bool]) -> _Value | None:
    """Return what the release's own models have most often, or all where these have nothing.

    None where nobody has anything; of equals the smallest.
    """
    there = [(own, x) for x, own in zip(values, is_own, strict=True) if x is not None]
    counts = Counter([x for own, x in there if own] or [x for _, x in there])
    return min(counts, key=lambda value: (-counts[value], value), default=None)


def _forgot_of_own(card: Scorecard, base: str | None) -> Scorecard:
    """Return a card without forgetting where its base is known to be another than was measured."""
    if card.role != "champion" or base is None or card.base in (None, base):
        return card
    return replace(card, rise_far=None, drift_nats_per_token=None)


def _comparable(
    card: Scorecard, n_questions: int | None, questions: str | None, n_retrieval: int | None
) -> Scorecard:
    """Return a card without the figures of other questions or of other titles than its column's."""
    known = {card.questions_digest, questions} - {None}  # reports of older code have none
    if card.n_questions != n_questions or len(known) > 1:
        card = replace(card, accuracy=None, question_method=None)
    return card if card.n_retrieval == n_retrieval else replace(card, retrieval_mrr=None)


def scorecard(
    reports: Reports, label: str, *, method: str | None = None, **known: Any
) -> Scorecard:
    """Return one model's figures out of reports.

    Args:
        reports: By part; any may be missing.
        label: What the reports call the model.
        method: The way of asking questions whose answers are told; None: the report's headline.
        known: name, role, digest, base, n_parameters, quantisation, dtype.
    """
    perplexity, similarity, completions, knowledge = (
        reports.get(part) for part in ("perplexity", "similarity", "completions", "knowledge")
    )
    low, high = (
        _at(perplexity, "models", label, *_ASTRO, "interval", "bits_per_byte") or (None,) * 2
    )
    rise_far, drift = _forgotten(perplexity, label)
    accuracy, asked = _accuracy(knowledge, label, method)
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
        rise_far=rise_far,
        drift_nats_per_token=drift,
        retrieval_mrr=_at(similarity, "retrieval", "title_masked", label, "mrr"),
        n_retrieval=_at(similarity, "retrieval", "title_masked", label, "n"),
        accuracy=accuracy,
        question_method=asked,
        chance=_at(knowledge, "chance"),
        n_questions=_at(knowledge, "n_questions"),
        questions_digest=_at(knowledge, "questions_digest"),
        repeated_4grams=_at(completions, "measures", label, "repeated_4grams"),
        loops=_at(completions, "measures", label, "loops"),
    )


def _forgotten(
    perplexity: Mapping[str, Any] | None, label: str
) -> tuple[float | None, float | None]:
    """Return rise on far abstracts and drift on the base's own text; None: not beside its base."""
    told = _at(perplexity, "forgetting")
    if label == "tuned":
        return _at(told, "rise_far"), _at(told, "drift_nats_per_token")
    if label != "champion":
        return None, None
    far, own = (_at(told, "rings", ring, "champion_minus_base") for ring in ("far", "self_text"))
    return _at(far, "rise"), _at(own, "nats_per_token")


def _accuracy(
    knowledge: Mapping[str, Any] | None, label: str, method: str | None
) -> tuple[float | None, str | None]:
    """Return the share of right answers and the way of asking, two None where it is not there."""
    headline = _at(knowledge, "headline")
    if method is None or method == headline:
        accuracy, asked = _at(knowledge, "models", label, "accuracy"), headline
    else:
        accuracy = _at(knowledge, "methods", method, "models", label, "accuracy")
        asked = method
    return accuracy, None if accuracy is None else asked


def evaluated_card(parts: Mapping[str, Manifest]) -> Scorecard:
    """Return the figures of a model that was measured by itself."""
    one = _by_itself(parts)
    return scorecard(one.reports, one.label, **one.known)


def _by_itself(parts: Mapping[str, Manifest]) -> _Measured:
    model = parts["perplexity"].facts["model"]
    known = {"name": model["name"], "role": "evaluated", "dtype": model.get("dtype")}
    for name in ("digest", "base", "n_parameters", "quantisation"):
        known[name] = model[name]
    reports = {part: made.facts.get("report", {}) for part, made in parts.items()}
    return _Measured(reports, LABEL, known)


def next_turn(store: Store) -> int:
    """Return a number above that of every evaluation kept: clocks are too coarse to order them."""
    turns = [_turn(made) for made in _kept(store)]
    return 1 + max(turns, default=0)


def _kept(store: Store) -> Iterator[Manifest]:
    for path in sorted((store.home.manifests / ASSET).glob("*.json")):
        made = store.find(ASSET, path.stem)
        if made is not None:
            yield made


def _of_releases(store: Store) -> Iterator[tuple[Papers, _Measured]]:
    for folder in sorted(store.home.releases.glob("????-??")):
        report = store.current("perplexity_report", folder.name)
        if report is None or "lora_checkpoint" not in report.parents:
            continue
        for label in ("base", "tuned", "champion"):
            papers = _papers(folder.name, report.facts["report"], label)
            if papers is not None:
                reports = _reports_of(store, folder.name, report, label)
                known = known_of(store, folder.name, report, label)
                yield papers, _Measured(reports, label, known)


def _reports_of(store: Store, release: str, perplexity: Manifest, label: str) -> Reports:
    """Return the release's reports on the same model as the perplexity report.

    All are on one checkpoint; for ``champion`` they must be beside one champion too.
    """
    tuned, champion = perplexity.parents["lora_checkpoint"], perplexity.parameters.get("champion")
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
        is_of_it = label != "champion" or of.parameters.get("champion") == champion
        if is_of_it and of.parents.get("lora_checkpoint") == tuned:
            found[part] = made.facts["report"]
    return found


def _by_themselves(store: Store) -> Iterator[tuple[Papers, _Measured]]:
    """Yield what was measured by itself; of one report made twice, the last asked for counts."""
    held: dict[tuple[Any, ...], dict[str, list[Manifest]]] = defaultdict(lambda: defaultdict(list))
    for made in _kept(store):
        if is_on_present_papers(store, made):
            given = made.parameters
            who = (given["release"], given["digest"], given["quantisation"] or "")
            held[who][given["part"]].append(made)
    for (release, *_), parts in sorted(held.items()):
        newest = {part: max(made, key=_age) for part, made in parts.items()}
        for perplexity in sorted(parts["perplexity"], key=_age, reverse=True):
            papers = _papers(release, perplexity.facts["report"], LABEL)
            if papers is not None:
                yield papers, _by_itself({**newest, "perplexity": perplexity})


def is_on_present_papers(store: Store, made: Manifest) -> bool:
    """Tell whether an evaluation was made of what its release holds now."""
    for asset, content in made.parents.items():
        current = (
            store.current(asset, made.parameters["release"]) if asset in CODE_VERSIONS else None
        )
        if asset in CODE_VERSIONS and (current is None or current.fingerprint != content):
            return False
    return True


def _age(made: Manifest) -> tuple[int, str, str]:
    return (_turn(made), made.made_at, made.key)


def _turn(made: Manifest) -> int:
    """Return when an evaluation was last asked for; 0 where that was not yet written down."""
    return int(made.facts.get("turn", 0))


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
