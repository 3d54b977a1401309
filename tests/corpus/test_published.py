import re

import pytest

from astro_assets.corpus.published import Source, compare_with_paper, is_full_snapshot


def summary(papers: int, tokens: int) -> dict:
    return {
        "papers": papers, "papers_first": papers // 2, "tokens": tokens,
        "mean_tokens": tokens / papers, "median_tokens": 280.0,
    }  # fmt: skip


OURS = {"all": summary(300, 90_000), "train": summary(240, 72_000), "test": summary(60, 18_000)}


def source(origin="kaggle", n_records=3_000_000, vintage="2023-08-05", through="2023-07"):
    return Source(origin, n_records, vintage=vintage, updates_through=through)


def compared(release="2023-07", n_vocab=32_000, category_rule="any", **given):
    return compare_with_paper(
        release,
        OURS,
        n_vocab=n_vocab,
        category_rule=category_rule,
        source=given.get("source", source()),
    )


@pytest.mark.parametrize(
    ("origin", "n_records", "full"),
    [
        ("kaggle", 10, True),
        ("oai", 450_000, True),
        ("file", 75_207, False),
        ("file", 1_999_999, False),
        ("file", 2_000_000, True),
        ("synthetic", 5_000_000, False),
    ],
)
def test_which_snapshots_are_the_whole_of_arxiv(origin, n_records, full) -> None:
    assert is_full_snapshot(origin, n_records) is full


def test_the_papers_release_stands_beside_the_paper() -> None:
    rows = {row.what: row for row in compared().rows}
    assert (rows["papers"].paper, rows["papers"].ours) == (326_238, 300)
    assert rows["papers, astro-ph first"].ours == 150
    assert (rows["tokens"].paper, rows["tokens"].ours) == (95e6, 90_000)
    assert (rows["tokens to train on"].paper, rows["tokens to train on"].ours) == (77e6, 72_000)
    assert rows["tokens per abstract, median"].paper == 291
    assert round(rows["tokens per abstract, mean"].paper) == 291
    assert rows["share of papers held out"].ours == 0.2
    assert "another tokenizer" not in rows["tokens"].note


def test_tokens_of_another_tokenizer_are_called_so() -> None:
    notes = {row.what: row.note for row in compared(n_vocab=512).rows}
    assert "another tokenizer (512 ids, not 32,000)" in notes["tokens"]
    assert "another tokenizer" in notes["tokens to train on"]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"release": "2023-08"}, "is release 2023-07, this is 2023-08"),
        ({"source": source("file", 75_207)}, r"\(75,207 records\) is not the whole of arXiv"),
        ({"source": source("synthetic")}, "not the whole"),
        ({"source": None}, "no longer known"),
        (
            {"source": source(vintage="2023-05-14", through="2023-06")},
            "from 2023-05-14 and changes are known through 2023-06 only",
        ),
        ({"source": source(vintage="2023-07-30", through="2023-06")}, "from 2023-07-30"),
        ({"source": source("oai", vintage="2023-04-01", through="2023-03")}, "through 2023-03"),
        ({"source": source("file", vintage="2023-04-01", through="2023-03")}, "through 2023-03"),
    ],
)
def test_anything_else_does_not_and_says_why(given, why) -> None:
    found = compared(**given)
    assert found.rows == ()
    assert re.search(why, found.why_not)


@pytest.mark.parametrize(
    ("vintage", "through"),
    [("2023-07-31", "2023-06"), ("2023-05-14", "2023-07"), ("2026-01-01", "2026-01")],
)
def test_an_older_snapshot_will_do_where_changes_were_harvested_since(vintage, through) -> None:
    assert compared(source=source(vintage=vintage, through=through)).rows


def test_the_rule_of_categories_is_said() -> None:
    for rule, said in (("any", "any, astro-ph at any place"), ("primary", "the next row")):
        note = next(row.note for row in compared(category_rule=rule).rows if row.what == "papers")
        assert said in note and len(note) <= 160, "pages cut longer notes"
