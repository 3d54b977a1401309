"""Half a year of growth: retraining is asked for where it should be, and only there.

================  ==========================================  =====================================
month             what it brings                              what has to come of it
================  ==========================================  =====================================
2025-12           the snapshot                                trained by hand: champion
2026-01           a paper: less than 1 %                      nothing
2026-02           five more: 1 % and more since December      asked for, trained, champion
2026-03           no astronomy                                nothing
2026-04           forty papers                                asked for, trained, refused
2026-05           one more                                    asked for by the same champion; fails
2026-06           seventy are withdrawn; four months passed   asked for by time
================  ==========================================  =====================================
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from astro_assets.defs.runs import WHY
from astro_assets.months import Month
from astro_assets.registry.report_artifacts import REPORTS
from tests.e2e.half_year import PLANS, HalfYear, Said, half_year_in

pytestmark = pytest.mark.slow

LABELS = ["base", "tuned", "champion"]
JANUARY, FEBRUARY, MARCH, APRIL, MAY, JUNE = PLANS


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory, pretrained_base: Path) -> Iterator[HalfYear]:
    with half_year_in(tmp_path_factory.mktemp("half-year") / "it", pretrained_base) as half_year:
        half_year.live()
        yield half_year


@pytest.fixture
def diary(lived: HalfYear) -> dict[Month, Said]:
    return lived.diary


def why(said: Said) -> str:
    (request,) = said.asked
    return request.tags[WHY]


def test_each_month_that_should_is_asked_for_once_and_no_other(diary: dict[Month, Said]):
    asked = [request.partition_key for said in diary.values() for request in said.asked]
    assert asked == ["2026-02", "2026-04", "2026-05", "2026-06"]


def test_little_growth_is_told_and_adds_up_until_it_is_enough(diary: dict[Month, Said]):
    assert all("Nothing to do: release 2026-01" in said for said in diary[JANUARY].after)
    assert " % more than" in diary[JANUARY].after[0]
    assert "(version 1) was trained on; 1 month lies between them" in diary[JANUARY].after[0]
    assert why(diary[FEBRUARY]).startswith("Grown enough: release 2026-02")
    assert "of release 2025-12 that the champion (version 1)" in why(diary[FEBRUARY])


def test_what_was_asked_for_is_trained_judged_and_promoted(diary: dict[Month, Said]):
    february = diary[FEBRUARY]
    assert february.succeeded and february.champion == "2026-02"
    assert {"lora_checkpoint", "champion_model", "release_report"} <= february.made
    assert not {"astro_ph_papers", "token_blocks", "base_model"} & february.made
    assert all("as many as" in said for said in february.after[1:])


def test_a_month_without_astronomy_is_as_the_one_before(diary: dict[Month, Said]):
    assert len(diary[MARCH].after) == 4
    assert all(
        "release 2026-03 has" in said and "as many as" in said for said in diary[MARCH].after
    )


def test_a_refused_candidate_is_not_trained_again(lived: HalfYear):
    april = lived.diary[APRIL]
    assert april.succeeded and april.champion == "2026-02"
    decision = lived.world.store.require("champion_model", "2026-04").facts["decision"]
    assert not decision["promoted"]
    assert len(april.after[1:]) == 3
    for said in april.after[1:]:
        assert said.startswith("Not asking for 2026-04 again: run")
        assert "has ended; champion_model of 2026-04 says what came of it" in said


def test_the_next_release_is_judged_by_the_same_champion(diary: dict[Month, Said]):
    assert "of release 2026-02 that the champion (version 2)" in why(diary[APRIL])
    assert "of release 2026-02 that the champion (version 2)" in why(diary[MAY])


def test_what_failed_is_left_to_a_person(lived: HalfYear):
    may = lived.diary[MAY]
    assert may.succeeded is False and "lora_checkpoint" not in may.made
    assert lived.world.store.current("lora_checkpoint", "2026-05") is None
    for said in may.after[1:]:
        assert "asked for before and failed. That is a person's to look at" in said
        assert "launch the job retrain for 2026-05" in said


def test_months_pass_also_where_papers_were_withdrawn(diary: dict[Month, Said]):
    assert why(diary[JUNE]).startswith("Long enough ago: release 2026-06 has")
    assert " % fewer than" in why(diary[JUNE]) and "4 months lie" in why(diary[JUNE])
    assert diary[JUNE].succeeded


def test_before_a_refresh_the_month_before_is_looked_at(diary: dict[Month, Said]):
    assert "release 2025-12 has" in diary[JANUARY].before
    assert "2026-04 again" in diary[MAY].before


def test_it_waits_while_a_refresh_is_at_work(diary: dict[Month, Said]):
    for month, said in diary.items():
        assert said.meanwhile.startswith(f"Waiting for what is under way: {month} (refresh, run ")


def test_the_growth_it_tells_is_that_of_the_blocks(lived: HalfYear):
    store = lived.world.store
    for release, champion in (("2026-02", "2025-12"), ("2026-04", "2026-02")):
        n_tokens, before = (
            store.require("token_blocks", month).counts["astro_train_tokens"]
            for month in (release, champion)
        )
        told = why(lived.diary[Month.parse(release)])
        assert f"{n_tokens:,} astro training tokens, {n_tokens / before - 1:.2%}"[:-1] in told
        assert f"the {before:,} of" in told


def test_every_report_has_the_champion_of_then_beside_base_and_tuned(lived: HalfYear):
    """Release 2025-12 had none to stand beside; 2026-02 was judged against it."""
    store = lived.world.store
    for release, labels in (("2025-12", LABELS[:2]), ("2026-02", LABELS)):
        reports = {name: store.require(name, release).facts["report"] for name in REPORTS}
        told = {name: report["models"] for name, report in reports.items()}
        assert told["embedding_report"] == told["completion_report"] == labels
        assert set(told["knowledge_report"]) == set(labels)
        measured = {name for name, own in told["perplexity_report"].items() if own is not None}
        assert measured == set(labels)
    champion = store.require("lora_checkpoint", "2025-12").fingerprint
    for name in ("perplexity_report", "embeddings", "completion_report", "knowledge_report"):
        assert store.require(name, "2025-12").parameters["champion"] is None
        assert store.require(name, "2026-02").parameters["champion"] == champion
