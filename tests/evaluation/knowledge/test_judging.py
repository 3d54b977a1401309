import numpy as np
import pytest

from astro_assets.evaluation.knowledge.judging import chance_of_guessing, judge_methods, judged
from astro_assets.evaluation.knowledge.methods import Answers
from astro_assets.evaluation.statistics import chance_of_at_least


def right(n_right: int, n: int) -> np.ndarray:
    return np.arange(n) < n_right


def verdict(n_base: int, n_tuned: int, n: int, margin: float = 0.05) -> str:
    both = {"base": right(n_base, n), "tuned": right(n_tuned, n)}
    return judged(both, np.full(n, 0.25), margin=margin)["verdict"]


@pytest.mark.parametrize(
    ("n_base", "n_tuned", "n", "expected"),
    [
        (100, 100, 200, "not worse"),
        (100, 120, 200, "not worse"),
        (100, 50, 200, "worse"),
        (20, 18, 40, "undecided"),
        (50, 0, 200, "not measurable"),
        (10, 40, 40, "not measurable"),
    ],
)
def test_verdicts(n_base, n_tuned, n, expected):
    assert verdict(n_base, n_tuned, n) == expected


def test_worse_needs_the_whole_interval_below_the_margin():
    """Losing 30 of 200 is shown to be more than 5 points, but not shown to be more than 14."""
    assert verdict(130, 100, 200) == "worse"
    assert verdict(130, 100, 200, margin=0.14) == "undecided"


def test_just_better_than_guessing_is_measurable():
    """Of 40 by guessing: 15 or more come with p = 0.054, 16 or more with p = 0.026."""
    assert verdict(15, 15, 40, margin=0.3) == "not measurable"
    assert verdict(16, 16, 40, margin=0.3) == "not worse"


def test_guessing_is_the_binomial_and_may_be_of_unlike_questions():
    assert chance_of_guessing(16, np.full(40, 0.25)) == pytest.approx(
        chance_of_at_least(16, 40, 0.25)
    )
    # One of two, one of four: at least one right unless both are wrong.
    assert chance_of_guessing(1, np.array([0.5, 0.25])) == pytest.approx(1 - 0.5 * 0.75)
    assert chance_of_guessing(0, np.array([0.5, 0.25])) == pytest.approx(1)


def test_twenty_thousand_questions_are_no_trouble():
    assert 0 < chance_of_guessing(5_100, np.full(20_000, 0.25)) < 0.06


def test_the_counts_behind_the_verdict_are_told():
    base = np.array([True, True, False, False])
    tuned = np.array([True, False, True, False])
    found = judged({"base": base, "tuned": tuned}, np.full(4, 0.25), margin=0.05)
    assert (found["n_only_base_right"], found["n_only_tuned_right"]) == (1, 1)
    assert found["models"]["base"]["accuracy"] == 0.5
    assert found["models"]["base"]["low"] < 0.5 < found["models"]["base"]["high"]
    assert found["difference"]["accuracy"] == 0


@pytest.mark.parametrize("labels", [("model",), ("tuned", "champion"), ("base", "champion")])
def test_without_base_and_tuned_nothing_is_compared(labels):
    found = judged({label: right(30, 40) for label in labels}, np.full(40, 0.25), margin=0.05)
    assert set(found["models"]) == set(labels)
    assert found["verdict"] is None and found["difference"] is None
    assert found["n_only_base_right"] is None and found["n_only_tuned_right"] is None
    assert (found["tuned_minus_champion"] is None) == (set(labels) != {"tuned", "champion"})
    assert (found["p_base_guessing"] is None) == ("base" not in labels)


def answers(**n_right: int) -> dict[str, Answers]:
    return {method: Answers(right(n, 100)) for method, n in n_right.items()}


def test_the_headline_is_chosen_on_the_base_alone():
    answered = {
        "base": answers(full_answer=30, letter_with_blank=60, letter_without_blank=50),
        "tuned": answers(full_answer=90, letter_with_blank=10, letter_without_blank=50),
    }
    found = judge_methods(answered, np.full(100, 0.25), margin=0.05)
    assert found["headline"] == "letter_with_blank"
    assert found["verdict"] == "worse"
    assert found["difference"] == found["methods"]["letter_with_blank"]["difference"]
    assert found["methods"]["full_answer"]["verdict"] == "not measurable"
    assert found["methods"]["letter_without_blank"]["verdict"] == "not worse"


def test_of_equal_methods_the_full_answer_leads():
    answered = {"base": answers(full_answer=60, letter_with_blank=60, letter_without_blank=9)}
    found = judge_methods(answered, np.full(100, 0.25), margin=0.05)
    assert found["headline"] == "full_answer"
    assert found["models"]["base"]["n_right"] == 60


@pytest.mark.parametrize("labels", [("model",), ("tuned", "champion")])
def test_without_a_base_the_full_answer_leads_however_good_the_others_are(labels):
    own = answers(full_answer=30, letter_with_blank=90, letter_without_blank=80)
    found = judge_methods(dict.fromkeys(labels, own), np.full(100, 0.25), margin=0.05)
    assert found["headline"] == "full_answer"
    assert {one["n_right"] for one in found["models"].values()} == {30}
    assert found["verdict"] is None


def test_the_best_of_three_must_be_better_than_the_best_of_three_guesses():
    """34 of 100 by guessing has p = 0.028: enough for one method, not for the best of three."""
    own = answers(full_answer=34, letter_with_blank=20, letter_without_blank=20)
    found = judge_methods({"base": own, "tuned": own}, np.full(100, 0.25), margin=0.5)
    assert 0.05 / 3 < found["p_base_guessing"] < 0.05
    assert found["methods"]["full_answer"]["verdict"] == "not worse"
    assert found["verdict"] == "not measurable"


def test_a_method_that_not_all_models_can_does_not_lead():
    own = answers(full_answer=40, letter_with_blank=30, letter_without_blank=30)
    chat = {**own, "generated": Answers(right(90, 100), n_unparsable=3)}
    found = judge_methods({"base": chat, "tuned": own}, np.full(100, 0.25), margin=0.05)
    assert found["headline"] == "full_answer"
    generated = found["methods"]["generated"]
    assert generated["models"]["base"]["n_unparsable"] == 3
    assert set(generated["models"]) == {"base"} and generated["verdict"] is None
    assert "n_unparsable" not in found["methods"]["full_answer"]["models"]["base"]


def test_a_champion_stands_beside_and_changes_no_verdict():
    answered = {
        "base": answers(full_answer=40, letter_with_blank=60),
        "tuned": answers(full_answer=50, letter_with_blank=55),
    }
    champion = answers(full_answer=90, letter_with_blank=45)
    alone = judge_methods(answered, np.full(100, 0.25), margin=0.05)
    found = judge_methods({**answered, "champion": champion}, np.full(100, 0.25), margin=0.05)
    assert alone["tuned_minus_champion"] is None
    assert found["tuned_minus_champion"]["accuracy"] == pytest.approx(0.1)
    assert found["tuned_minus_champion"]["low"] > 0
    assert found["methods"]["full_answer"]["tuned_minus_champion"]["high"] < 0
    assert found["models"]["champion"]["n_right"] == 45
    for name in ("headline", "verdict", "difference", "p_base_guessing", "n_only_base_right"):
        assert found[name] == alone[name]


def test_a_champion_of_another_kind_does_not_choose_how_base_and_tuned_are_judged():
    """It has no chat template and they do: the base still leads with what it answers best."""
    chat = {**answers(full_answer=40), "generated": Answers(right(90, 100), n_unparsable=0)}
    answered = {"base": chat, "tuned": chat, "champion": answers(full_answer=80)}
    found = judge_methods(answered, np.full(100, 0.25), margin=0.05)
    assert found["headline"] == "generated" and set(found["models"]) == {"base", "tuned"}
    assert found["tuned_minus_champion"] is None
    assert found["methods"]["full_answer"]["tuned_minus_champion"]["accuracy"] == -0.4
