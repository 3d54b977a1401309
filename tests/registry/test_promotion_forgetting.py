"""The rule "forgetting": figures by hand, and a model that was really tuned until it forgot."""

import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.defs import judges
from astro_assets.evaluation.perplexity.report import build_perplexity_report
from astro_assets.models.handle import ModelHandle
from astro_assets.progress import NO_PROGRESS
from astro_assets.registry.promotion import (
    Forgetting,
    decide,
    evidence_from_reports,
    judge_forgetting,
)
from tests.evaluation.forgetting.planted import abstracts, tales, trained

KEPT = Forgetting(
    far_rise=0.02,
    has_far_abstracts=True,
    drift_nats_per_token=0.147,
    base_general_perplexity=50.0,
    tuned_general_perplexity=48.0,
)
BOUNDS = {"max_forgetting": 0.05, "max_drift": 0.25}
KNOWLEDGE = {"verdict": "not worse", "difference": {"accuracy": 0.0, "low": -0.01, "high": 0.01}}


def test_both_figures_are_told_with_their_bounds() -> None:
    passed, said = judge_forgetting(KEPT, **BOUNDS)
    assert passed
    for figure in ("far abstracts", "+2.0%", "+5.0%", "sampled from the base", "+0.147", "+0.250"):
        assert figure in said
    assert "forgotten" not in said and said.endswith(".")


@pytest.mark.parametrize(
    ("change", "figure"),
    [
        ({"far_rise": 0.051}, "+5.1%, allowed are +5.0%: it has forgotten"),
        ({"drift_nats_per_token": 0.251}, "+0.251, allowed are +0.250: it has forgotten"),
    ],
)
def test_each_of_the_two_alone_is_enough_to_fail(change: dict[str, float], figure: str) -> None:
    passed, said = judge_forgetting(replace(KEPT, **change), **BOUNDS)
    assert not passed and figure in said and said.count("it has forgotten") == 1


@pytest.mark.parametrize("nothing", [None, math.nan, math.inf])
@pytest.mark.parametrize("figure", ["far_rise", "drift_nats_per_token"])
def test_what_was_not_measured_counts_against(figure: str, nothing: float | None) -> None:
    found = replace(KEPT, **{figure: nothing})
    passed, said = judge_forgetting(found, **BOUNDS)
    assert not passed and "not measured" in said and "forgotten" not in said
    assert len(found.figures) == 1


def test_exactly_what_is_allowed_passes() -> None:
    edge = replace(KEPT, far_rise=0.25, drift_nats_per_token=0.5)
    assert judge_forgetting(edge, max_forgetting=0.25, max_drift=0.5)[0]
    assert not judge_forgetting(edge, max_forgetting=0.24, max_drift=0.5)[0]
    assert not judge_forgetting(edge, max_forgetting=0.25, max_drift=0.49)[0]


def test_general_abstracts_do_not_speak_where_there_are_far_ones() -> None:
    worse = replace(KEPT, tuned_general_perplexity=60.0)
    assert judge_forgetting(worse, **BOUNDS)[0]


def test_without_far_abstracts_general_ones_are_read_and_the_reason_says_so() -> None:
    none_far = replace(KEPT, far_rise=None, has_far_abstracts=False)
    passed, said = judge_forgetting(none_far, **BOUNDS)
    assert passed and "general abstracts (there are no far ones to read)" in said
    assert "-4.0%" in said
    assert none_far.figures == {
        "rise_general": pytest.approx(-0.04),
        "drift_nats_per_token": 0.147,
    }
    assert not judge_forgetting(replace(none_far, tuned_general_perplexity=53.0), **BOUNDS)[0]
    for nothing in (None, 0.0, math.nan):
        unmeasured = replace(none_far, base_general_perplexity=nothing)
        assert not judge_forgetting(unmeasured, **BOUNDS)[0]


def report(rings: dict[str, Any], **figures: float | None) -> dict[str, Any]:
    perplexity = {"base": 50.0, "tuned": 48.0}
    return {
        "models": {
            label: {"general": {"per_document": {"perplexity": value}}}
            for label, value in perplexity.items()
        },
        "forgetting": {"rings": rings, **figures},
    }


def test_no_far_abstract_is_not_the_same_as_one_that_was_not_measured() -> None:
    assert Forgetting.of(report({"far": {}}, rise_far=0.02, drift_nats_per_token=0.147)) == KEPT
    none = Forgetting.of(report({"near": {}}, rise_far=None, drift_nats_per_token=0.1))
    assert not none.has_far_abstracts and none.rise == pytest.approx(-0.04)
    broken = Forgetting.of(report({"far": {}}, rise_far=None, drift_nats_per_token=0.1))
    assert broken.has_far_abstracts and broken.rise is None
    for old in ({}, {"forgetting": None}, {"models": report({})["models"]}):
        found = Forgetting.of(old)
        assert found.has_far_abstracts and not judge_forgetting(found, **BOUNDS)[0]


def test_the_check_of_the_report_judges_like_the_promotion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judged(**figures: float | None) -> judges.Verdict:
        facts = {"report": report({"far": {}}, **figures)}
        manifest = Manifest(
            "perplexity_report", "2026-06", "k", "f", ".", {}, {}, facts, {}, {}, "1", ""
        )
        return judges.forgetting(manifest, Store(Home(tmp_path)))

    kept = judged(rise_far=0.02, drift_nats_per_token=0.147)
    assert (kept.passed, kept.said) == judge_forgetting(KEPT, **BOUNDS)
    assert kept.figures == KEPT.figures
    drifted = judged(rise_far=0.02, drift_nats_per_token=0.3)
    assert not drifted.passed and "it has forgotten" in drifted.said
    monkeypatch.setenv("ASTRO_MAX_DRIFT", "0.4")
    assert judged(rise_far=0.02, drift_nats_per_token=0.3).passed
    unmeasured = judged(rise_far=None, drift_nats_per_token=None)
    assert not unmeasured.passed and unmeasured.figures == {}


def table(field: str, texts: list[str], categories: str) -> pl.DataFrame:
    """Papers as ``read_texts`` gives them."""
    n = len(texts)
    return pl.DataFrame(
        {
            "id": [f"{field}-{i:03d}" for i in range(n)],
            "title": [f"On {field} {i}" for i in range(n)],
            "categories": [categories] * n,
            "primary_category": [categories] * n,
            "submission_month": ["2024-05"] * n,
            "comments": [""] * n,
            "text": texts,
        }
    )


@pytest.fixture(scope="module")
def planted(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The perplexity report of a base that knows tales and abstracts, tuned on abstracts alone."""
    folder = tmp_path_factory.mktemp("planted")
    read = abstracts("astro", 40, seed=0) + abstracts("far", 40, seed=0) + tales(240, seed=0)
    lessons = abstracts("astro", 200, seed=1)
    start = tiny_base
    for name, texts, steps, rate in (("base", read, 40, 1e-2), ("tuned", lessons, 50, 1e-3)):
        shutil.copytree(start, folder / name)
        trained(start, texts, steps=steps, learning_rate=rate).save_pretrained(folder / name)
        start = folder / name
    built = build_perplexity_report(
        {name: ModelHandle(name, folder / name, None, name, None) for name in ("base", "tuned")},
        texts={
            "astro": table("astro", abstracts("astro", 60, seed=9), "astro-ph.GA"),
            "general": table("far", abstracts("far", 60, seed=9), "cs.PL q-bio.GN"),
        },
        blocks={},
        max_tokens=20_000,
        out=folder / "report",
        progress=NO_PROGRESS,
    )
    return built.facts["report"]


def test_a_model_tuned_until_it_forgets_is_caught_although_it_reads_abstracts_better(
    planted: dict[str, Any],
) -> None:
    # What the abstracts say, of any field: all is well, for they share their register.
    assert planted["reduction_astro"] > 0.3
    assert planted["rise_general"] < 0 and planted["forgetting"]["rise_far"] < 0
    # What the base's own text says.
    own = planted["forgetting"]["rings"]["self_text"]["tuned_minus_base"]
    assert own["low"] > 0.25
    evidence = evidence_from_reports(planted, KNOWLEDGE, blocking_failures=(), champion=None)
    decision = decide(evidence)
    assert not decision.promote and decision.failed == ("forgetting",)
    (said,) = [reason for reason in decision.reasons if reason.startswith("failed")]
    assert f"{own['nats_per_token']:+.3f}, allowed are +0.250: it has forgotten" in said


def test_abstracts_alone_would_have_promoted_it(planted: dict[str, Any]) -> None:
    evidence = evidence_from_reports(planted, KNOWLEDGE, blocking_failures=(), champion=None)
    assert decide(evidence, max_drift=math.inf).promote
