"""Whom a candidate must beat, and what is written when it does or does not."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from astro_assets.registry import champion, ledger
from astro_assets.registry.champion import Case, Rules, settle
from astro_assets.registry.versions import ModelVersion

NOW = datetime(2026, 7, 2, tzinfo=UTC)
RULES = Rules(max_forgetting=0.05, knowledge_margin=0.05, max_drift=0.25)


class Registry:
    """A registry of two versions in memory, in the place of MLflow's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, holder: int | None = None) -> None:
        self.holder = holder
        self.deleted: set[int] = set()
        monkeypatch.setattr(champion, "version_at", lambda *_: self.version(self.holder))
        monkeypatch.setattr(
            champion,
            "versions_of",
            lambda *_: [self.version(n) for n in (1, 2) if n not in self.deleted],
        )
        monkeypatch.setattr(
            champion,
            "registered_version",
            lambda _t, _n, adapter: self.version(int(adapter.removeprefix("adapter-"))),
        )
        monkeypatch.setattr(champion, "set_alias", self.promote)

    def version(self, number: int | None) -> ModelVersion | None:
        if number is None:
            return None
        tags = {"adapter_fingerprint": f"adapter-{number}"}
        return ModelVersion("astrollama", number, (), tags, None, "", 0)

    def promote(self, _tracking: Any, version: ModelVersion, alias: str) -> ModelVersion:
        assert alias == "champion"
        self.holder = version.version
        return version


def scores(perplexity: float) -> dict[str, Any]:
    from math import log

    return {"per_document": {"perplexity": perplexity, "nll_nats_per_token": log(perplexity)}}


def forgetting(rise_far: float = 0.01, drift: float = 0.1) -> dict[str, Any]:
    return {"rings": {"far": {}}, "rise_far": rise_far, "drift_nats_per_token": drift}


def report(**against: Any) -> dict[str, Any]:
    models = {
        "base": {"astro": scores(20), "general": scores(30)},
        "tuned": {"astro": scores(15), "general": scores(30)},
    }
    return {
        "models": models,
        "reduction_astro": 0.25,
        "rise_general": 0.0,
        "forgetting": forgetting(),
        "tuned_minus_champion": None,
        **against,
    }


def case(number: int, perplexity: dict[str, Any], opponent: str | None = None) -> Case:
    knowledge = {
        "verdict": "not worse",
        "difference": {"accuracy": 0.0, "low": -0.01, "high": 0.01},
    }
    return Case(
        "2026-06", "astrollama", f"adapter-{number}", perplexity, opponent, knowledge, (), {}
    )


def decide(tmp_path: Path, of: Case, rules: Rules = RULES):
    built = settle(
        None, of, rules, ledger_path=tmp_path / "ledger.jsonl", out=tmp_path / "out", now=NOW
    )
    return built.facts["decision"]


BETTER = {"astro": {"nats_per_byte": -0.1, "low": -0.12, "high": -0.08, "n_documents": 9}}


def test_the_first_good_candidate_becomes_champion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    registry = Registry(monkeypatch)
    assert decide(tmp_path, case(1, report()))["promoted"]
    assert registry.holder == 1
    (entry,) = ledger.entries(tmp_path / "ledger.jsonl")
    assert (entry.champion_before, entry.champion_after) == (None, 1)


def test_a_candidate_must_beat_the_champion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    registry = Registry(monkeypatch, holder=1)
    against = report(tuned_minus_champion=BETTER)
    assert decide(tmp_path, case(2, against, opponent="adapter-1"))["promoted"]
    assert registry.holder == 2


def test_a_comparison_with_somebody_else_does_not_promote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    registry = Registry(monkeypatch, holder=1)
    against = report(tuned_minus_champion=BETTER)
    assert not decide(tmp_path, case(2, against, opponent="adapter-7"))["promoted"]
    assert not decide(tmp_path, case(2, report(), opponent=None))["promoted"]
    assert registry.holder == 1


def test_deciding_again_after_the_promotion_names_the_same_opponent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    registry = Registry(monkeypatch, holder=1)
    against = case(2, report(tuned_minus_champion=BETTER), opponent="adapter-1")
    first = decide(tmp_path, against)
    again = decide(tmp_path, against)
    assert first["promoted"] and again["promoted"] and registry.holder == 2
    assert first["opponent"] == again["opponent"] == 1


def test_deciding_again_when_the_predecessor_was_deleted_keeps_the_champion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    registry = Registry(monkeypatch, holder=1)
    decide(tmp_path, case(2, report(tuned_minus_champion=BETTER), opponent="adapter-1"))
    registry.deleted = {1}
    again = decide(tmp_path, case(2, report(), opponent=None))
    assert again["promoted"] and registry.holder == 2


def test_a_run_killed_before_the_alias_moved_decides_the_same_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    registry = Registry(monkeypatch, holder=1)
    against = case(2, report(tuned_minus_champion=BETTER), opponent="adapter-1")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(champion, "set_alias", killed)
    with pytest.raises(KeyboardInterrupt):
        decide(tmp_path, against)
    monkeypatch.setattr(champion, "set_alias", registry.promote)
    assert decide(tmp_path, against)["promoted"] and registry.holder == 2
    entries = ledger.entries(tmp_path / "ledger.jsonl")
    assert [(e.champion_before, e.champion_after, e.opponent) for e in entries] == [(1, 2, 1)] * 2


def test_a_candidate_refused_before_there_was_a_champion_stays_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    registry = Registry(monkeypatch)
    forgetful = report(forgetting=forgetting(rise_far=0.2))
    assert not decide(tmp_path, case(1, forgetful))["promoted"]
    registry.holder = 2
    for _ in range(2):  # its report still measures nobody, whatever the bounds are by now
        decision = decide(tmp_path, case(1, report()))
        assert not decision["promoted"] and decision["opponent"] is None
    assert registry.holder == 2


def test_a_lost_alias_is_given_back_only_to_the_last_champion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    registry = Registry(monkeypatch)
    decide(tmp_path, case(1, report()))
    decide(tmp_path, case(2, report(tuned_minus_champion=BETTER), opponent="adapter-1"))
    path = tmp_path / "ledger.jsonl"
    assert not champion.lost_champion(None, case(2, report()), path)
    registry.holder = None
    assert champion.lost_champion(None, case(2, report()), path)
    assert not champion.lost_champion(None, case(1, report()), path)


def test_the_ledger_keeps_the_figures_the_rule_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    Registry(monkeypatch)
    decide(tmp_path, case(1, report()))
    drifted = report(
        rise_general=None, forgetting=forgetting(drift=0.3), tuned_minus_champion=BETTER
    )
    assert decide(tmp_path, case(2, drifted, opponent="adapter-1"))["failed"] == ["forgetting"]
    first, second = ledger.entries(tmp_path / "ledger.jsonl")
    assert first.figures == {
        "reduction_astro": 0.25,
        "rise_general": 0.0,
        "rise_far": 0.01,
        "drift_nats_per_token": 0.1,
    }
    assert second.figures == {
        "reduction_astro": 0.25,
        "rise_far": 0.01,
        "drift_nats_per_token": 0.3,
    }


def test_the_bounds_a_person_sets_are_those_that_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    Registry(monkeypatch)
    moved = case(1, report(forgetting=forgetting(rise_far=0.07, drift=0.3)))
    assert not decide(tmp_path, moved)["promoted"]
    lenient = Rules(max_forgetting=0.08, knowledge_margin=0.05, max_drift=0.4)
    assert decide(tmp_path, moved, lenient)["promoted"]


def test_a_missing_report_never_promotes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    registry = Registry(monkeypatch)
    missing = Case("2026-06", "astrollama", "adapter-1", None, None, None, (), {})
    decision = decide(tmp_path, missing)
    assert not decision["promoted"] and len(decision["failed"]) >= 3
    assert registry.holder is None
