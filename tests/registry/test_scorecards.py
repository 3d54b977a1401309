"""Reports gathered: who stands in which table, with which figures."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Built, Store, Work
from astro_assets.evaluation.pages.leaderboard import Scorecard
from astro_assets.registry.scorecards import leaderboard, next_turn, write_leaderboard
from tests.registry.evaluations import (
    BASE,
    CHAMPION,
    PAPERS,
    TUNED,
    completions,
    keep,
    knowledge,
    measured,
    perplexity,
    released,
    scores,
    similarity,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(Home(tmp_path))


def cards(store: Store) -> dict[str, Scorecard]:
    (group,) = leaderboard(store)
    return {card.role: card for card in group.cards}


def test_a_release_s_models_stand_with_all_their_figures(store: Store) -> None:
    report = perplexity(base=scores(2.0), tuned=scores(1.5), champion=scores(1.6))
    released(
        store,
        report,
        embedding_report=similarity(base=0.2, tuned=0.3, bm25=0.9),
        completion_report=completions(base=0.4, tuned=0.1, truth=0.0),
        knowledge_report=knowledge(base=0.3, tuned=0.4),
    )
    found = cards(store)
    assert found["tuned"] == Scorecard(
        "astrollama 4", "tuned", TUNED, base="scratch", n_parameters=1_000, bits_per_byte=1.5,
        bits_per_byte_low=1.4, bits_per_byte_high=1.6, general_bits_per_byte=2.5,
        far_bits_per_byte=3.0, rise_far=0.02, drift_nats_per_token=0.1, retrieval_mrr=0.3,
        n_retrieval=9, accuracy=0.4, question_method="full_answer", chance=0.25, n_questions=60,
        repeated_4grams=0.1, loops=0.5,
    )  # fmt: skip
    base = found["base"]
    assert (base.name, base.digest, base.base, base.rise_far) == ("scratch", BASE, None, None)
    assert (base.retrieval_mrr, base.accuracy, base.repeated_4grams) == (0.2, 0.3, 0.4)
    champion = found["champion"]
    assert (champion.name, champion.digest, champion.bits_per_byte) == ("champion", CHAMPION, 1.6)
    assert champion.accuracy is None and champion.n_parameters is None
    assert champion.rise_far is champion.drift_nats_per_token is None, "it was not compared"


def with_champion() -> dict[str, Any]:
    """A report in which the champion stands beside the base in the rings that promotion reads."""
    report = perplexity(base=scores(2.0), tuned=scores(1.5), champion=scores(1.6))
    rings = report["forgetting"]["rings"]
    rings["far"]["champion_minus_base"] = {"rise": 0.03, "nats_per_token": 0.0296}
    rings["self_text"] = {"champion_minus_base": {"rise": 0.22, "nats_per_token": 0.2}}
    return report


def test_what_a_champion_forgot_stands_in_its_row(store: Store) -> None:
    released(store, with_champion())
    measured(store, "m", "perplexity", perplexity(model=scores(1.0)))
    (group,) = leaderboard(store)
    told = {card.role: (card.rise_far, card.drift_nats_per_token) for card in group.cards}
    assert told == {
        "base": (None, None), "tuned": (0.02, 0.1), "champion": (0.03, 0.2),
        "evaluated": (None, None),
    }  # fmt: skip


def test_a_champion_that_cannot_read_the_base_s_tokens_has_no_drift(store: Store) -> None:
    report = with_champion()
    report["forgetting"]["rings"]["self_text"]["champion_minus_base"] = None
    released(store, report)
    champion = cards(store)["champion"]
    assert (champion.rise_far, champion.drift_nats_per_token) == (0.03, None)


@pytest.mark.parametrize(("base", "rise"), [(BASE, 0.03), ("o" * 64, None)])
def test_a_champion_of_another_base_is_not_said_to_have_forgotten(
    store: Store, base: str, rise: float | None
) -> None:
    keep(store, "base_model", "o" * 64, facts={"name": "other", "revision": None})
    released(store, with_champion())
    recipe = {"name": "smoke", "method": "lora", "quantisation": None}
    work = Work("lora_checkpoint", "2026-05", {"recipe": recipe}, {"base_model": base})
    folder = store.home.root / "champion"
    folder.mkdir()
    store.commit(work, Built(CHAMPION, folder))
    champion = cards(store)["champion"]
    assert champion.base == ("scratch" if base == BASE else "other")
    assert (champion.rise_far, champion.drift_nats_per_token is None) == (rise, rise is None)


def test_a_report_on_another_checkpoint_is_not_this_model_s(store: Store) -> None:
    released(store, perplexity(base=scores(2.0), tuned=scores(1.5), champion=None))
    keep(
        store, "knowledge_report", "9" * 64, parents={"lora_checkpoint": "x", "base_model": BASE},
        facts={"report": knowledge(base=0.3, tuned=0.4)},
    )  # fmt: skip
    assert {card.accuracy for card in cards(store).values()} == {None}


def test_a_report_beside_another_champion_is_not_this_champion_s(store: Store) -> None:
    """One report was made again, after the champion had changed."""
    released(store, with_champion())
    told = knowledge(base=0.3, tuned=0.4, champion=0.9)
    parents = {"base_model": BASE, "lora_checkpoint": TUNED}
    for content, champion, expected in (("8", CHAMPION, 0.9), ("9", "d" * 64, None)):
        keep(
            store, "knowledge_report", content * 64, parents=parents, facts={"report": told},
            parameters={"champion": champion},
        )  # fmt: skip
        found = cards(store)
        assert (found["champion"].accuracy, found["tuned"].accuracy) == (expected, 0.4)


def test_reports_of_older_code_are_shown_as_far_as_they_go(store: Store) -> None:
    old = {"models": {"base": scores(2.0), "tuned": scores(1.5), "champion": None}}
    del old["models"]["base"]["astro"]["per_document"]["interval"]
    released(store, old, embedding_report={"retrieval": {"base": {"mrr": 0.9}}})
    found = cards(store)
    assert found["base"].bits_per_byte == 2.0 and found["base"].bits_per_byte_low is None
    assert found["tuned"].far_bits_per_byte is None and found["tuned"].retrieval_mrr is None


def test_models_measured_by_themselves_join_those_that_read_the_same(store: Store) -> None:
    released(store, perplexity(base=scores(2.0), tuned=scores(1.5), champion=None))
    measured(store, "m", "perplexity", perplexity(model=scores(1.0)))
    measured(store, "m", "knowledge", knowledge(model=0.5))
    measured(store, "n", "perplexity", perplexity(model=scores(1.2, n_documents=99)))
    groups = {group.n_documents: group.cards for group in leaderboard(store)}
    assert [card.name for card in groups[10]] == ["scratch", "astrollama 4", "org/m"]
    own = groups[10][-1]
    assert (own.role, own.bits_per_byte, own.accuracy) == ("evaluated", 1.0, 0.5)
    assert own.rise_far is None
    assert [card.name for card in groups[99]] == ["org/n"]


def test_a_model_stands_in_a_table_once(store: Store) -> None:
    released(store, perplexity(base=scores(2.0), tuned=scores(1.5), champion=None))
    measured(store, TUNED, "perplexity", perplexity(model=scores(1.5)))
    (group,) = leaderboard(store)
    assert [card.role for card in group.cards] == ["base", "tuned"]


def test_what_was_measured_on_papers_the_release_no_longer_holds_is_left_out(store: Store) -> None:
    released(store, perplexity(base=scores(2.0), tuned=scores(1.5), champion=None))
    measured(store, "m", "perplexity", perplexity(model=scores(1.0)), papers="q" * 64)
    (group,) = leaderboard(store)
    assert [card.role for card in group.cards] == ["base", "tuned"]


def test_of_one_report_made_twice_the_newer_counts(tmp_path: Path) -> None:
    days = iter(range(1, 28))
    store = Store(Home(tmp_path), now=lambda: datetime(2026, 7, next(days), tzinfo=UTC))
    keep(store, "astro_ph_papers", "p" * 64)
    measured(store, "m", "perplexity", perplexity(model=scores(1.0)))
    for settings, accuracy in ((2, 0.5), (1, 0.7)):
        measured(store, "m", "knowledge", knowledge(model=accuracy), settings=settings)
    (group,) = leaderboard(store)
    assert [card.accuracy for card in group.cards] == [0.7]


def asked(headline: str, n_questions: int = 60, **methods: dict[str, float]) -> dict[str, Any]:
    """A knowledge report with several ways of asking: way -> label -> share right."""
    told = knowledge(**methods[headline]) | {"headline": headline, "n_questions": n_questions}
    told["methods"] = {
        name: {"models": {label: {"accuracy": x} for label, x in shares.items()}}
        for name, shares in methods.items()
    }
    return told


def test_the_column_of_questions_holds_the_release_s_own_way_of_asking(store: Store) -> None:
    report = perplexity(base=scores(2.0), tuned=scores(1.5), champion=None)
    of_release = asked("letter", letter={"base": 0.4, "tuned": 0.5}, full={"base": 0.3})
    released(store, report, knowledge_report=of_release)
    for digest in ("m", "n"):
        measured(store, digest, "perplexity", perplexity(model=scores(1.0)))
    other = asked("full", full={"model": 0.9}, letter={"model": 0.6})
    measured(store, "m", "knowledge", other)
    measured(store, "n", "knowledge", asked("full", full={"model": 0.9}))
    (group,) = leaderboard(store)
    assert (group.question_method, group.n_questions) == ("letter", 60)
    found = {card.name: (card.accuracy, card.question_method) for card in group.cards}
    assert found == {
        "scratch": (0.4, "letter"), "astrollama 4": (0.5, "letter"), "org/m": (0.6, "letter"),
        "org/n": (None, None),
    }  # fmt: skip


def test_figures_of_other_questions_or_titles_do_not_stand_in_the_column(store: Store) -> None:
    report = perplexity(base=scores(2.0), tuned=scores(1.5), champion=None)
    released(
        store,
        report,
        embedding_report=similarity(base=0.2, tuned=0.3),
        knowledge_report=knowledge(base=0.3, tuned=0.4),
    )
    few = {"retrieval": {"title_masked": {"model": {"mrr": 0.9, "n": 5}}}}
    for digest in ("l", "m", "n"):  # more than the release's own, and still not the measure
        measured(store, digest, "perplexity", perplexity(model=scores(1.0)))
        measured(store, digest, "knowledge", knowledge(model=0.9) | {"n_questions": 152})
        measured(store, digest, "similarity", few)
    (group,) = leaderboard(store)
    assert (group.n_questions, group.n_retrieval) == (60, 9)
    found = {card.name: (card.accuracy, card.retrieval_mrr) for card in group.cards}
    assert found["org/m"] == (None, None) and found["astrollama 4"] == (0.4, 0.3)
    assert {card.n_questions for card in group.cards} == {60, 152}


def test_as_many_questions_that_are_others_do_not_stand_in_the_column(store: Store) -> None:
    report = perplexity(base=scores(2.0), tuned=scores(1.5), champion=None)
    own = knowledge(base=0.3, tuned=0.4) | {"questions_digest": "mine"}
    released(store, report, knowledge_report=own)
    for digest, asked in (("l", "mine"), ("m", "bundled"), ("n", None)):
        told = knowledge(model=0.9) | ({"questions_digest": asked} if asked else {})
        measured(store, digest, "perplexity", perplexity(model=scores(1.0)))
        measured(store, digest, "knowledge", told)
    (group,) = leaderboard(store)
    found = {card.name: card.accuracy for card in group.cards}
    assert (found["org/l"], found["org/m"], found["astrollama 4"]) == (0.9, None, 0.4)
    assert found["org/n"] == 0.9, "a report of older code says how many they were, and no more"


def test_without_a_release_s_own_what_most_have_is_the_column(store: Store) -> None:
    keep(store, "astro_ph_papers", PAPERS)
    for digest, n_questions in (("l", 60), ("m", 152), ("n", 152)):
        measured(store, digest, "perplexity", perplexity(model=scores(1.0)))
        measured(store, digest, "knowledge", knowledge(model=0.9) | {"n_questions": n_questions})
    (group,) = leaderboard(store)
    assert {card.name: card.accuracy for card in group.cards} == {
        "org/l": None, "org/m": 0.9, "org/n": 0.9,
    }  # fmt: skip


def test_what_was_asked_for_last_counts_though_it_was_made_first(tmp_path: Path) -> None:
    at_once = datetime(2026, 7, 1, tzinfo=UTC)
    store = Store(Home(tmp_path), now=lambda: at_once)
    keep(store, "astro_ph_papers", PAPERS)
    measured(store, "m", "perplexity", perplexity(model=scores(1.0)))
    turns = []
    for n_questions in (60, 152, 60):
        turns.append(next_turn(store))
        told = knowledge(model=0.5) | {"n_questions": n_questions}
        measured(store, "m", "knowledge", told, settings=n_questions, turn=turns[-1])
        (group,) = leaderboard(store)
        assert [card.n_questions for card in group.cards] == [n_questions]
    assert turns == [1, 2, 3]


def test_the_page_and_its_numbers_are_written_the_same_every_time(store: Store) -> None:
    released(store, perplexity(base=scores(2.0), tuned=scores(1.5), champion=None))
    page = write_leaderboard(store.home, store)
    assert page == store.home.reports / "leaderboard.html"
    told = json.loads((store.home.reports / "leaderboard.json").read_text())
    assert [card["role"] for card in told["groups"][0]["cards"]] == ["tuned", "base"]
    before = page.read_bytes()
    assert write_leaderboard(store.home, store).read_bytes() == before


def test_an_empty_home_has_an_empty_board(store: Store) -> None:
    assert "No model has been measured yet" in write_leaderboard(store.home, store).read_text()
