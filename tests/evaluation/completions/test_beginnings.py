import polars as pl
import pytest

from astro_assets.errors import EmptyCorpusError
from astro_assets.evaluation.completions.beginnings import take_beginnings
from tests.evaluation.planted import papers


def one_paper(text):
    return pl.DataFrame({"id": ["1"], "title": ["T"], "text": [text]})


def test_the_beginning_is_the_first_sentence_with_as_many_more_as_make_twelve_words():
    short_first = "We see dust. We see gas too. We count every star in the whole field. The rest."
    (beginning,) = take_beginnings(one_paper(short_first), 1)
    assert beginning.prompt.endswith("whole field.")
    assert beginning.truth == "The rest."


def test_abstracts_of_one_sentence_are_passed_over():
    one = one_paper("Only one sentence here.")
    mixed = pl.concat([one, papers(3).select("id", "title", "text")])
    assert [b.paper for b in take_beginnings(mixed, 9)] == [
        b.paper for b in take_beginnings(papers(3), 9)
    ]
    with pytest.raises(EmptyCorpusError, match="None of 1 astro test papers"):
        take_beginnings(one, 1)


def test_prompt_and_truth_make_the_abstract():
    texts = dict(papers(8).select("id", "text").iter_rows())
    for beginning in take_beginnings(papers(8), 8):
        assert f"{beginning.prompt} {beginning.truth}" == texts[beginning.paper]


def test_fewer_are_the_first_of_more_whatever_order_papers_come_in():
    assert take_beginnings(papers(8).reverse(), 3) == take_beginnings(papers(8), 8)[:3]


def test_endless_texts_are_bounded():
    (beginning,) = take_beginnings(one_paper("x " * 50_000 + "end. " + "And so on. " * 50_000), 1)
    assert (len(beginning.prompt), len(beginning.truth)) == (10_000, 10_000)
