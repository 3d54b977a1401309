import polars as pl
import pytest

from astro_assets.errors import EmptyCorpusError
from astro_assets.evaluation.embeddings import selection
from astro_assets.evaluation.embeddings.paper_pairs import PAPER_PAIRS
from astro_assets.evaluation.embeddings.selection import (
    select_embedded,
    select_extra,
    select_train,
    with_subfield,
)


def texts(n, *, year=2020, **columns) -> pl.DataFrame:
    """Papers of one year, ids and months ascending."""
    return pl.DataFrame(
        {
            "id": [f"{year % 100}{1 + i % 12:02d}.{i:05d}" for i in range(n)],
            "title": [f"On {year} number {i}" for i in range(n)],
            "categories": ["astro-ph.GA"] * n,
            "submission_month": [f"{year}-{1 + i % 12:02d}" for i in range(n)],
            "comments": pl.Series([None] * n, dtype=pl.String),
            "text": [f"Text {year} {i}." for i in range(n)],
            **columns,
        }
    )


NONE = texts(0)


def test_later_papers_change_no_earlier_row():
    old, new = texts(500), texts(400, year=2021)
    for share, n in ((0.4, 100), (0.4, 1_000), (1.0, 450)):
        before = select_embedded(old, share=share, n=n)
        after = select_embedded(pl.concat([new, old]), share=share, n=n)
        assert after.head(len(before)).equals(before)
        assert len(after) > len(before) or len(before) == n


def test_the_order_is_month_then_hash_whatever_order_papers_come_in():
    papers = texts(200)
    chosen = select_embedded(papers, share=1, n=200)
    assert chosen["submission_month"].is_sorted()
    january = chosen.filter(pl.col("submission_month") == "2020-01")["id"]
    assert not january.is_sorted(), "within a month the hash decides"
    assert select_embedded(papers.sample(fraction=1, shuffle=True, seed=1), share=1, n=200).equals(
        chosen
    )


def test_the_share_is_a_threshold_that_never_moves():
    papers = texts(2_000)
    fifth, half = (select_embedded(papers, share=s, n=2_000) for s in (0.2, 0.5))
    assert len(fifth) == pytest.approx(400, abs=60)
    assert set(fifth["id"]) < set(half["id"])
    assert len(select_embedded(papers, share=1, n=2_000)) == 2_000


def test_nothing_below_the_threshold_is_a_named_error():
    with pytest.raises(EmptyCorpusError, match="no astro test papers to embed"):
        select_embedded(texts(3), share=1e-12, n=3)


def test_the_train_sample_is_a_quarter_of_what_is_compared_within_bounds():
    papers = texts(2_300)
    sizes = {n: len(select_train(papers, n_compared=n)) for n in (10, 2_000, 3_000, 10_000)}
    assert sizes == {10: 500, 2_000: 500, 3_000: 750, 10_000: 2_000}
    assert len(select_train(texts(3), n_compared=10)) == 3


def test_the_train_sample_does_not_depend_on_the_order_and_a_larger_one_holds_a_smaller():
    papers = texts(900)
    chosen = select_train(papers, n_compared=10)
    assert chosen.equals(select_train(papers.reverse(), n_compared=10))
    assert set(select_train(papers, n_compared=2_800)["id"]) > set(chosen["id"])
    many = texts(2_100)
    larger = select_train(many, n_compared=6_000)
    assert larger.head(500).equals(select_train(many, n_compared=10))


def test_later_papers_displace_none_of_the_train_sample():
    old, later = texts(1_100), texts(900, year=2021)
    before = select_train(old, n_compared=10)
    for n_later in (1, 50, 900):
        grown = pl.concat([later.head(n_later), old])
        assert select_train(grown, n_compared=10).equals(before)
    least = {month: n for month, n in before["submission_month"].value_counts().iter_rows()}
    assert len(least) == 12 and min(least.values()) > 10, "over all months"


def test_below_its_size_the_train_sample_grows_and_keeps_all_it_had():
    old, later = texts(300), texts(200, year=2021)
    before, after = (select_train(some, n_compared=10) for some in (old, pl.concat([old, later])))
    assert len(before) == 300 and len(after) == 500
    assert set(before["id"]) < set(after["id"])


def test_at_a_power_of_two_the_train_sample_takes_in_later_months():
    papers = pl.concat([texts(1_024), texts(1_024, year=2021)])
    before, after = (select_train(papers.head(n), n_compared=10) for n in (2_047, 2_048))
    assert set(before["submission_month"].str.head(4)) == {"2020"}
    years = dict(after["submission_month"].str.head(4).value_counts().iter_rows())
    assert years["2021"] == pytest.approx(250, abs=50)


def test_papers_that_name_each_other_are_taken_in_pairs_and_none_twice(monkeypatch):
    papers = texts(6)
    ids = papers["id"].to_list()
    comments = [f"See arXiv:{ids[1]}", None, f"Part II of {ids[3]}", None, f"and {ids[5]}", None]
    papers = papers.with_columns(pl.Series("comments", comments))
    figure = papers.filter(pl.col("id") == ids[0])
    assert select_extra(papers, NONE, figure)["id"].to_list() == [
        ids[1], ids[2], ids[3], ids[4], ids[5]
    ]  # fmt: skip
    monkeypatch.setattr(selection, "MAX_EXTRA", 2)
    assert select_extra(papers, NONE, figure)["id"].to_list() == [ids[1]], "no half pairs"
    assert select_extra(papers, NONE, papers).is_empty()


def test_later_pairs_stand_behind_earlier_ones(monkeypatch):
    old, new = texts(2), texts(2, year=2021)
    old, new = (
        one.with_columns(pl.Series("comments", [f"see {one['id'][1]}", None])) for one in (old, new)
    )
    monkeypatch.setattr(selection, "MAX_EXTRA", 2)
    found = select_extra(pl.concat([new, old]), NONE, texts(1, year=1999))
    assert set(found["id"]) == set(old["id"])


def test_the_papers_own_pairs_are_taken_from_either_side():
    first, second = PAPER_PAIRS[1].titles
    test = texts(1, title=[first.upper()])
    train = texts(2, year=2010, title=["Another", second])
    found = select_extra(test, train, texts(1, year=1999))
    assert found["title"].to_list() == [first.upper(), second]


def test_the_subfield_is_the_first_of_astronomy_that_is_one():
    papers = texts(5, categories=["gr-qc astro-ph.CO astro-ph.HE", "astro-ph", "hep-ph",
                                  "astro-ph astro-ph.SR", "astro-ph.EP"])  # fmt: skip
    assert with_subfield(papers)["subfield"].to_list() == [
        "astro-ph.CO", None, None, None, "astro-ph.EP"
    ]  # fmt: skip
