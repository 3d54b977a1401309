"""Intervals over abstracts, of planted texts."""

import numpy as np
import pytest

from astro_assets.evaluation.completions.intervals import differences, intervals, tallies_of
from astro_assets.evaluation.completions.measures import Text, measure
from astro_assets.evaluation.completions.report import measured

CLEAN = "We see three red stars and then one blue cloud"
LOOPED = "one two " * 6


def text(written, *, truth=CLEAN):
    return Text(written, "We begin.", truth, len(written.split()))


def alike(written, n, **more):
    """``n`` abstracts with one text each."""
    return [[text(written, **more)] for _ in range(n)]


def test_below_eight_abstracts_there_is_no_interval():
    few, enough = tallies_of(alike(CLEAN, 7)), tallies_of(alike(CLEAN, 8))
    assert intervals(few) is None and differences(few, few) is None
    assert intervals(enough)["mean_words"] == [10, 10]
    assert differences(enough, enough)["rouge_l"] == {"value": 0, "low": 0, "high": 0}


def test_a_measure_that_few_abstracts_count_for_has_none():
    """Ten abstracts, numbers in seven of them."""
    made = [*alike("It has 5 stars in all.", 7), *alike(CLEAN, 3)]
    found = intervals(tallies_of(made))
    assert found["new_numbers"] is None
    assert found["mean_words"] is not None


def test_abstracts_are_drawn_and_not_texts():
    """Eight copies of each text add nothing: the interval stays that of ten abstracts."""
    words = ["star " * (1 + i) for i in range(10)]
    once = intervals(tallies_of([[text(one)] for one in words]))
    often = intervals(tallies_of([[text(one)] * 8 for one in words]))
    assert once["mean_words"] == pytest.approx(often["mean_words"])


def test_the_interval_is_the_bootstrap_s():
    """Against plain numpy: means of ten abstracts drawn with replacement."""
    lengths = np.arange(1, 11)
    found = intervals(tallies_of([[text("star " * n)] for n in lengths]))["mean_words"]
    draws = np.random.default_rng(7).choice(lengths, (20_000, 10)).mean(axis=1)
    assert found == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.15)


def test_differences_are_paired_by_abstract():
    """Unlike abstracts, always the same shift: its interval has no width."""
    base = [[text("star " * n + CLEAN)] for n in range(1, 11)]
    found = differences(tallies_of(alike(LOOPED, 10)), tallies_of(alike(CLEAN, 10)))
    repeated = measure([text(LOOPED)])["repeated_4grams"]
    assert found["repeated_4grams"] == pytest.approx(
        {"value": repeated, "low": repeated, "high": repeated}
    )
    same = differences(tallies_of(base), tallies_of(base))["rouge_l"]
    alone = intervals(tallies_of(base))["rouge_l"]
    assert same == {"value": 0, "low": 0, "high": 0} and alone[1] > alone[0]


def test_a_difference_is_that_of_the_measures():
    made = {
        "base": [[text(LOOPED), text(CLEAN)] for _ in range(9)],
        "tuned": [[text(CLEAN), text("We see 7 stars " * (1 + i % 3))] for i in range(9)],
        "champion": alike(LOOPED, 9),
        "truth": alike(CLEAN, 9, truth=None),
    }
    found = measured(made)
    for other in ("base", "champion", "truth"):
        for name, one in found["differences"][f"tuned_minus_{other}"].items():
            ours, theirs = (found["measures"][writer][name] for writer in ("tuned", other))
            if one is None:  # no ROUGE-L of the truth, and no number in texts without any
                assert theirs is None
            else:
                assert one["value"] == pytest.approx(ours - theirs)
                assert one["low"] <= one["value"] <= one["high"]
    assert found["differences"]["tuned_minus_base"]["repeated_4grams"] is not None
    assert found["measures"]["truth"]["interval"]["rouge_l"] is None


def test_only_abstracts_of_both_are_compared():
    """A writer of a file that left out two of ten abstracts."""
    made = [[], [], *alike(LOOPED, 8)]
    found = differences(tallies_of(made), tallies_of(alike(CLEAN, 10)))
    assert found["repeated_4grams"]["value"] > 0
    assert differences(tallies_of([[], *made[:9]]), tallies_of(alike(CLEAN, 10))) is None


def test_without_a_base_nothing_is_compared_with_it():
    found = measured({"model": alike(CLEAN, 9), "truth": alike(CLEAN, 9, truth=None)})
    assert set(found["differences"]) == {
        f"tuned_minus_{other}" for other in ("base", "champion", "truth")
    }
    assert not any(found["differences"].values())
    assert found["measures"]["model"]["interval"]["rouge_l"] == [1, 1]
