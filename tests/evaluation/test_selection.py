import polars as pl
import pytest

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import EmptyCorpusError
from astro_assets.evaluation.selection import (
    leave_out,
    measured_papers,
    take_held_out,
    take_papers,
    take_tokens,
    within,
)
from tests.evaluation.planted import papers


def test_the_sample_does_not_depend_on_the_order_of_papers():
    frame = papers(30)
    assert take_papers(frame, 7, what="x") == take_papers(frame.reverse(), 7, what="x")


def test_a_larger_sample_begins_with_the_smaller_one_also_after_growth():
    few, many = take_papers(papers(30), 5, what="x"), take_papers(papers(30), 9, what="x")
    assert many.ids[:5] == few.ids
    grown = take_papers(pl.concat([papers(30), papers(30, word="stars")]), what="x")
    assert [paper for paper in grown.ids if paper in few.ids] == list(few.ids)


def test_the_sample_is_not_the_first_papers():
    assert set(take_papers(papers(100), 10, what="x").ids) != set(papers(10)["id"])


def test_titles_may_be_missing_and_bytes_are_utf8():
    frame = pl.DataFrame(
        {"id": ["1"], "title": [None], "text": ["é"]},
        schema={"id": pl.String, "title": pl.String, "text": pl.String},
    )
    sample = take_papers(frame, what="x")
    assert sample.titles == ("",)
    assert sample.n_bytes == [2]


def test_a_sample_keeps_what_is_known_of_its_papers():
    frame = papers(9, categories="astro-ph.GA").with_columns(
        submission_month=pl.Series([f"2020-0{n + 1}" for n in range(8)] + [None]),
        primary_category=pl.lit("astro-ph.GA"),
    )
    sample = take_papers(frame, what="x")
    months = dict(zip(frame["id"], frame["submission_month"], strict=True))
    assert sample.months == tuple(months[paper] or "" for paper in sample.ids)
    assert sample.categories == sample.primary_categories == ("astro-ph.GA",) * 9
    few = sample.first(2)
    assert (few.ids, few.months) == (sample.ids[:2], sample.months[:2])
    assert len(few.categories) == len(few.primary_categories) == len(few.texts) == 2


def test_what_a_table_does_not_tell_is_empty():
    sample = take_papers(papers(3).drop("categories"), what="x")
    assert (sample.months, sample.categories, sample.primary_categories) == ((), (), ())
    assert sample.first(1).ids == sample.ids[:1]


def test_texts_of_ones_own_are_bounded_in_their_order(tiny_base):
    tokenizer, sample = Tokenizer.load(tiny_base), take_papers(papers(6), what="x")
    lengths = [len(ids) for ids in tokenizer.encode_batch(sample.texts)]
    taken = within(sample, tokenizer, max_tokens=sum(lengths[:4]))
    assert taken.ids == sample.ids[:4]


def test_no_papers_is_a_named_error():
    with pytest.raises(EmptyCorpusError, match="no astro test papers"):
        take_papers(papers(3).head(0), what="astro test papers")


def test_a_token_sample_holds_as_many_papers_as_fit(tiny_base):
    tokenizer = Tokenizer.load(tiny_base)
    everything = take_papers(papers(20), what="x")
    lengths = [len(ids) for ids in tokenizer.encode_batch(everything.texts)]
    exactly_three = sum(lengths[:3])
    for budget, n_expected in ((exactly_three, 3), (exactly_three - 1, 2), (1, 1), (10**6, 20)):
        taken = take_tokens(papers(20), tokenizer, max_tokens=budget, what="x")
        assert taken.ids == everything.ids[:n_expected]


def test_papers_are_left_out_by_id_and_counted():
    all_in = papers(5)
    left, n = leave_out(all_in, {"galaxies-001", "galaxies-003", "of another table"})
    assert left["id"].to_list() == ["galaxies-000", "galaxies-002", "galaxies-004"] and n == 2
    assert leave_out(all_in, ())[1] == 0
    kept, none = leave_out(all_in, None)
    assert kept is all_in and none is None


def test_general_papers_of_replayed_or_mixed_fields_are_not_measured(tiny_base):
    general = pl.concat(
        [
            papers(3, word="lasers"),
            papers(4, word="groups", categories="math.GR"),
            papers(5, word="codes", categories="cs.IT math.IT"),
            papers(2, word="cells", categories="q-bio.NC"),
        ]
    )
    assert set(measured_papers(general)["id"]) == set(papers(3, word="lasers")["id"]) | set(
        papers(2, word="cells")["id"]
    )
    chosen = take_held_out(
        {"astro": papers(6), "general": general},
        Tokenizer.load(tiny_base),
        max_tokens=10**6,
        near_copies={"astro": ["galaxies-001"], "general": ["lasers-000", "groups-000"]},
    )
    assert sorted(chosen.samples["general"].ids) == [
        "cells-000", "cells-001", "lasers-001", "lasers-002",
    ]  # fmt: skip
    assert chosen.near_copies_left_out == {"astro": 1, "general": 1}
    assert (chosen.general["n_test_papers"], chosen.general["n_measured_papers"]) == (14, 5)
    assert "math" in chosen.general["replayed"]


def test_no_paper_of_a_measured_field_is_a_named_error(tiny_base):
    texts = {"astro": papers(2), "general": papers(3, categories="math.NT")}
    with pytest.raises(EmptyCorpusError, match="no general test papers"):
        take_held_out(texts, Tokenizer.load(tiny_base), max_tokens=100, near_copies=None)
