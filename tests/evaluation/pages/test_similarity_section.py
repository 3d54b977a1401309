"""The section on similarity: a file of vectors beside models and baseline, bars that end at 1."""

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from astro_assets.evaluation.figures import similarity as figures
from astro_assets.evaluation.figures.style import DESK, Drawing
from astro_assets.evaluation.pages.blocks import Block, Picture, Table, Words
from astro_assets.evaluation.pages.sections.similarity import similarity_blocks
from tests.evaluation.pages.embedding_content import embedding_report, with_vectors
from tests.evaluation.pages.reports import reports_from_before

NAME = "ada-002 <script>"


def words(blocks: list[Block]) -> str:
    return "\n".join(block.text for block in blocks if isinstance(block, Words))


def tables(report: dict[str, Any]) -> list[Table]:
    return [block for block in similarity_blocks(report) if isinstance(block, Table)]


def drawn(drawing: Drawing | None) -> Figure:
    assert drawing is not None
    return drawing.draw(DESK)


def in_legend(figure: Figure) -> list[str]:
    found = figure.axes[0].get_legend()
    assert found is not None
    return [text.get_text() for text in found.get_texts()]


def test_a_file_of_vectors_stands_in_every_table_by_its_name() -> None:
    ranks, telling, ours = tables(with_vectors(NAME))
    assert [cells[0].text for cells in ranks.rows] == [
        "base", "tuned", NAME, "TF-IDF, 4,096 words"
    ]  # fmt: skip
    assert ranks.rows[2][1].text == "0.660" and ranks.rows[2][3].text == "–"
    column = telling.head.index(NAME)
    assert column == 3 and telling.rows[0][column].text == "0.812"
    assert ours.head[1:3] == ("ada-002, published", "AstroLLaMA, published")
    assert ours.rows[0][ours.head.index(NAME)].text == "0.812"


def test_it_is_told_what_it_is_and_which_papers_it_lacks() -> None:
    said = words(similarity_blocks(with_vectors(NAME) | {"n_without_baseline": 3}))
    assert f"vectors of the same abstracts, read from a file ({NAME}), are compared" in said
    assert "3 abstracts have no vector of the baseline’s and are not compared." in said
    assert f"7 abstracts have no vector in {NAME} and are not compared." in said
    without = words(similarity_blocks(embedding_report()))
    assert "read from a file" not in without and "no vector" not in without


def test_figures_call_it_by_its_name_and_draw_it_like_a_model() -> None:
    report = with_vectors("ada-002")
    for make in (figures.bins, figures.bins_by_model):
        drawing = make(report)
        figure = drawn(drawing)
        assert in_legend(figure) == ["base", "tuned", "ada-002"]
        assert drawing is not None and "ada-002" in drawing.said
        assert {line.get_marker() for line in figure.axes[0].lines} >= {"o", "D"}
    assert "ada-002" in in_legend(drawn(figures.spread(report)))
    assert "ada-002" not in in_legend(drawn(figures.bins(embedding_report())))
    assert "<script" not in "".join(
        block.drawing.svg()
        for block in similarity_blocks(with_vectors(NAME))
        if isinstance(block, Picture)
    )


def test_reports_from_before_still_show() -> None:
    old = reports_from_before()["embeddings"]
    assert tables(old)
    report = embedding_report()
    for key in ("vectors", "n_without_vectors", "n_without_baseline"):
        del report[key]
    assert words(similarity_blocks(report)) == words(similarity_blocks(embedding_report()))
    assert tables(report) == tables(embedding_report())


@pytest.mark.parametrize("make", [figures.bins, figures.bins_by_model])
def test_bars_end_where_cosines_do(make: Any) -> None:
    report = embedding_report()
    for one in report["bins"]:
        one["base"] = {"mean": 0.97, "std": 0.2}
        one["tuned"] = {"mean": -0.9, "std": 0.2}
    for items in report["bins_by_model"].values():
        for one in items:
            one["baseline"] = {"mean": 0.97, "std": 0.2}
    figure = drawn(make(report))
    ends = np.concatenate(
        [
            [y for bar in lines.get_segments() for _, y in bar]
            for lines in figure.axes[0].collections
        ]
    )
    assert ends.max() == pytest.approx(1) and ends.min() >= -1
    assert {round(end, 2) for end in ends} <= {1.0, 0.77, -0.7, -1.0}
    assert figure.axes[0].lines[0].get_ydata()[0] == 0.97, "dots stay where they are"
