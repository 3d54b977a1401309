"""Figures a reader can check by hand."""

import json

import numpy as np

from astro_assets.corpus.categories import pack_categories
from astro_assets.corpus.statistics import Documents, corpus_statistics


def documents(month: str, side: str, *papers: tuple[int, str]) -> Documents:
    return Documents(
        month,
        side,
        np.array([n for n, _ in papers], dtype=np.int64),
        pack_categories(categories for _, categories in papers),
    )


STREAMS = [
    documents("2008-12", "train", (10, "astro-ph"), (30, "gr-qc astro-ph")),
    documents("2008-12", "test"),
    documents("2009-01", "train", (20, "astro-ph.CO astro-ph.GA")),
    documents("2009-02", "test", (60, "astro-ph.GA"), (5, "hep-ph astro-ph.CO")),
]


def test_papers_tokens_mean_and_median() -> None:
    found = corpus_statistics(STREAMS)
    assert found["all"] == {
        "papers": 5, "papers_first": 3, "tokens": 125, "mean_tokens": 25.0, "median_tokens": 20.0,
    }  # fmt: skip
    assert found["train"]["papers"] == 3 and found["train"]["tokens"] == 60
    assert found["test"]["papers"] == 2 and found["test"]["median_tokens"] == 32.5


def test_by_year_of_submission() -> None:
    found = corpus_statistics(STREAMS)["by_year"]
    assert list(found) == ["2008", "2009"]
    assert (found["2008"]["papers"], found["2008"]["papers_first"]) == (2, 1)
    assert (found["2009"]["tokens"], found["2009"]["median_tokens"]) == (85, 20.0)


def test_by_subfield_at_any_place_and_first() -> None:
    found = corpus_statistics(STREAMS)["by_subfield"]
    counted = {n: (row["papers"], row["papers_first"], row["tokens"]) for n, row in found.items()}
    assert counted == {
        "astro-ph": (2, 1, 40),
        "astro-ph.CO": (2, 1, 25),
        "astro-ph.GA": (2, 1, 80),
    }


def test_no_papers_have_no_mean() -> None:
    found = corpus_statistics([documents("2009-01", "test")])
    assert found["all"]["mean_tokens"] is None and found["by_year"] == {}
    assert corpus_statistics([])["all"]["papers"] == 0


def test_figures_are_plain_values() -> None:
    found = corpus_statistics(STREAMS)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
