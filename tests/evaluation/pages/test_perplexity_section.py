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
    assert "the 4,811 papers above and 77 near copies beside them" in said(blocks)


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


def test_why_nothing_is_told_forward_in_time_stands_there_and_only_there() -> None:
    note = "forward in time: not measured; which month the champion knows last is not known"
    report = perplexity_report() | {"forward": None, "notes": [note]}
    assert said(forward_blocks(report)) == f"F{note[1:]}."
    assert note not in said(perplexity_blocks(report))
