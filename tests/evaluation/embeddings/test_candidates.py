import numpy as np
import polars as pl
import pytest

from astro_assets.evaluation.embeddings.candidates import FEWEST, Candidates, chance_mrr
from astro_assets.evaluation.embeddings.cosines import RAW, Block, cosine_blocks
from astro_assets.evaluation.embeddings.masking import content_words, mask_shared
from astro_assets.evaluation.embeddings.retrieval import own_ranks, retrieval_of

SUBJECTS = ["galaxies", "pulsars", "comets", "quasars", "novae", "planets"]


@pytest.fixture(scope="module")
def pairs():
    """600 titles with three words of 60, and abstracts of twelve: words shared at random."""
    draw = np.random.default_rng(0)
    words = np.array([f"word{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(60)])
    titles = [" ".join(draw.choice(words, 3, replace=False)) for _ in range(600)]
    abstracts = [f"{title} {' '.join(draw.choice(words, 9))}" for title in titles]
    return titles, [mask_shared(*pair) for pair in zip(titles, abstracts, strict=True)]


def bags(titles, masked):
    """Counts of words, the words of both."""
    known = sorted({word for text in (*titles, *masked) for word in content_words(text)})
    place = {word: i for i, word in enumerate(known)}
    made = np.zeros((2, len(titles), len(known)), dtype=np.float32)
    for side, texts in zip(made, (titles, masked), strict=True):
        for row, text in zip(side, texts, strict=True):
            for word in content_words(text):
                row[place[word]] += 1
    return made


def test_by_hand():
    titles = ["Red galaxies", "A galaxy survey", "Comets", ""]
    masked = ["A survey of stars", "Red stars", "Galaxies, a comet of none", "stars"]
    some = Candidates(titles, masked)
    assert some.block(0, 4).tolist() == [
        [True, False, False, True],
        [False, True, False, True],
        [True, True, True, True],
        [True, True, True, True],
    ]
    assert some.block(1, 1).tolist() == [[False, True, False, True]]
    assert some.counts.tolist() == [2, 2, 4, 4] and not some.asked.any()


def test_plain_code_says_the_same_whatever_the_block(pairs):
    some = Candidates(*pairs)
    titles, masked = ([set(content_words(text)) for text in texts] for texts in pairs)
    expected = [
        [i == j or not title & other for j, other in enumerate(masked)]
        for i, title in enumerate(titles)
    ]
    assert np.vstack([some.block(0, 550), some.block(550, 50)]).tolist() == expected
    assert some.counts.tolist() == [sum(row) for row in expected]


def test_random_vectors_are_chance_and_a_planted_space_is_right(pairs):
    some = Candidates(*pairs)
    draw = np.random.default_rng(1)
    titles, masked = draw.normal(size=(2, 600, 64)).astype(np.float32)
    chance = chance_mrr(some.counts)
    found = retrieval_of(own_ranks(cosine_blocks(titles, masked), some)[RAW])
    assert found.n == 600 and found.interval[0] < chance < found.interval[1]
    assert retrieval_of(own_ranks(cosine_blocks(titles, titles), some)[RAW]).mrr == 1


def test_a_bag_of_words_has_only_ties_which_count_against_it(pairs):
    """Among all abstracts it would be worse than chance: every other one may share a word."""
    some, (titles, masked) = Candidates(*pairs), bags(*pairs)
    ranks = own_ranks(cosine_blocks(titles, masked), some)[RAW]
    assert ranks.tolist() == some.counts.tolist()
    assert retrieval_of(ranks).mrr < chance_mrr(some.counts)


def test_a_space_of_meaning_is_told_from_words():
    """Titles and abstracts share a subject's direction and no word: meaning finds ten in sixty."""
    n = 60
    titles = [f"{SUBJECTS[i % 6]} title{i}" for i in range(n)]
    masked = [f"abstract{i} about" for i in range(n)]
    rows = np.eye(6, dtype=np.float32)[np.arange(n) % 6]
    ranks = own_ranks(cosine_blocks(rows, rows), Candidates(titles, masked))[RAW]
    assert set(ranks.tolist()) == {10}


def test_titles_with_too_few_candidates_are_left_out():
    n = FEWEST + 5
    titles = ["galaxy", *["comet"] * (n - 1)]
    masked = ["dust", *["galaxies"] * 6, *["dust"] * (n - 7)]
    some = Candidates(titles, masked)
    assert some.counts.tolist() == [n - 6, *[n] * (n - 1)]
    nearness = np.eye(n, dtype=np.float32)
    ranks = own_ranks([Block(0, {RAW: nearness[:4]}), Block(4, {RAW: nearness[4:]})], some)[RAW]
    assert ranks.tolist() == [1] * (n - 1)


def test_on_texts_in_arxivs_own_writing_no_word_leads_anywhere(shared):
    import json

    lines = (shared / "data" / "kaggle_shape_arxivraw_1000.jsonl").read_text().splitlines()
    records = pl.DataFrame([json.loads(line) for line in lines[:300]])
    titles, abstracts = records["title"].to_list(), records["abstract"].to_list()
    masked = [mask_shared(*pair) for pair in zip(titles, abstracts, strict=True)]
    some, (asked, answers) = Candidates(titles, masked), bags(titles, masked)
    assert some.asked.all() and 0.4 < some.counts.mean() / len(titles) < 0.95
    ranks = own_ranks(cosine_blocks(asked, answers), some)[RAW]
    assert ranks.tolist() == some.counts.tolist()


def test_chance_is_what_random_orders_give():
    counts = np.array([10, 10, 200])
    draw = np.random.default_rng(0)
    orders = 1 / draw.integers(1, counts + 1, size=(200_000, 3))
    assert chance_mrr(counts) == pytest.approx(orders.mean(), rel=0.02)
