"""The corpus section of the release page: figures, and the paper's beside them."""

from dataclasses import replace
from pathlib import Path

from astro_assets.corpus.published import Published
from tests.evaluation.pages.content import full_page
from tests.evaluation.pages.test_release import ATTACKS, assert_harmless, only, rendered


def test_the_corpus_stands_in_figures_beside_the_papers(tmp_path: Path) -> None:
    page = assert_harmless(rendered(only(corpus=full_page().corpus), tmp_path))
    for told in (
        "astro-ph.CO 8,765 8,764 2,191,250 250.0 260.0", "2025 4,321 4,320 1,080,250 250.0 290.5",
        "281.5 in the median", "two more per paper, are not counted",
        "papers, astro-ph first 326,238 25,330", "does not say 77,000,000 5,000,000",
        "share of papers held out 20.0 % 21.0 %",
    ):  # fmt: skip
        assert told in page.text, told
    assert page.text.index("astro-ph 999") < page.text.index("astro-ph.CO 8,765")


def test_why_it_does_not_stand_beside_the_papers_is_said(tmp_path: Path) -> None:
    corpus = full_page().corpus
    assert corpus is not None
    apart = replace(corpus, published=Published(why_not="the snapshot is <b>small</b>"))
    page = assert_harmless(rendered(only(corpus=apart), tmp_path))
    assert "Not set beside the paper’s corpus: the snapshot is <b>small</b>." in page.text
    assert "326,238" not in page.text


def test_names_in_the_statistics_are_text(tmp_path: Path) -> None:
    corpus = full_page().corpus
    assert corpus is not None and corpus.statistics is not None
    row = corpus.statistics["by_subfield"]["astro-ph"]
    hostile = {**corpus.statistics, "by_subfield": dict.fromkeys(ATTACKS, row)}
    page = assert_harmless(rendered(only(corpus=replace(corpus, statistics=hostile)), tmp_path))
    for attack in ATTACKS:
        assert attack in page.text


def test_a_release_tokenised_before_there_were_statistics_has_a_page(tmp_path: Path) -> None:
    corpus = full_page().corpus
    assert corpus is not None
    page = assert_harmless(rendered(only(corpus=replace(corpus, statistics=None)), tmp_path))
    assert "256 in the median" in page.text and "Papers and tokens by" not in page.text
