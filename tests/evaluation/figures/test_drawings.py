"""All figures of the reports: what is in them, in every look, and that they stay the same."""

import re
from typing import Any

import pytest

from astro_assets.evaluation.figures import forgetting, forward, perplexity, similarity, strata
from astro_assets.evaluation.figures.gallery import drawings_of
from astro_assets.evaluation.figures.history import bits_by_release
from astro_assets.evaluation.figures.style import DESK, PHONE, PRINTED, Drawing, Look, n_columns
from tests.evaluation.pages.reports import (
    embedding_report,
    knowledge_report,
    perplexity_report,
    reports_from_before,
)

REPORTS = {
    "perplexity_report": perplexity_report(),
    "embedding_report": embedding_report(),
    "knowledge_report": knowledge_report(),
}
EVERYTHING = [
    pytest.param(drawing, id=drawing.name)
    for asset, report in REPORTS.items()
    for drawing in drawings_of(asset, report, allowed_rise=0.05, allowed_drift=0.25)
]


def lines(figure: Any, place: int = 0) -> dict[str, list[float]]:
    """Return the labelled lines of one panel: label -> heights."""
    return {
        str(line.get_label()): list(line.get_ydata())
        for line in figure.axes[place].lines
        if not str(line.get_label()).startswith("_")
    }


def drawn(made: Drawing | None, look: Look = DESK) -> Any:
    assert made is not None
    return made.draw(look)


def test_every_report_has_its_figures() -> None:
    names = {a: [d.name for d in drawings_of(a, r)] for a, r in REPORTS.items()}
    assert names == {
        "perplexity_report": [
            "bits_per_byte", "reductions", "bits_by_year", "bits_by_subfield", "forward_in_time",
            "forgetting",
        ],
        "embedding_report": ["similarity", "similarity_by_model", "similarity_spread"],
        "knowledge_report": ["knowledge"],
    }  # fmt: skip
    assert drawings_of("completion_report", {}) == []
    others = knowledge_report() | {"other_questions": knowledge_report()}
    names_of_both = [d.name for d in drawings_of("knowledge_report", others)]
    assert names_of_both == ["knowledge", "other_questions"]


def test_reports_from_before_and_empty_ones_have_fewer() -> None:
    old = reports_from_before()
    assert [d.name for d in drawings_of("perplexity_report", old["perplexity"])] == [
        "bits_per_byte"
    ]
    assert [d.name for d in drawings_of("embedding_report", old["embeddings"])] == [
        "similarity", "similarity_spread",
    ]  # fmt: skip
    for asset in REPORTS:
        assert drawings_of(asset, {}) == []


@pytest.mark.parametrize("drawing", EVERYTHING)
def test_letters_stay_readable_and_within_on_a_phone(drawing: Drawing) -> None:
    figure = drawing.draw(PHONE)
    figure.draw_without_rendering()
    width, height = figure.get_size_inches() * figure.dpi
    for axes in figure.axes:
        texts = [axes.xaxis.label, axes.yaxis.label, *axes.texts]
        texts += [*axes.get_xticklabels(), *axes.get_yticklabels()]
        texts += [] if axes.get_legend() is None else axes.get_legend().get_texts()
        for text in (t for t in texts if t.get_text() and t.get_visible()):
            assert text.get_fontsize() >= 7.5
            box = text.get_window_extent()
            if not (_within(text, axes.get_xticklabels(), axes.get_xlim(), 0)
                    and _within(text, axes.get_yticklabels(), axes.get_ylim(), 1)):  # fmt: skip
                continue  # a tick beyond the axis is not drawn
            assert box.x0 >= -1 and box.x1 <= width + 1, text.get_text()
            assert box.y0 >= -1 and box.y1 <= height + 1, text.get_text()


def _within(text: Any, ticks: list[Any], ends: tuple[float, float], place: int) -> bool:
    return text not in ticks or min(ends) <= text.get_position()[place] <= max(ends)


@pytest.mark.parametrize("drawing", EVERYTHING)
def test_a_picture_is_small(drawing: Drawing) -> None:
    picture = drawing.png()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(picture) < 60_000, "it is kept in the metadata of every materialisation"


def test_the_same_numbers_give_the_same_bytes_and_others_others() -> None:
    def made(bits: float) -> tuple[str, bytes]:
        report = perplexity_report()
        report["models"]["tuned"]["astro"]["per_document"]["bits_per_byte"] = bits
        drawing = perplexity.bits_per_byte(report)
        assert drawing is not None
        return drawing.svg(), drawing.png()

    assert made(1.15) == made(1.15)
    assert made(1.15)[0] != made(1.16)[0] and made(1.15)[1] != made(1.16)[1]


def test_what_is_said_is_an_attribute_and_nothing_else() -> None:
    hostile = Drawing("x", '"><script>alert(1)</script>', lambda look: drawn(None or SOME, look))
    svg = hostile.svg()
    assert "<script" not in svg
    assert 'aria-label="&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"' in svg


SOME = perplexity.bits_per_byte(perplexity_report())


def test_dots_stand_at_their_values_with_their_intervals() -> None:
    figure = drawn(SOME)
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in dots[:3]] == [1.2431, 1.1512, 1.1603]
    bars = [list(line.get_xdata()) for line in figure.axes[0].lines if line.get_marker() != "o"]
    assert bars[1] == pytest.approx([1.1512 - 0.006, 1.1512 + 0.006])
    written = [text.get_text() for text in figure.axes[0].texts]
    assert written[:3] == ["1.2431", "1.1512", "1.1603"]


def test_the_papers_figure_stands_beside_ours() -> None:
    drawing = perplexity.reductions(perplexity_report())
    assert drawing is not None and "the paper, training blocks 32.5%" in drawing.said
    assert "ours, training blocks 28.1%" in drawing.said


def test_years_have_a_line_per_model_and_a_band() -> None:
    figure = drawn(strata.by_year(perplexity_report()))
    assert set(lines(figure)) == {"base", "tuned", "champion"}
    assert len(lines(figure)["base"]) == 32
    (band,) = figure.axes[1].collections
    low, high = band.get_paths()[0].get_extents().intervaly
    values = [s["tuned_minus_base"] for s in perplexity_report()["strata"]["year"]]
    assert low == pytest.approx(min(v["low"] for v in values))
    assert high == pytest.approx(max(v["high"] for v in values))


def test_years_that_are_taken_together_stand_in_their_middle() -> None:
    report = perplexity_report()
    report["strata"]["year"][0]["name"] = "1990–1995"
    report["strata"]["year"][1]["name"] = "not a year"
    (base,) = [
        line for line in drawn(strata.by_year(report)).axes[0].lines if line.get_label() == "base"
    ]
    assert list(base.get_xdata()[:2]) == [1992.5, 1997.0]


def test_subfields_are_ordered_and_places_come_last() -> None:
    axes = drawn(strata.by_subfield(perplexity_report())).axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["GA", "CO", "SR", "HE", "EP", "IM", "astro-ph first", "cross-listed"]


def test_time_runs_in_months_since_the_cut_with_contemporaries_dashed() -> None:
    figure = drawn(forward.by_months(perplexity_report()))
    found = lines(figure)
    assert found["champion"] == pytest.approx([1.162 + 0.004 * i for i in range(1, 9)])
    assert "on papers of its own time" in found
    heights = {
        line.get_ydata()[0]
        for line in figure.axes[0].lines
        if line.is_dashed() and len(line.get_ydata())
    }
    assert {1.2431, 1.1603} <= heights


def test_bounds_are_drawn_at_the_rings_that_promotion_reads() -> None:
    made = forgetting.rises(perplexity_report(), allowed_rise=0.05, allowed_drift=0.25)
    bars = [
        line.get_xdata()[0] for line in drawn(made).axes[0].lines
        if len(line.get_xdata()) == 2 and line.get_linewidth() == 2.0
    ]  # fmt: skip
    assert bars == pytest.approx([0.05, 0.2840254])
    free = forgetting.rises(perplexity_report(), allowed_rise=None, allowed_drift=None)
    assert "promotion" not in str(drawn(free).axes[0].get_legend())


@pytest.mark.parametrize(("rise", "beside"), [(0.03, 0.05), (-0.5, -0.512), (0.9, 0.912)])
def test_a_value_is_written_where_it_crosses_no_bound(rise: float, beside: float) -> None:
    report = perplexity_report()
    report["forgetting"]["rings"]["far"]["tuned_minus_base"] |= {
        "rise": rise, "rise_low": rise - 0.012, "rise_high": rise + 0.012,
    }  # fmt: skip
    axes = drawn(forgetting.rises(report, allowed_rise=0.05, allowed_drift=0.25)).axes[0]
    (text,) = (text for text in axes.texts if text.get_text().startswith(f"{rise:+.1%}".replace(
        "-", "−").rstrip("%")))  # fmt: skip
    assert text.xy[0] == pytest.approx(beside)


@pytest.mark.parametrize("look", [DESK, PHONE, PRINTED])
@pytest.mark.parametrize("rises", [
    (-0.018, 0.076, -0.008, 0.099), (-0.5, -0.3, 0.03, 0.27), (-0.2, -0.1, -0.05, -0.01),
    (0.01, 0.02, 0.045, 0.26), (-0.001, 0.001, -0.04, 1.9),
])  # fmt: skip
def test_no_written_value_meets_a_name_or_an_upright_line(
    rises: tuple[float, ...], look: Look
) -> None:
    report = perplexity_report()
    for ring, rise in zip(forgetting.RINGS, rises, strict=False):
        for label, shift in (("tuned", 0.0), ("champion", -0.002)):
            report["forgetting"]["rings"][ring][f"{label}_minus_base"] = {
                "rise": rise + shift, "rise_low": rise + shift - 0.006,
                "rise_high": rise + shift + 0.006,
            }  # fmt: skip
    made = forgetting.rises(report, allowed_rise=0.05, allowed_drift=0.25)
    figure = drawn(made, look)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    assert len(axes.texts) == 8
    uprights = [line for line in axes.lines if len(set(line.get_xdata())) == 1 < len(
        line.get_xdata())]  # fmt: skip
    assert len(uprights) == 3, "no change, and two bounds"
    for text in axes.texts:
        box = text.get_window_extent()
        assert axes.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1, text.get_text()
        for line in uprights:
            path = line.get_transform().transform(line.get_xydata())
            (low, high) = sorted(path[:, 1])
            if low <= (box.y0 + box.y1) / 2 <= high:
                assert not box.x0 < path[0, 0] < box.x1, text.get_text()
    (legend,) = [axes.get_legend()]
    assert legend.get_window_extent().x1 <= figure.bbox.x1 + 1


def test_a_champion_s_rise_is_a_dot_of_its_own() -> None:
    axes = drawn(forgetting.rises(perplexity_report(), allowed_rise=None, allowed_drift=None)).axes
    dots = [line.get_xdata()[0] for line in axes[0].lines if line.get_marker() == "o"]
    assert dots == pytest.approx([-0.061, -0.048, -0.012, 0.001, 0.019, 0.032, 0.158, 0.171])
    assert [text.get_text() for text in axes[0].get_legend().get_texts()] == ["tuned", "champion"]


def test_values_without_an_interval_are_dots_alone() -> None:
    report = perplexity_report()
    ends = report["forward"]["months"][0]["gain"], report["forward"]["contemporaries"]["gain"]
    for gain in ends:
        gain |= {"low": None, "high": None}
    axes = drawn(forward.by_months(report)).axes[1]
    assert not axes.patches, "no band"
    assert sum(line.get_marker() != "o" for line in axes.lines) == 7
    for ring in report["forgetting"]["rings"].values():
        for label in ("tuned", "champion"):
            ring[f"{label}_minus_base"] |= {"rise_low": None, "rise_high": None}
    axes = drawn(forgetting.rises(report, allowed_rise=0.05, allowed_drift=0.25)).axes[0]
    assert {line.get_marker() for line in axes.lines if line.get_linewidth() == 1.8} <= {"o"}
    figures = report["models"]["base"]["astro"]["per_document"]
    figures["interval"] = {"perplexity": [None, None], "bits_per_byte": [None, None]}
    axes = drawn(perplexity.bits_per_byte(report)).axes[0]
    assert sum(line.get_marker() == "o" for line in axes.lines) == 6


def test_a_histogram_is_a_density_whatever_its_bins() -> None:
    edges = [i / 1000 for i in range(-1000, 1001)]
    counts = [1] * 2000
    found, density = similarity._density({"edges": edges, "counts": counts})
    assert len(density) <= 100
    assert float((density * (found[1:] - found[:-1])).sum()) == pytest.approx(1.0)


def test_the_legend_takes_as_many_lines_as_it_needs() -> None:
    short = ["base", "tuned", "champion"]
    assert n_columns(short, DESK) == n_columns(short, PHONE) == 3
    long = ["base", "standing champion", "tuned, promoted", "tuned, not promoted"]
    assert n_columns(long, PRINTED) == 4
    assert n_columns(long, PHONE) == 2
    assert n_columns(["x" * 28] * 4, PHONE) == 1


def test_a_promoted_release_is_a_filled_dot() -> None:
    entries = [
        {"release": "2026-01", "promoted": True, "tuned_bits": 1.2, "base_bits": 1.3},
        {"release": "2026-02", "promoted": False, "tuned_bits": 1.1, "base_bits": 1.3},
    ]
    axes = drawn(bits_by_release(entries)).axes[0]
    dots = {line.get_label(): line for line in axes.lines}
    assert list(dots["tuned, promoted"].get_xdata()) == [0]
    assert dots["tuned, promoted"].get_fillstyle() == "full"
    assert list(dots["tuned, not promoted"].get_xdata()) == [1]
    assert dots["tuned, not promoted"].get_fillstyle() == "none"
    assert [t.get_text() for t in axes.get_xticklabels()] == ["2026-01", "2026-02"]


def test_colours_of_an_svg_are_the_pages() -> None:
    assert SOME is not None
    assert set(re.findall(r"#[0-9a-f]{6}", SOME.svg())) == set()
