import math
import re
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from astro_assets.evaluation.figures import learning_curve as module
from astro_assets.evaluation.figures.learning_curve import draw_learning_curve
from astro_assets.evaluation.figures.learning_curve import learning_curve as figure
from astro_assets.evaluation.figures.style import PRINTED
from tests.evaluation.pages.content import curve, heldout_curve


def learning_curve(*given: Any) -> str:
    return figure(*given).svg()


def texts(svg: str) -> list[str]:
    """Return what is written in a figure."""
    return [text.strip() for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg)]


def drawn(points: list[dict[str, Any]], heldout: list[dict[str, Any]], **more: Any) -> Any:
    given = {"n_tokens_per_epoch": None, "base_name": "", **more}
    return module._drawn(points, heldout, PRINTED, **given)


def test_training_and_held_out_are_two_labelled_panels() -> None:
    said = texts(learning_curve(curve(), heldout_curve()))
    assert {"training perplexity", "held-out perplexity", "each step"} <= set(said)
    assert "smoothed (what the paper’s figure 1 shows)" in said
    assert {"astro, held out", "general, held out", "subfields of astro"} <= set(said)
    training, held_out = drawn(curve(), heldout_curve()).axes
    assert [line.get_label() for line in training.lines[:2]] == [
        "each step", "smoothed (what the paper’s figure 1 shows)",
    ]  # fmt: skip
    assert held_out.lines[0].get_label() == "astro, held out"


def test_the_lines_are_the_exponents_of_the_losses() -> None:
    training, held_out = drawn(curve(3), heldout_curve()).axes
    smooth = training.lines[1]
    assert list(smooth.get_xdata()) == [0, 8192, 16384]
    expected = [math.exp(point["smoothed_nll_nats_per_token"]) for point in curve(3)]
    assert smooth.get_ydata() == pytest.approx(expected)
    astro = held_out.lines[0]
    expected = [math.exp(line["nll_nats_per_token"]["astro"]) for line in heldout_curve()]
    assert astro.get_ydata() == pytest.approx(expected)
    assert list(astro.get_xdata()) == [line["n_tokens"] for line in heldout_curve()]


def test_each_line_s_end_is_labelled_with_its_last_perplexity() -> None:
    said = texts(learning_curve(curve(), heldout_curve()))
    last = heldout_curve()[-1]["nll_nats_per_token"]
    for name, label in (("astro", "astro"), ("general", "general"), ("astro-ph.GA", "GA")):
        assert f"{label} {math.exp(last[name]):.2f}" in said


def test_epochs_end_where_the_measurements_or_the_caller_say() -> None:
    def ends(**more: Any) -> list[float]:
        axes = drawn(curve(301), heldout_curve(n_epochs=2.0), **more).axes[1]
        return [float(line.get_xdata()[0]) for line in axes.lines if line.get_linestyle() == ":"]

    assert ends() == [150 * 8192, 300 * 8192]
    assert ends(n_tokens_per_epoch=100 * 8192) == [100 * 8192, 200 * 8192, 300 * 8192]
    assert ends(n_tokens_per_epoch=310 * 8192) == [], "an epoch that did not end has no line"


def test_of_a_hundred_epochs_some_are_marked() -> None:
    said = texts(learning_curve(curve(301), heldout_curve(n_epochs=100)))
    assert "epoch 9" in said and "99" in said and "10" not in said


@pytest.mark.parametrize(
    ("base", "is_shown"),
    [("meta-llama/Llama-2-7b-hf@01c7f73d", True), ("Llama-2-7b-hf", True),
     ("meta-llama/Llama-2-7b-chat-hf", False), ("scratch-1f2e", False),
     ("llama-2-7b-random", False), ("", False)],
)  # fmt: skip
def test_the_paper_s_figures_stand_beside_its_own_base_only(base: str, is_shown: bool) -> None:
    said = texts(learning_curve(curve(), heldout_curve(), base))
    assert ("paper, first 9.7" in said and "paper, last 6.55" in said) == is_shown


def test_the_axis_is_logarithmic_where_perplexity_falls_by_much() -> None:
    flat, steep = curve(300), curve(300)
    steep[0] |= {"nll_nats_per_token": math.log(32_000)}
    assert drawn(flat, []).axes[0].get_yscale() == "linear"
    assert drawn(steep, []).axes[0].get_yscale() == "log"


def test_a_long_curve_is_thinned_and_keeps_its_ends_and_spikes() -> None:
    points = curve(20_000)
    points[12_345]["nll_nats_per_token"] = 6.0
    svg = learning_curve(points, heldout_curve())
    assert len(svg) < 2 * 80_000, "it stands there for a desk and for a phone"
    raw = drawn(points, []).axes[0].lines[0]
    assert len(raw.get_xdata()) <= 502
    assert raw.get_xdata()[[0, -1]].tolist() == [0, 19_999 * 8192]
    assert 12_345 * 8192 in raw.get_xdata() and np.max(raw.get_ydata()) == pytest.approx(
        403.4, 1e-3
    )


def test_two_points_and_a_training_from_before_held_out_was_measured_are_drawn() -> None:
    assert "held-out perplexity" not in learning_curve(curve(2))
    assert "training perplexity" in learning_curve(curve(2))


def test_the_picture_is_small_and_the_same_each_time() -> None:
    picture = draw_learning_curve(curve(14_000), heldout_curve(), title="smoke <b>$x$")
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture == draw_learning_curve(curve(14_000), heldout_curve(), title="smoke <b>$x$")
    assert picture != draw_learning_curve(curve(14_000), heldout_curve(), title="another")
    assert len(picture) < 60_000, "it is kept in the metadata of every materialisation"


def test_labels_never_overlap_nor_leave_the_axes() -> None:
    heights = {f"astro-ph.{i}": 0.02 + i / 1000 for i in range(8)} | {"general": 0.99, "astro": 1.0}
    placed = module._apart(heights)
    found = sorted(placed.values())
    assert all(b - a >= module._LABEL_GAP - 1e-9 for a, b in pairwise(found))
    assert found[0] >= 0 and found[-1] <= 1
    assert sorted(placed, key=placed.get) == sorted(heights, key=heights.get)
