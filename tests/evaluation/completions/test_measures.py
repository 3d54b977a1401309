import random

import pytest

from astro_assets.evaluation.completions.measures import (
    Text,
    ends_in_loop,
    lcs_length,
    measure,
    repeated_share,
    rouge_l,
)

SENTENCE = "The rate of star formation in the sample of galaxies is low."


def text(written, prompt="We.", truth=None, n_tokens=1):
    return Text(written, prompt, truth, n_tokens)


def test_measures_by_hand():
    found = measure(
        [
            text("The 5 stars of 1,999 have 2.5 masses.", "In 1999 we saw 5 stars.", "Five.", 10),
            text("one two one two one two", "We.", "one two", 20),
        ]
    )
    assert found.pop("repeated_4grams") == pytest.approx((0 + 1 / 3) / 2)
    assert found.pop("new_numbers") == pytest.approx(1 / 3)
    assert found.pop("rouge_l") == pytest.approx((0 + 2 * 2 / (6 + 2)) / 2)
    assert found == {"mean_tokens": 15, "mean_words": 7, "loops": 0.5, "n_numbers": 3, "n": 2}


def test_an_empty_text_has_nothing_to_count():
    assert measure([text("", truth="We go on.", n_tokens=0)]) == {
        "mean_tokens": 0,
        "mean_words": 0,
        "repeated_4grams": None,
        "loops": 0,
        "rouge_l": 0,
        "new_numbers": None,
        "n_numbers": 0,
        "n": 1,
    }


def test_the_truth_has_no_overlap_with_itself():
    assert measure([text("We go on.")])["rouge_l"] is None


def test_an_invented_number_is_told_from_one_that_was_given():
    prompt = r"We observe 1{,}000 stars at $3\times10^{5}$ pc."
    assert measure([text("All 1000 stars at 300,000 pc are red.", prompt)])["new_numbers"] == 0
    assert measure([text("All 1000 stars at 42 pc are red.", prompt)])["new_numbers"] == 0.5


def test_repetition_within_a_text_is_counted():
    assert repeated_share(SENTENCE) == 0
    assert repeated_share(f"{SENTENCE} {SENTENCE}") == pytest.approx(1 - 12 / 21)
    assert repeated_share("a b c") is None


@pytest.mark.parametrize("n_words", [1, 2, 19, 20])
def test_a_phrase_three_times_at_the_end_is_a_loop(n_words):
    phrase = " ".join(f"word{i}" for i in range(n_words))
    assert ends_in_loop(f"We see {phrase} {phrase} {phrase}")
    assert not ends_in_loop(f"We see {phrase} {phrase}")
    assert not ends_in_loop(f"{phrase} {phrase} {phrase} and then it ends.")


def test_a_loop_that_was_cut_off_is_one():
    assert ends_in_loop("a b c a b c a b c a b")
    assert ends_in_loop("see the star the star the star the st")
    assert not ends_in_loop("see the star the star the st")


def test_a_piece_that_is_repeated_without_blanks_is_a_loop():
    assert ends_in_loop("We see " + "l" * 10)
    assert ends_in_loop("We see s" + "(1,2)" * 10 + "(1")
    assert not ends_in_loop("and so on.........")
    assert not ends_in_loop("We see 1,000,000,000 or 100000000")
    assert not ends_in_loop("")


def test_longer_phrases_than_twenty_words_are_no_loop():
    phrase = " ".join(f"word{i}" for i in range(21))
    assert not ends_in_loop(" ".join([phrase] * 3))


def plain_lcs(a, b):
    """The textbook table."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, one in enumerate(a, 1):
        for j, other in enumerate(b, 1):
            if one == other:
                table[i][j] = table[i - 1][j - 1] + 1
            else:
                table[i][j] = max(table[i - 1][j], table[i][j - 1])
    return table[-1][-1]


def random_words(seed, n, vocabulary=8):
    return [f"w{random.Random(seed * 1_000 + i).randrange(vocabulary)}" for i in range(n)]


@pytest.mark.parametrize(("n_a", "n_b"), [(0, 5), (5, 0), (1, 1), (63, 64), (64, 65), (90, 40)])
def test_the_common_subsequence_is_that_of_the_textbook(n_a, n_b):
    for seed in range(5):
        a, b = random_words(seed, n_a), random_words(seed + 50, n_b)
        assert lcs_length(a, b) == plain_lcs(a, b)


def test_overlap_is_that_of_the_usual_package():
    rouge = pytest.importorskip("rouge_score.rouge_scorer", reason="rouge_score is not installed")
    scorer = rouge.RougeScorer(["rougeL"], use_stemmer=False)
    pairs = [
        ("the star is red", "The star, is it red?"),
        (SENTENCE, "In the galaxies of our sample the rate of star-formation is 0.5 per year."),
        ("M$_\\odot$ of 10^{5} – α Cen's Å", "10$^{5}$ M$_{\\odot}$, alpha Cen"),
        ("", "something"),
        ("something", ""),
        ("...", "---"),
        ("same words", "same words"),
    ]
    pairs += [(" ".join(random_words(i, 70)), " ".join(random_words(i + 9, 50))) for i in range(20)]
    for ours, truth in pairs:
        expected = scorer.score(truth, ours)["rougeL"].fmeasure
        assert rouge_l(ours, truth) == pytest.approx(expected, abs=1e-9)
