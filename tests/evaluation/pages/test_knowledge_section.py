"""What the section on knowledge says of its headline, of what was left out, and of chance."""

import re

from astro_assets.evaluation.pages.blocks import Table, Words
from astro_assets.evaluation.pages.sections.knowledge import knowledge_blocks
from tests.evaluation.pages.reports import knowledge_report


def said(report):
    texts = []
    for block in knowledge_blocks(report):
        if isinstance(block, Words):
            texts.append(block.text)
        elif isinstance(block, Table):
            texts += [block.caption, *(f"{c.text} {c.small}" for row in block.rows for c in row)]
    return re.sub(r"\s+", " ", " ".join(texts))


def test_the_base_s_figure_is_told_to_be_the_best_of_several():
    told = said(knowledge_report())
    assert "rests on “whole answer”, chosen on the base alone" in told
    assert "the base’s figure is the best of its methods" in told
    assert "asked of none" not in told


def test_of_a_single_model_nothing_is_chosen():
    report = knowledge_report(verdict=None)
    report["models"] = {"model": report["models"]["base"]}
    told = said(report)
    assert "The figures that lead are those of “whole answer”" in told
    assert "chosen on the base" not in told


def test_questions_that_were_left_out_are_counted():
    told = said(knowledge_report() | {"n_left_out": 3})
    assert "60 multiple-choice questions (bundled questions), asked in several ways. 3 too" in told


def test_naming_the_most_frequent_constellation_stands_beside_chance():
    report = knowledge_report()
    assert "chance: 1.1 %)" in said(report)
    report["constellations"]["most_frequent_share"] = 0.0625
    told = said(report)
    assert "(chance: 1.1 %; always the most frequent one: 6.2 %)" in told


def test_equations_ranked_first_have_an_interval():
    report = knowledge_report()
    report["equations"]["models"]["base"] |= {"low": 0.04, "high": 0.22}
    assert "10.0 % 4.0 to 22.0" in said(report)


def test_a_champion_has_a_column_and_its_difference():
    report = knowledge_report()
    assert "champion" not in said(report)
    for found in (report, *report["methods"].values()):
        found["models"]["champion"] = {"accuracy": 0.4, "low": 0.3, "high": 0.5}
        found["tuned_minus_champion"] = {"accuracy": -0.0667, "low": -0.15, "high": 0.02}
    (table,) = [
        b for b in knowledge_blocks(report) if isinstance(b, Table) and "Right" in b.caption
    ]
    assert table.head[1:] == (
        "base", "tuned", "champion", "Tuned − base", "Tuned − champion", "Verdict",
    )  # fmt: skip
    cell = table.rows[0][5]
    assert cell.text.startswith("−6.7") and cell.small == "−15.0 to +2.0"
