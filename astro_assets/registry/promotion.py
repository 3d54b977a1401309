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
class Evidence:
    """All figures the rule reads; None means that it was not measured."""

    blocking_failures: tuple[str, ...] | None
    """Names of blocking checks that failed; None: the checks are not known."""
    base_astro_nll: float | None
    """Nats per token, held-out astro, per document. Base and tuned share a tokenizer."""
    tuned_astro_nll: float | None
    base_general_perplexity: float | None
    tuned_general_perplexity: float | None
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
        base_general_perplexity=_of_document(ours, "base", "general", "perplexity"),
        tuned_general_perplexity=_of_document(ours, "tuned", "general", "perplexity"),
        knowledge_verdict=_at(knowledge, "verdict"),
        knowledge_difference=Interval.of(_at(knowledge, "difference"), "accuracy"),
        champion=champion,
        tuned_minus_champion=Interval.of(
            _at(ours, "tuned_minus_champion", "astro"), "nats_per_byte"
        ),
    )


def decide(
    evidence: Evidence, *, max_forgetting: float = 0.05, knowledge_margin: float = 0.05
) -> Decision:
    """Apply every rule; all must pass.

    Args:
        evidence: the figures.
        max_forgetting: rise of general perplexity over the base that is allowed (0.05 = 5 %).
        knowledge_margin: the margin the knowledge verdict was reached with, for the sentence.
    """
    outcomes = {
        "checks": _checks(evidence),
        "better than base": _better_than_base(evidence),
        "forgetting": _forgetting(evidence, max_forgetting),
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


def _forgetting(evidence: Evidence, allowed: float) -> tuple[bool, str]:
    base = _number(evidence.base_general_perplexity)
    tuned = _number(evidence.tuned_general_perplexity)
    if base is None or tuned is None or base <= 0 or tuned <= 0:
        return False, "held-out general perplexity was not measured for base and tuned."
    rise = tuned / base - 1
    figures = (
        f"held-out general perplexity {tuned:.2f}, base {base:.2f}: "
        f"{rise:+.1%}, allowed are {allowed:+.1%}"
    )
    return (True, f"{figures}.") if rise <= allowed else (False, f"{figures}: it has forgotten.")


def _knowledge(evidence: Evidence, margin: float) -> tuple[bool, str]:
    verdict = evidence.knowledge_verdict
    if verdict is None:
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
        return False, f"the champion ({evidence.champion}) was not measured beside the candidate."
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
