"""The champion: whom a candidate must beat, the decision, the alias that follows it, and a parent.

What does not belong here: the rule itself (``promotion``) and how a version is made
(``registration``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from astro_assets.artifacts import atomic, fingerprint
from astro_assets.artifacts.manifest import Built
from astro_assets.errors import RegistryError
from astro_assets.models.handle import ModelHandle
from astro_assets.registry import ledger
from astro_assets.registry.base_facts import ParentFacts
from astro_assets.registry.download import download_model, refuse_damaged
from astro_assets.registry.promotion import Decision, Forgetting, decide, evidence_from_reports
from astro_assets.registry.tracking import Tracking
from astro_assets.registry.versions import (
    CHAMPION,
    FINGERPRINT_TAG,
    ModelVersion,
    registered_version,
    set_alias,
    version_at,
    versions_of,
)


@dataclass(frozen=True)
class Rules:
    """The bounds a person can set."""

    max_forgetting: float
    """Rise of perplexity over base on far abstracts that is allowed, as a share."""
    knowledge_margin: float
    """Drop of accuracy below base that counts as worse, as a share."""
    max_drift: float
    """Nats per token that text sampled from the base may become less likely."""


@dataclass(frozen=True)
class Parent:
    """A champion as the starting point of a training."""

    version: int
    fingerprint: str
    """sha256 of its content."""
    folder: Path
    """The adapter (peft files) or the whole model, with its tokenizer."""
    base_digest: str
    """Of the base it was first trained on."""
    method: str
    """lora, qlora or full."""
    recipe: dict[str, Any] | None
    """Every field; None where the version did not record it yet (adapter_config.json tells rank
    and modules of any adapter)."""

    @property
    def facts(self) -> ParentFacts:
        """Return what the version of its child records."""
        return ParentFacts(self.version, self.fingerprint)


@dataclass(frozen=True)
class Opponent:
    """The champion a candidate has to beat: which one it is, without its files."""

    version: ModelVersion
    digest: str
    """sha256 of its content."""

    @property
    def base_digest(self) -> str | None:
        """Return sha256 of the base it was first trained on; None: the version does not say."""
        return self.version.tags.get("base_digest")

    @property
    def release(self) -> str | None:
        """Return ``YYYY-MM``, the last month it was trained on; None: the version does not say."""
        return self.version.tags.get("release")

    def model(
        self, tracking: Tracking, *, download_to: Path, bases: Mapping[str, Path] | None = None
    ) -> ModelHandle:
        """Return it to be measured, every guarded file of it read, and those of its base.

        Args:
            tracking: The store.
            download_to: Where what lies elsewhere is kept.
            bases: Digest -> folder of bases that lie here. Its own is taken from there, as it is:
                models on one base are then loaded with one reading of it.

        Raises:
            DamagedArtifactError: a file of it, or of its base in the registry, is not what was
                registered.
            BadModelError: the hub does not give its base, or other files under the same revision.
            RegistryError: MLflow cannot be reached, or the version's files are gone or none of
                ours.
        """
        found = download_model(tracking, self.version, download_to)
        refuse_damaged(self.version, found)
        label, base = f"champion (version {self.version.version})", found.facts.base
        here = None if found.facts.is_whole else (bases or {}).get(base.digest)
        if here is not None:
            return ModelHandle(label, here, found.folder, self.digest, base.quantisation)
        return found.handle(label, digest=self.digest)


def parent_of(tracking: Tracking, model_name: str, *, download_to: Path) -> Parent | None:
    """Return the present champion to train from, every guarded file read, or None without one.

    Raises:
        DamagedArtifactError: a file is not what was registered.
        RegistryError: MLflow cannot be reached, or the version's files are gone or none of ours.
    """
    champion = version_at(tracking, model_name, CHAMPION)
    if champion is None:
        return None
    digest = _content_of(champion)
    found = download_model(tracking, champion, download_to)
    refuse_damaged(champion, found)
    facts = found.facts
    return Parent(
        version=champion.version,
        fingerprint=digest,
        folder=found.folder,
        base_digest=facts.base.digest,
        method=facts.method,
        recipe=None if facts.recipe is None else dict(facts.recipe),
    )


def opponent_of(
    tracking: Tracking,
    model_name: str,
    adapter_fingerprint: str,
    *,
    ledger_path: Path,
    afresh: bool = False,
) -> Opponent | None:
    """Return the champion a candidate has to beat, or None where there is none.

    A candidate that was decided on before keeps the opponent it had then, so that running an old
    release again asks the same question; ``afresh`` takes the present champion instead, and so does
    a candidate whose opponent was deleted from the registry.

    Raises:
        RegistryError: MLflow cannot be reached, or the champion does not say what it holds.
    """
    candidate = registered_version(tracking, model_name, adapter_fingerprint)
    decided = None if candidate is None or afresh else _last_entry(ledger_path, candidate)
    version = None if decided is None else _standing(tracking, model_name, decided.opponent)
    if version is None and (decided is None or decided.opponent is not None):
        champion = version_at(tracking, model_name, CHAMPION)
        number = _opponent(ledger_path, candidate, champion)
        version = _standing(tracking, model_name, number)
    return None if version is None else Opponent(version, _content_of(version))


def _standing(tracking: Tracking, model_name: str, number: int | None) -> ModelVersion | None:
    """Return a version by its number; None where there is none, or it was deleted."""
    known = () if number is None else versions_of(tracking, model_name)
    return next((item for item in known if item.version == number), None)


def _content_of(champion: ModelVersion) -> str:
    """Return sha256 of a champion's content.

    Raises:
        RegistryError: the version does not say it, so nothing can be compared with it for sure.
    """
    if champion.fingerprint is None:
        raise RegistryError(
            f"{champion.uri} is champion and does not say which content it holds.",
            expected=f"the tag {FINGERPRINT_TAG}, which registration sets.",
            do="Let a version that this project registered become champion.",
        )
    return champion.fingerprint


def _opponent(
    ledger_path: Path, candidate: ModelVersion | None, champion: ModelVersion | None
) -> int | None:
    """Return the version to beat: the champion, or whom the candidate replaced as champion."""
    if champion is None or candidate is None or champion.version != candidate.version:
        return None if champion is None else champion.version
    promoted = [e for e in _entries_of(ledger_path, candidate) if e.promoted]
    return promoted[-1].opponent if promoted else None


def _entries_of(ledger_path: Path, candidate: ModelVersion) -> list[ledger.Entry]:
    return [
        entry
        for entry in ledger.entries(ledger_path)
        if (entry.model_name, entry.candidate_version) == (candidate.name, candidate.version)
    ]


def _last_entry(ledger_path: Path, candidate: ModelVersion) -> ledger.Entry | None:
    entries = _entries_of(ledger_path, candidate)
    return entries[-1] if entries else None


@dataclass(frozen=True)
class Case:
    """Everything a promotion is decided on."""

    release: str
    model_name: str
    adapter_fingerprint: str
    perplexity: Mapping[str, Any] | None
    """The perplexity report."""
    opponent: str | None
    """Digest of the champion that report measured, None where it measured none."""
    knowledge: Mapping[str, Any] | None
    """The knowledge report."""
    blocking_failures: tuple[str, ...]
    run_ids: Mapping[str, str]
    """Which runs led here: dagster, mlflow."""


def lost_champion(tracking: Tracking, case: Case, ledger_path: Path) -> bool:
    """Tell whether the registry lost its champion and this candidate is the one it had."""
    if version_at(tracking, case.model_name, CHAMPION) is not None:
        return False
    promoted = [e for e in ledger.entries(ledger_path) if e.model_name == case.model_name]
    last = next((e.champion_after for e in reversed(promoted) if e.promoted), None)
    candidate = registered_version(tracking, case.model_name, case.adapter_fingerprint)
    return last is not None and candidate is not None and candidate.version == last


def settle(
    tracking: Tracking, case: Case, rules: Rules, *, ledger_path: Path, out: Path, now: datetime
) -> Built:
    """Decide, write the ledger, and move the ``champion`` alias if the candidate is promoted.

    The ledger is written before the alias moves: a run killed in between decides again, with the
    same evidence against the same champion.

    Raises:
        RegistryError: the candidate is not registered, or MLflow cannot be reached.
    """
    candidate = registered_version(tracking, case.model_name, case.adapter_fingerprint)
    if candidate is None:
        raise RegistryError(
            f"The adapter {case.adapter_fingerprint[:12]}… of release {case.release} is not "
            f"registered as {case.model_name}.",
            do="Materialise lora_checkpoint of this release again.",
        )
    champion = version_at(tracking, case.model_name, CHAMPION)
    number = _opponent(ledger_path, candidate, champion)
    before = _standing(tracking, case.model_name, number)
    evidence = evidence_from_reports(
        _measured_against(case, before),
        case.knowledge,
        blocking_failures=case.blocking_failures,
        champion=None if before is None else f"version {before.version}",
    )
    decision = decide(evidence, **asdict(rules))
    measured = case.opponent and registered_version(tracking, case.model_name, case.opponent)
    entry = replace(
        _entry(case, decision, candidate, champion, now),
        opponent=measured.version if measured else None,
    )
    ledger.append(ledger_path, entry)
    if decision.promote:
        set_alias(tracking, candidate, CHAMPION)
    return _written(out, entry)


def _measured_against(case: Case, opponent: ModelVersion | None) -> Mapping[str, Any] | None:
    """Return the perplexity report; a comparison with another champion is no evidence."""
    if case.perplexity is None or opponent is None or opponent.fingerprint == case.opponent:
        return case.perplexity
    return {**case.perplexity, "tuned_minus_champion": None}


def _entry(
    case: Case,
    decision: Decision,
    candidate: ModelVersion,
    champion: ModelVersion | None,
    now: datetime,
) -> ledger.Entry:
    held = None if champion is None else champion.version
    return ledger.Entry(
        decided_at=now.isoformat(timespec="seconds"),
        release=case.release,
        model_name=case.model_name,
        candidate_version=candidate.version,
        champion_before=held,
        champion_after=candidate.version if decision.promote else held,
        promoted=decision.promote,
        reasons=decision.reasons,
        failed=decision.failed,
        figures=_figures(case.perplexity or {}),
        run_ids=dict(case.run_ids),
    )


def _figures(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the evidence as the ledger keeps it; what was not measured is absent."""
    told = {name: report.get(name) for name in ("reduction_astro", "rise_general")}
    told |= Forgetting.of(report).figures
    return {name: value for name, value in told.items() if value is not None}


def _written(out: Path, entry: ledger.Entry) -> Built:
    """Keep the decision as a file of its own beside the ledger's line."""
    decision = asdict(entry)
    content = {k: v for k, v in decision.items() if k not in {"decided_at", "run_ids"}}
    with atomic.new_folder(out) as folder:
        text = json.dumps(decision, indent=1, sort_keys=True, allow_nan=False)
        (folder / "decision.json").write_text(text + "\n")
    return Built(
        fingerprint=fingerprint.of_value(json.loads(json.dumps(content))),
        path=out,
        counts={"rules_failed": len(entry.failed)},
        files=fingerprint.of_folder(out),
        facts={"decision": json.loads(json.dumps(decision))},
    )
