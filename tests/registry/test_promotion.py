import math
from dataclasses import replace

import pytest

from astro_assets.registry.promotion import (
    Evidence,
    Forgetting,
    Interval,
    decide,
    evidence_from_reports,
)

KEPT = Forgetting(
    far_rise=0.02,
    has_far_abstracts=True,
    drift_nats_per_token=0.147,
    base_general_perplexity=50.0,
    tuned_general_perplexity=48.0,
)
GOOD = Evidence(
    blocking_failures=(),
    base_astro_nll=4.00,
    tuned_astro_nll=3.80,
    forgetting=KEPT,
    knowledge_verdict="not worse",
    knowledge_difference=Interval(0.01, -0.03, 0.05),
    champion="version 7",
    tuned_minus_champion=Interval(-0.010, -0.012, -0.008),
)


def test_a_better_candidate_is_promoted_and_every_rule_is_told() -> None:
    decision = decide(GOOD)
    assert decision.promote
    assert decision.failed == ()
    assert len(decision.reasons) == 5
    assert all(reason.startswith("passed: ") for reason in decision.reasons)
    text = " ".join(decision.reasons)
    for figure in ("3.8000", "4.0000", "+2.0%", "+5.0%", "+0.147", "+0.250", "+0.0100"):
        assert figure in text
    assert "version 7" in text and "-0.0080" in text


@pytest.mark.parametrize(
    ("change", "rule", "figure"),
    [
        ({"blocking_failures": ("unique_ids",)}, "checks", "unique_ids"),
        ({"tuned_astro_nll": 4.10}, "better than base", "4.1000"),
        ({"tuned_astro_nll": 4.00}, "better than base", "not below"),
        ({"forgetting": replace(KEPT, far_rise=0.052)}, "forgetting", "+5.2%"),
        ({"forgetting": replace(KEPT, drift_nats_per_token=0.26)}, "forgetting", "+0.260"),
        ({"knowledge_verdict": "worse"}, "knowledge", "worse by more than 5%"),
        ({"tuned_minus_champion": Interval(0.01, 0.0, 0.02)}, "better than champion", "+0.0100"),
        (
            {"tuned_minus_champion": Interval(-0.01, -0.02, 0.0)},
            "better than champion",
            "below zero",
        ),
    ],
)
def test_each_rule_alone_stops_a_promotion(change: dict, rule: str, figure: str) -> None:
    decision = decide(replace(GOOD, **change))
    assert not decision.promote
    assert decision.failed == (rule,)
    (said,) = [reason for reason in decision.reasons if reason.startswith("failed: ")]
    assert figure in said


@pytest.mark.parametrize("nothing", [None, math.nan, math.inf])
@pytest.mark.parametrize("field", ["base_astro_nll", "tuned_astro_nll"])
def test_a_perplexity_that_is_missing_never_promotes(field: str, nothing: float | None) -> None:
    assert decide(replace(GOOD, **{field: nothing})).failed == ("better than base",)


def test_checks_and_verdicts_that_are_missing_or_unheard_of_never_promote() -> None:
    assert decide(replace(GOOD, blocking_failures=None)).failed == ("checks",)
    for verdict in (None, "", "better", "not  worse"):
        assert decide(replace(GOOD, knowledge_verdict=verdict)).failed == ("knowledge",)
    for verdict in ("undecided", "not measurable"):
        assert decide(replace(GOOD, knowledge_verdict=verdict)).promote


@pytest.mark.parametrize(
    "difference",
    [
        Interval(None, None, None),
        Interval(-0.01, None, -0.005),
        Interval(-0.01, -0.005, -0.02),  # low above high: no interval
    ],
)
def test_a_champion_that_was_not_measured_is_not_replaced(difference: Interval) -> None:
    decision = decide(replace(GOOD, tuned_minus_champion=difference))
    assert decision.failed == ("better than champion",)


def test_the_first_candidate_has_nobody_to_beat() -> None:
    unmeasured = replace(GOOD, tuned_minus_champion=Interval(None, None, None))
    assert decide(replace(unmeasured, champion=None)).promote


def summary(nll: float) -> dict:
    figures = {"nll_nats_per_token": nll, "perplexity": math.exp(nll), "nats_per_byte": nll / 4}
    return {"per_document": figures, "packed_blocks": None}


REPORT = {
    "models": {
        "base": {"astro": summary(4.0), "general": summary(3.0)},
        "tuned": {"astro": summary(3.5), "general": summary(3.2)},
        "champion": {"astro": summary(3.6), "general": summary(3.0)},
    },
    "forgetting": {
        "rings": {"far": {"n_documents": 300}, "self_text": {"n_documents": 128}},
        "rise_far": 0.03,
        "drift_nats_per_token": 0.1,
    },
    "tuned_minus_champion": {
        "astro": {"nats_per_byte": -0.02, "low": -0.03, "high": -0.01, "n_documents": 900},
        "general": {"nats_per_byte": 0.0, "low": -0.01, "high": 0.01, "n_documents": 900},
    },
}
KNOWLEDGE = {"verdict": "undecided", "difference": {"accuracy": 0.0, "low": -0.1, "high": 0.1}}


def test_evidence_is_read_out_of_the_reports() -> None:
    evidence = evidence_from_reports(REPORT, KNOWLEDGE, blocking_failures=[], champion="version 3")
    assert evidence == Evidence(
        blocking_failures=(),
        base_astro_nll=4.0,
        tuned_astro_nll=3.5,
        forgetting=Forgetting(
            far_rise=0.03,
            has_far_abstracts=True,
            drift_nats_per_token=0.1,
            base_general_perplexity=math.exp(3.0),
            tuned_general_perplexity=math.exp(3.2),
        ),
        knowledge_verdict="undecided",
        knowledge_difference=Interval(0.0, -0.1, 0.1),
        champion="version 3",
        tuned_minus_champion=Interval(-0.02, -0.03, -0.01),
    )
    assert decide(evidence).promote


def test_reports_that_are_absent_or_empty_promote_nothing() -> None:
    for perplexity, knowledge in (
        (None, None),
        ({}, {}),
        ({"models": None}, {"difference": 3}),
        ({"forgetting": {"rings": 3}}, {"verdict": None, "difference": None}),
        ({"forgetting": None}, {"verdict": ["not worse"], "difference": None}),
    ):
        evidence = evidence_from_reports(
            perplexity, knowledge, blocking_failures=(), champion="version 3"
        )
        failed = {"better than base", "forgetting", "knowledge", "better than champion"}
        assert set(decide(evidence).failed) == failed
