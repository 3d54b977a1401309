"""The promotion rule: figures in, a decision with all its reasons out; pure.

Perplexity alone must never promote a model: AstroLLaMA-2 fell by a third in perplexity and answered
astronomy questions worse than its base (arXiv:2409.19750). So a candidate must be better *and* must
not have forgotten, and what was not measured counts against it. What does not belong here: moving
aliases (``versions``) and remembering decisions (``ledger``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ACCEPTED_KNOWLEDGE = ("not worse", "undecided", "not measurable")
"""Verdicts that do not show the candidate to be worse than its base."""


@dataclass(frozen=True)
class Interval:
    """A paired difference with its 95 % interval."""

    value: float | None
    low: float | None
    high: float | None

    @classmethod
    def of(cls, report: Mapping[str, Any] | None, key: str) -> Interval:
        """Read ``{key, low, high}``; anything absent or no finite number becomes None."""
        value, low, high = (_number(_at(report, name)) for name in (key, "low", "high"))
        return cls(value, low, high)

    @property
    def is_whole(self) -> bool:
        """Whether all three numbers are there, in order."""
        if self.value is None or self.low is None or self.high is None:
            return False
        return self.low <= self.value <= self.high

    def __str__(self) -> str:
        if not self.is_whole:
            return "not measured"
        return f"{self.value:+.4f} (95 %: {self.low:+.4f} to {self.high:+.4f})"


@dataclass(frozen=True)
class Forgetting:
    """What training cost elsewhere; None means that it was not measured."""

    far_rise: float | None
    """Share by which perplexity on far abstracts lies above the base's."""
    has_far_abstracts: bool
    """Whether the release holds any; where it does not, all general abstracts are read instead."""
    drift_nats_per_token: float | None
    """By how much less likely text sampled from the base became: about KL(base || tuned)."""
    base_general_perplexity: float | None
    """Held-out general abstracts, per document. Base and tuned share a tokenizer."""
    tuned_general_perplexity: float | None

    @classmethod
    def of(cls, perplexity: Mapping[str, Any]) -> Forgetting:
        """Read it out of the perplexity report."""
        rings = _at(perplexity, "forgetting", "rings")
        return cls(
            far_rise=_number(_at(perplexity, "forgetting", "rise_far")),
            has_far_abstracts=not isinstance(rings, Mapping) or "far" in rings,
            drift_nats_per_token=_number(_at(perplexity, "forgetting", "drift_nats_per_token")),
            base_general_perplexity=_of_document(perplexity, "base", "general", "perplexity"),
            tuned_general_perplexity=_of_document(perplexity, "tuned", "general", "perplexity"),
        )

    @property
    def rise(self) -> float | None:
        """Rise of perplexity as a share: of far abstracts, or of general ones without any."""
        if self.has_far_abstracts:
            return _number(self.far_rise)
        base, tuned = map(_number, (self.base_general_perplexity, self.tuned_general_perplexity))
        if base is None or tuned is None or base <= 0 or tuned <= 0:
            return None
        return tuned / base - 1

    @property
    def figures(self) -> dict[str, float]:
        """What the rule reads, as plain numbers; those that were not measured are absent."""
        name = "rise_far" if self.has_far_abstracts else "rise_general"
        read = {name: self.rise, "drift_nats_per_token": _number(self.drift_nats_per_token)}
        return {name: value for name, value in read.items() if value is not None}


@dataclass(frozen=True)
class Evidence:
    """All figures the rule reads; None means that it was not measured."""

    blocking_failures: tuple[str, ...] | None
    """Names of blocking checks that failed; None: the checks are not known."""
    base_astro_nll: float | None
    """Nats per token, held-out astro, per document. Base and tuned share a tokenizer."""
    tuned_astro_nll: float | None
    forgetting: Forgetting
    knowledge_verdict: str | None
    knowledge_difference: Interval
    """Tuned minus base, share of right answers."""
    champion: str | None
    """Whom the candidate has to beat, as "version 7"; None: nobody."""
    tuned_minus_champion: Interval
    """Nats per byte on this release's astro test side; bytes, for tokenizers may differ."""


@dataclass(frozen=True)
class Decision:
    """Whether to promote, and every rule with its figures."""

    promote: bool
    reasons: tuple[str, ...]
    """One sentence per rule, "passed: …" or "failed: …"."""
    failed: tuple[str, ...]
    """The names of the rules that failed."""


def evidence_from_reports(
    perplexity: Mapping[str, Any] | None,
    knowledge: Mapping[str, Any] | None,
    *,
    blocking_failures: Sequence[str] | None,
    champion: str | None,
) -> Evidence:
    """Take the figures out of the perplexity and knowledge reports; absent ones become None."""
    ours = perplexity or {}
    return Evidence(
        blocking_failures=None if blocking_failures is None else tuple(blocking_failures),
        base_astro_nll=_of_document(ours, "base", "astro", "nll_nats_per_token"),
        tuned_astro_nll=_of_document(ours, "tuned", "astro", "nll_nats_per_token"),
        forgetting=Forgetting.of(ours),
        knowledge_verdict=_at(knowledge, "verdict"),
        knowledge_difference=Interval.of(_at(knowledge, "difference"), "accuracy"),
        champion=champion,
        tuned_minus_champion=Interval.of(
            _at(ours, "tuned_minus_champion", "astro"), "nats_per_byte"
        ),
    )


def decide(
    evidence: Evidence,
    *,
    max_forgetting: float = 0.05,
    knowledge_margin: float = 0.05,
    max_drift: float = 0.25,
) -> Decision:
    """Apply every rule; all must pass.

    Args:
        evidence: the figures.
        max_forgetting: rise of perplexity over the base on far abstracts that is allowed
            (0.05 = 5 %).
        knowledge_margin: the margin the knowledge verdict was reached with, for the sentence.
        max_drift: nats per token that text sampled from the base may become less likely.
    """
    outcomes = {
        "checks": _checks(evidence),
        "better than base": _better_than_base(evidence),
        "forgetting": judge_forgetting(
            evidence.forgetting, max_forgetting=max_forgetting, max_drift=max_drift
        ),
        "knowledge": _knowledge(evidence, knowledge_margin),
        "better than champion": _better_than_champion(evidence),
    }
    return Decision(
        promote=all(passed for passed, _ in outcomes.values()),
        reasons=tuple(
            f"{'passed' if passed else 'failed'}: {why}" for passed, why in outcomes.values()
        ),
        failed=tuple(name for name, (passed, _) in outcomes.items() if not passed),
    )


def _checks(evidence: Evidence) -> tuple[bool, str]:
    failures = evidence.blocking_failures
    if failures is None:
        return False, "it is not known whether the blocking checks passed."
    if failures:
        return False, f"blocking checks failed: {', '.join(failures)}."
    return True, "no blocking check failed."


def _better_than_base(evidence: Evidence) -> tuple[bool, str]:
    base, tuned = _number(evidence.base_astro_nll), _number(evidence.tuned_astro_nll)
    if base is None or tuned is None:
        return False, "held-out astro perplexity was not measured for base and tuned."
    figures = f"held-out astro nll {tuned:.4f} nats per token, base {base:.4f}"
    return (True, f"{figures}.") if tuned < base else (False, f"{figures}: not below the base.")


def judge_forgetting(
    found: Forgetting, *, max_forgetting: float, max_drift: float
) -> tuple[bool, str]:
    """Return whether a model kept what its base could do, and the sentence that says why.

    Two measures, for abstracts of another field are written like astronomy's: a model that learned
    the register reads them better, whatever else it lost, and text sampled from the base shows it.
    Both must be measured, and both must pass.
    """
    drift = _number(found.drift_nats_per_token)
    outcomes = (
        _bounded(found.rise, max_forgetting, _rise_words(found), form="+.1%"),
        _bounded(drift, max_drift, "nats per token on text sampled from the base", form="+.3f"),
    )
    return all(passed for passed, _ in outcomes), "; ".join(said for _, said in outcomes) + "."


def _rise_words(found: Forgetting) -> str:
    if found.has_far_abstracts:
        return "rise of perplexity on far abstracts"
    return "rise of perplexity on general abstracts (there are no far ones to read)"


def _bounded(found: float | None, allowed: float, what: str, *, form: str) -> tuple[bool, str]:
    """Compare a figure of forgetting with its bound."""
    if found is None:
        return False, f"{what}, tuned against base: not measured"
    said = f"{what}, tuned against base: {found:{form}}, allowed are {allowed:{form}}"
    return (True, said) if found <= allowed else (False, f"{said}: it has forgotten")


def _knowledge(evidence: Evidence, margin: float) -> tuple[bool, str]:
    verdict = evidence.knowledge_verdict
    if not isinstance(verdict, str):
        return False, "knowledge was not measured."
    figures = f"accuracy on questions, tuned minus base: {evidence.knowledge_difference}"
    if verdict == "worse":
        return False, f"{figures}: shown to be worse by more than {margin:.0%}."
    if verdict not in ACCEPTED_KNOWLEDGE:
        return False, f"the knowledge verdict {verdict[:40]!r} is none that is known."
    return True, f"{figures}: not shown to be worse by more than {margin:.0%} ({verdict})."


def _better_than_champion(evidence: Evidence) -> tuple[bool, str]:
    if evidence.champion is None:
        return True, "there is no champion to beat yet."
    difference = evidence.tuned_minus_champion
    if not difference.is_whole or difference.high is None:
        beside = "was not measured beside the candidate on enough papers"
        return False, f"the champion ({evidence.champion}) {beside}."
    figures = f"against the champion ({evidence.champion}), nats per byte: {difference}"
    if difference.high < 0:
        return True, f"{figures}."
    return False, f"{figures}: the interval does not lie below zero."


def _number(value: object) -> float | None:
    """Return a finite number, or None for everything else (bool included)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _at(report: Mapping[str, Any] | None, *path: str) -> Any:
    """Walk down a report; None where a step is missing."""
    found: Any = report
    for step in path:
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _of_document(report: Mapping[str, Any], model: str, text: str, name: str) -> float | None:
    return _number(_at(report, "models", model, text, "per_document", name))
