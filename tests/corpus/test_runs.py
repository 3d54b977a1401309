import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_assets.corpus import runs
from astro_assets.corpus.runs import RUN_WORDS, RunIndex, covered, hash_runs
from astro_assets.corpus.words import MonthWords, words_of_texts


def month(*texts: str) -> MonthWords:
    ids = [str(number) for number in range(len(texts))]
    return MonthWords("astro", ids, ids, **words_of_texts(texts))


def sentence(first: int, last: int) -> str:
    return " ".join(f"w{number}" for number in range(first, last))


def words(text: str) -> list[str]:
    return text.split()


def ones(*months: MonthWords) -> np.ndarray:
    return np.ones(sum(map(len, months)), dtype=np.int64)


def sharing(indexed: MonthWords, looked_up: MonthWords) -> dict[tuple[int, int], int]:
    theirs, ours, n = RunIndex.of([indexed]).sharing(looked_up, ones(indexed))
    return {(int(a), int(b)): int(c) for a, b, c in zip(theirs, ours, n, strict=True)}


def test_equal_runs_have_equal_hashes_wherever_they_stand():
    one, _ = hash_runs(month(sentence(0, 20)))
    other, places = hash_runs(month("a b c", sentence(5, 30), ""))
    assert len(one) == 20 - 12 and len(other) == 25 - 12 + 1
    assert set(one[5:].tolist()) <= set(other.tolist())
    assert not set(one[:5].tolist()) & set(other.tolist())
    assert places.tolist() == [*range(3, 16), 0]


def test_no_run_reaches_over_the_end_of_a_text():
    whole, parts = month(sentence(0, 20)), month(sentence(0, 10), sentence(10, 20))
    assert sharing(whole, parts) == {}


def test_slices_of_a_month_give_what_the_month_gives(monkeypatch: pytest.MonkeyPatch):
    texts = [sentence(n, n + 10 + 3 * n) for n in range(9)]
    whole = hash_runs(month(*texts))
    monkeypatch.setattr(runs, "_TEXTS_AT_ONCE", 2)
    cut = hash_runs(month(*texts))
    pairs = [sorted(zip(*map(np.ndarray.tolist, made), strict=True)) for made in (whole, cut)]
    assert pairs[0] == pairs[1]


@pytest.mark.parametrize("n_words", [1, 12])
def test_a_short_text_is_shared_only_as_a_whole(n_words: int):
    short, longer = month(sentence(0, n_words)), month(sentence(0, 40))
    assert sharing(short, month(sentence(0, n_words))) == {(0, 0): n_words}
    assert sharing(short, longer) == {} and sharing(longer, short) == {}
    assert covered(short.text(0), short.text(0)) == n_words
    assert covered(short.text(0), longer.text(0)) == 0


def test_texts_without_words_share_nothing():
    assert sharing(month("", "..."), month("", "?!")) == {}
    assert sharing(month(), month(sentence(0, 20))) == {}
    assert sharing(month(sentence(0, 20)), month()) == {}


def test_a_changed_word_costs_what_is_near_it():
    text = words(sentence(0, 60))
    changed = [*text[:30], "other", *text[31:]]
    assert covered(month(" ".join(text)).text(0), month(" ".join(changed)).text(0)) == 59
    near_the_end = [*text[:50], "other", *text[51:]]
    assert covered(month(" ".join(text)).text(0), month(" ".join(near_the_end)).text(0)) == 50


def by_hand(text: list[str], other: list[str]) -> int:
    """Return the words covered, by comparing every run with every run."""
    if len(text) < RUN_WORDS:
        return len(text) * (text == other)
    theirs = [other[n : n + RUN_WORDS] for n in range(len(other) - RUN_WORDS + 1)]
    inside = [n for n in range(len(text) - RUN_WORDS + 1) if text[n : n + RUN_WORDS] in theirs]
    return len({n + k for n in inside for k in range(RUN_WORDS)})


SOURCE = words(sentence(0, 40))
PIECES = st.lists(
    st.tuples(st.integers(0, 39), st.integers(1, 30)).map(lambda p: SOURCE[p[0] : sum(p)]),
    max_size=4,
).map(lambda pieces: [word for piece in pieces for word in piece])


@given(st.lists(PIECES, max_size=6), st.lists(PIECES, max_size=6))
@settings(max_examples=200, deadline=None)
def test_the_index_finds_every_pair_that_shares_a_run_and_no_other(ours, theirs):
    indexed, looked_up = (month(*(" ".join(text) for text in texts)) for texts in (ours, theirs))
    found = sharing(indexed, looked_up)
    for b, our in enumerate(ours):
        for a, their in enumerate(theirs):
            n_covered = by_hand(our, their)
            assert covered(indexed.text(b), looked_up.text(a)) == n_covered
            assert ((a, b) in found) == (n_covered > 0)
            assert found.get((a, b), 0) == n_covered


def test_few_pairs_at_a_time_give_the_same(monkeypatch: pytest.MonkeyPatch):
    ours = month(*(sentence(n, n + 30) for n in range(12)))
    theirs = month(*(sentence(n, n + 25) for n in range(0, 40, 3)))
    whole = sharing(ours, theirs)
    monkeypatch.setattr(runs, "_AT_ONCE", 7)
    assert sharing(ours, theirs) == whole and len(whole) > 20


def test_a_sentence_that_all_texts_share_counts_once_however_many_runs_it_has():
    texts = [f"{sentence(100 * n, 100 * n + 30)} {sentence(0, 24)}" for n in range(1, 4)]
    found = sharing(month(*texts), month(*texts[::-1], f"{sentence(0, 24)} {sentence(0, 24)}"))
    whole = {(0, 2): 54, (1, 1): 54, (2, 0): 54}
    assert found == {(a, b): 24 for a in range(4) for b in range(3)} | whole


def test_pairs_that_share_less_than_is_needed_are_passed_over():
    index = RunIndex.of([month(sentence(0, 40), sentence(10, 40))])
    theirs, ours, n_words = index.sharing(month(sentence(0, 30)), np.array([30, 21]))
    assert (theirs.tolist(), ours.tolist(), n_words.tolist()) == ([0], [0], [30])


def test_several_months_are_numbered_through():
    ours = [month("", sentence(0, 20)), month(), month("a b", "", sentence(5, 40))]
    theirs, numbers, n_words = RunIndex.of(ours).sharing(month(sentence(3, 30), "a b"), ones(*ours))
    assert theirs.tolist() == [0, 0, 1]
    assert (numbers.tolist(), n_words.tolist()) == ([1, 4, 2], [17, 25, 2])


def test_more_words_than_can_be_numbered_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(runs, "_LOW", np.uint64(30))
    with pytest.raises(ValueError, match="32 words"):
        RunIndex.of([month(sentence(0, 20)), month(sentence(0, 12))])
    RunIndex.of([month(sentence(0, 20)), month(sentence(0, 11))])


def test_hashes_that_collide_are_told_apart_by_their_words():
    """The index keeps 39 bits: two runs that agree in them are a candidate, and no more."""
    indexed, looked_up = month(sentence(0, 13)), month(sentence(100, 113))
    index = RunIndex.of([indexed])
    (hashes, _) = hash_runs(looked_up)
    keys = hashes & ~np.uint64((1 << 25) - 1)
    forged = RunIndex(keys, np.array([0, 13]), runs._Beginnings.of(hashes))
    found = [len(made.sharing(looked_up, ones(indexed))[0]) for made in (index, forged)]
    assert found == [0, 1]
    assert covered(indexed.text(0), looked_up.text(0)) == 0
