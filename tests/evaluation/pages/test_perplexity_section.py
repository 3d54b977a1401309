"""What the sections on perplexity and on later papers say, in words; nothing is drawn for it."""

import re
from collections.abc import Iterable

import pytest

from astro_assets.evaluation.pages.blocks import Block, Table, Words
from astro_assets.evaluation.pages.sections.forward import forward_blocks
from astro_assets.evaluation.pages.sections.perplexity import perplexity_blocks
from tests.evaluation.pages.reports import perplexity_report


def said(blocks: Iterable[Block]) -> str:
    told = [block.text for block in blocks if isinstance(block, Words)]
    return re.sub(r"\s+", " ", " ".join(told))


def table(blocks: Iterable[Block], caption: str) -> Table:
    (found,) = [one for one in blocks if isinstance(one, Table) and caption in one.caption]
    return found


def test_every_bound_is_told_with_what_it_is_of() -> None:
    assert (
        "At most 2,000,000 of held-out astronomy (ASTRO_MAX_EVAL_TOKENS), 480,000 of later papers"
        " (forward in time), 80,000 of every other set."
    ) in said(perplexity_blocks(perplexity_report()))


def test_split_papers_are_told_only_where_there_are_some() -> None:
    report = perplexity_report()
    assert "(base 6, tuned 6, champion 6) are read in windows, each after a fresh [BOS]" in said(
        perplexity_blocks(report)
    )
    for label in ("base", "tuned", "champion"):
        for field in ("astro", "general"):
            report["models"][label][field]["per_document"]["n_split_documents"] = 0
    assert "[BOS] in the middle" not in said(perplexity_blocks(report))


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.125, "12.5 % were trained on"), (None, "some may never have been trained on")],
)
def test_how_many_training_blocks_were_trained_on(share: float | None, words: str) -> None:
    report = perplexity_report()
    report["reductions"]["train_share_read"] = share
    assert words in said(perplexity_blocks(report))


def test_near_copies_are_told_by_themselves_with_their_number() -> None:
    blocks = perplexity_blocks(perplexity_report())
    found = table(blocks, "near copies of training papers out and in")
    assert found.head[-1] == "Near copies alone"
    assert [cell.text for cell in found.rows[0]] == ["base", "1.2431", "1.2421", "1.1431"]
    told = said(blocks)
    assert "Kept in: the 4,811 papers above and 9 near copies beside them" in told
    assert "Near copies alone: 77 near copies." in told


def test_near_copies_of_which_none_falls_into_the_sample_are_said_to_change_nothing() -> None:
    report = perplexity_report()
    report["near_copies_kept_in"] = 0
    for label, figures in report["with_near_copies"].items():
        figures |= report["models"][label]["astro"]["per_document"]
    blocks = perplexity_blocks(report)
    assert "Kept in is the same as left out" in said(blocks)
    assert "none of the near copies falls among the 4,811 papers above" in said(blocks)
    cells = table(blocks, "near copies of training papers out and in").rows[0]
    assert [cell.text for cell in cells] == ["base", "1.2431", "1.2431", "1.1431"]


def test_where_copies_are_read_less_far_than_papers_it_says_how_far() -> None:
    report = perplexity_report()
    for figures in report["with_near_copies"].values():
        figures["n_documents"] = 1_001
    report["near_copies_kept_in"] = 1
    assert "Kept in: the first 1,000 of the 4,811 papers above and 1 near copy beside them" in said(
        perplexity_blocks(report)
    )
    report |= {"with_near_copies": None, "near_copies_kept_in": 0}
    blocks = perplexity_blocks(report)
    assert table(blocks, "near copies").head == ("Model", "Left out", "Near copies alone")
    assert "Near copies alone: 77 near copies." in said(blocks)


def test_a_report_from_before_kept_in_copies_were_counted_kept_all_of_them_in() -> None:
    report = perplexity_report()
    del report["near_copies_kept_in"]
    assert "the 4,811 papers above and 77 near copies beside them" in said(
        perplexity_blocks(report)
    )


@pytest.mark.parametrize(
    ("n_tokens", "change"), [(1_204_331, "−22.5\u202f%"), (1_204_330, "–"), (None, "–")]
)
def test_a_champion_has_a_change_where_it_reads_the_base_s_tokens(
    n_tokens: int | None, change: str
) -> None:
    report = perplexity_report()
    report["models"]["champion"]["astro"]["per_document"]["n_tokens"] = n_tokens
    found = table(perplexity_blocks(report), "Astronomy, held out")
    changes = {cells[0].text: cells[found.head.index("Change")].text for cells in found.rows}
    assert changes == {"base": "–", "tuned": "−24.3\u202f%", "champion": change}


def test_few_documents_are_told_without_an_interval() -> None:
    report = perplexity_report()
    figures = report["models"]["base"]["astro"]["per_document"]
    figures["interval"] = {"perplexity": [None, None], "bits_per_byte": [None, None]}
    base = table(perplexity_blocks(report), "Astronomy, held out").rows[0]
    assert [(cell.text, cell.small) for cell in base[1:3]] == [("1.2431", ""), ("81.25", "")]
    assert "Too few papers were measured for an interval" in said(perplexity_blocks(report))


def test_a_report_from_before_near_copies_stood_alone_is_shown_without_them() -> None:
    report = perplexity_report()
    del report["near_copies_alone"]
    found = table(perplexity_blocks(report), "near copies of training papers out and in")
    assert found.head == ("Model", "Left out", "Kept in")


def test_a_difference_without_an_interval_says_why() -> None:
    report = perplexity_report()
    assert "Too few papers" not in said(perplexity_blocks(report))
    report["tuned_minus_champion"]["astro"] |= {"low": None, "high": None}
    blocks = perplexity_blocks(report)
    assert "Too few papers were measured for an interval" in said(blocks)
    (champion,) = [row for row in table(blocks, "Differences").rows if "champion" in row[0].text]
    assert (champion[1].text, champion[1].small) == ("−0.0061", "")


def test_empty_strata_say_why_and_which_setting_raises_them() -> None:
    report = perplexity_report()
    assert "ASTRO_MAX_EVAL_TOKENS measures more" not in said(perplexity_blocks(report))
    report["strata"] = {"year": [], "subfield": [], "place": []}
    report["strata_left_out"] = {"year": 30, "subfield": 6, "place": 2}
    told = said(perplexity_blocks(report))
    assert "fewer than 200 papers are not shown: 30 by year, 6 by subfield, 2 by place" in told
    assert "Only 4,811 papers of astronomy were measured; a larger ASTRO_MAX_EVAL_TOKENS" in told


def test_contemporaries_are_told_with_the_month_they_begin_with() -> None:
    report = perplexity_report()
    assert "Random test papers are its contemporaries" in said(forward_blocks(report))
    report["forward"]["contemporaries"]["since"] = "2023-01"
    assert "papers from 2023-01 on are its contemporaries" in said(forward_blocks(report))


@pytest.mark.parametrize(
    ("per_month", "n_own", "words"),
    [(1, 99, "too few papers newer than it were measured"),
     (99, 7, "too few papers of its own time were measured")],
)  # fmt: skip
def test_staleness_is_not_judged_by_a_few_papers(per_month: int, n_own: int, words: str) -> None:
    report = perplexity_report()
    forward = report["forward"] | {"fade": None}
    forward["months"] = forward["months"][:1]
    forward["months"][0]["n_documents"] = per_month
    forward["months"][0]["gain"] |= {"low": None, "high": None}
    forward["contemporaries"]["n_documents"] = n_own
    blocks = forward_blocks(report | {"forward": forward})
    assert f"How stale the champion of 2024-12 is cannot be told: {words}" in said(blocks)
    assert "Too few papers were measured for an interval where none stands" in said(blocks)
    gain = table(blocks, "Bits per byte").rows[1][-1]
    assert (gain.text, gain.small) == ("+0.0800", "")
    for month in forward["months"]:
        month["gain"] = None
    assert "it has no base beside it here" in said(forward_blocks(report | {"forward": forward}))


def test_why_nothing_is_told_forward_in_time_stands_there_and_only_there() -> None:
    note = "forward in time: not measured; which month the champion knows last is not known"
    report = perplexity_report() | {"forward": None, "notes": [note]}
    assert said(forward_blocks(report)) == f"F{note[1:]}."
    assert note not in said(perplexity_blocks(report))
