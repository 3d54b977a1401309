"""What single sections say of their reports, in words; nothing is drawn for it."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from astro_assets.evaluation.pages.blocks import Table, Words, row, table
from astro_assets.evaluation.pages.content import PageForgetting, ReleasePage
from astro_assets.evaluation.pages.release import sections_of
from astro_assets.evaluation.pages.sections import completions
from astro_assets.evaluation.pages.sections.forgetting import forgetting_blocks
from astro_assets.evaluation.pages.sections.key_figures import key_figures
from astro_assets.evaluation.pages.sections.retrieval import retrieval_blocks
from tests.evaluation.pages.reports import (
    completion_report,
    embedding_report,
    knowledge_report,
    perplexity_report,
)
from tests.evaluation.pages.test_release import Page, only, rendered


def said(page: ReleasePage) -> str:
    """Return the paragraphs and tables of a page, its blanks made plain."""

    def texts() -> Iterator[str]:
        for block in (block for section in sections_of(page) for block in section.blocks):
            if isinstance(block, Words):
                yield block.text
            elif isinstance(block, Table):
                yield block.caption
                yield " ".join(block.head)
                yield " ".join(
                    f"{cell.text} {cell.small}" for cells in block.rows for cell in cells
                )

    return re.sub(r"\s+", " ", " ".join(texts()))


@pytest.mark.parametrize(
    ("rise", "words"),
    [(-0.6, "has never seen such prose"), (-0.02, "No forgetting shows there"),
     (0.03, "no more than is allowed"), (0.2, "has forgotten")],
)  # fmt: skip
def test_the_sentence_on_the_general_side_follows_the_rise(rise: float, words: str) -> None:
    assert words in said(only(perplexity=perplexity_report() | {"rise_general": rise}))


@pytest.mark.parametrize(
    ("rise", "drift", "words"),
    [
        (True, True, "Within bounds: on far fields perplexity changed by +1.9 % (allowed +5.0 %)"),
        (True, False, "Too much was forgotten: on far fields"),
        (False, None, "Too much was forgotten: on far fields"),
        (True, None, "Not all was measured: on far fields perplexity changed by +1.9 %"),
        (True, None, "the tuned model was not measured"),
        (None, True, "Not all was measured: on far fields perplexity was not measured against"),
        (None, True, "+0.147 nats per token away from it (allowed 0.25)"),
        (None, None, "The rings of forgetting were not measured"),
    ],
)
def test_the_judgement_of_forgetting_is_said_first(
    rise: bool | None, drift: bool | None, words: str
) -> None:
    judged = PageForgetting(0.019, "far fields", rise, 0.147, drift)
    text = said(only(perplexity=perplexity_report(), forgetting=judged))
    assert words in text
    assert ("Within bounds" in text) == (rise is drift is True)


def test_without_far_fields_the_page_says_what_was_read() -> None:
    judged = PageForgetting(0.02, "all general fields", True, 0.147, True)
    text = said(only(perplexity=perplexity_report(), forgetting=judged))
    assert "Within bounds: on all general fields perplexity changed by +2.0 %" in text


def rings_table(report: dict[str, Any]) -> Table:
    blocks = forgetting_blocks(only(perplexity=report))
    (found,) = (block for block in blocks if isinstance(block, Table))
    return found


def test_the_champion_s_forgetting_has_a_column() -> None:
    report = perplexity_report()
    found = rings_table(report)
    assert found.head[-3:] == ("Rise", "Nats per token", "Champion’s rise")
    assert "tuned and champion against base" in found.caption
    (far,) = (cells for cells in found.rows if cells[0].text == "far fields")
    assert (far[-1].text, far[-1].small) == ("+3.2\u202f%", "+2.0 to +4.4")
    assert "from base to tuned and champion" in str(forgetting_blocks(only(perplexity=report)))
    for ring in report["forgetting"]["rings"].values():
        ring["champion_minus_base"] = None
    found = rings_table(report)
    assert found.head[-1] == "Nats per token" and "champion against" not in found.caption


def test_a_ring_of_few_texts_has_a_rise_without_an_interval() -> None:
    report = perplexity_report()
    words = "Too few texts were measured for an interval where none stands."
    assert words not in said(only(perplexity=report))
    for label in ("tuned", "champion"):
        ends = dict.fromkeys(("low", "high", "rise_low", "rise_high"))
        report["forgetting"]["rings"]["far"][f"{label}_minus_base"] |= ends
    assert words in said(only(perplexity=report))
    (far,) = (cells for cells in rings_table(report).rows if cells[0].text == "far fields")
    assert [(far[i].text, far[i].small) for i in (-3, -1)] == [
        ("+1.9\u202f%", ""), ("+3.2\u202f%", ""),
    ]  # fmt: skip


def test_a_key_figure_beyond_its_bound_is_marked() -> None:
    report = perplexity_report()
    report["forgetting"]["drift_nats_per_token"] = 0.31
    page = only(perplexity=report)
    assert [figure.name for figure in key_figures(page) if figure.is_bad] == ["Drift on own text"]
    assert not any(figure.is_bad for figure in key_figures(replace(page, allowed_drift=0.4)))


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("not worse", "is not worse than its base by more than 5 %"),
        ("worse", "is worse than its base by more than 5 %"),
        ("undecided", "not decided"),
        ("not measurable", "not answer better than by chance"),
    ],
)
def test_the_knowledge_verdict_is_put_into_words(verdict: str, words: str) -> None:
    assert words in said(only(knowledge=knowledge_report(verdict)))


def test_the_users_questions_have_a_verdict_of_their_own() -> None:
    report = knowledge_report("not worse") | {"other_questions": knowledge_report("worse")}
    text = said(only(knowledge=report))
    assert text.index("is not worse than its base") < text.index("is worse than its base")


@pytest.mark.parametrize(
    ("fade", "words"),
    [((0.02, 0.01, 0.03), "is going stale"), ((-0.02, -0.03, -0.01), "is not stale"),
     ((0.001, -0.01, 0.012), "No staleness can be told")],
)  # fmt: skip
def test_staleness_is_put_into_words(fade: tuple[float, float, float], words: str) -> None:
    report = perplexity_report()
    report["forward"]["fade"] = dict(zip(("bits_per_byte", "low", "high"), fade, strict=True))
    assert words in said(only(perplexity=report))


def test_without_later_papers_it_is_said_when_there_will_be_some() -> None:
    text = said(only(perplexity=perplexity_report() | {"forward": None}))
    assert "fills with the first release after a promotion" in text


def test_only_some_completions_are_shown_and_the_rest_counted(tmp_path: Path) -> None:
    report = completion_report()
    report["items"] = report["items"] * 10
    page = Page(rendered(only(completions=report), tmp_path))
    assert [tag for tag, _ in page.tags].count("article") == completions.N_OPEN == 3
    assert page.text.count("arXiv:2606.01234") == completions.MAX_SHOWN == 12
    assert "18 more are in the completion report" in page.text


def test_an_empty_completion_is_said_to_be_one(tmp_path: Path) -> None:
    report = completion_report(completions={"base": [""], "tuned": []})
    assert "(nothing: the text ended at once)" in rendered(only(completions=report), tmp_path)


def test_a_report_without_a_champion_has_no_champion_on_its_page() -> None:
    report = perplexity_report() | {"forward": None, "tuned_minus_champion": None, "strata": None}
    report["near_copies_alone"] = None
    report["models"]["champion"] = report["with_near_copies"] = report["forgetting"] = None
    report["notes"] = []
    assert "champion" not in said(only(perplexity=report)).lower().replace(
        "a champion is asked", ""
    )


def test_the_page_says_that_near_copies_were_kept() -> None:
    text = said(only(completions={**completion_report(), "near_copies_left_out": None}))
    assert text.count("were kept (ASTRO_NEAR_COPIES=keep)") == 1


def test_vectors_that_miss_papers_are_told() -> None:
    report = embedding_report() | {"n_without_baseline": 17}
    assert "17 abstracts have no vector" in said(only(embeddings=report))


def test_columns_without_values_are_left_out_and_words_stand_left() -> None:
    rows = [row("a", "1.0", "–", "some words"), row("b", "2.0", "–", "–")]
    (made,) = table("caption", ("name", "number", "nothing", "verdict"), rows)
    assert made.head == ("name", "number", "verdict")
    assert made.sides == ("left", "right", "left")
    assert table("caption", ("name",), []) == []


def test_the_best_of_each_column_is_marked() -> None:
    (found,) = (
        block for block in retrieval_blocks(embedding_report())
        if isinstance(block, Table) and "masked: by meaning" in block.caption and not block.folded
    )  # fmt: skip
    best = [cell.text for cells in found.rows for cell in cells if cell.kind == "best"]
    assert best == ["55.0\u202f%", "75.0\u202f%", "0.600"]
