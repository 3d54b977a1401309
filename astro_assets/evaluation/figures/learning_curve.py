"""The learning curve: training perplexity step by step, and apart from it the held-out one.

The paper's figure 1 shows *training* perplexity (arXiv:2309.06126), Galactica's curve per epoch
held-out loss by source (arXiv:2211.09085, section 5.1); both are drawn, each labelled. What does
not belong here: measuring, and how figures look (``style``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray

from astro_assets.evaluation.figures.style import (
    PRINTED,
    Drawing,
    Look,
    Palette,
    as_png,
    in_thousands,
    legend,
    stacked,
)
from astro_assets.evaluation.figures.thinning import evenly, with_spikes
from astro_assets.evaluation.pages.text import cleaned, perplexity

PAPER = (9.7, 6.55)
"""First and last training perplexity of the paper's figure 1, with Llama-2-7B."""

_PAPER_BASE = re.compile(r"(.*/)?Llama-2-7b(-hf)?(@.*)?", re.IGNORECASE)
_LOG_FROM = 4.0
"""From this quotient of largest and smallest perplexity on, the axis is logarithmic."""
_MAX_EPOCH_LINES = 12
_FIELDS = ("astro", "general")
_LABEL_GAP = 0.065
"""Least distance of two labels, as a share of the axes' height."""

Line = Mapping[str, Any]


def draw_learning_curve(
    curve: Sequence[Line],
    heldout: Sequence[Line],
    *,
    title: str = "",
    n_tokens_per_epoch: float | None = None,
    base_name: str = "",
) -> bytes:
    """Return the learning curve as a PNG, for where no style sheet reaches.

    Args:
        curve: Lines of curve.jsonl: n_tokens, nll_nats_per_token, smoothed_nll_nats_per_token;
            thousands are thinned, spikes stay.
        heldout: Lines of heldout.jsonl: n_tokens, epoch, nll_nats_per_token by field and subfield.
        title: Above the figure.
        n_tokens_per_epoch: Where epochs end; None takes it from ``heldout``.
        base_name: The paper's figures are drawn beside ours for the paper's base only.
    """
    figure = _drawn(
        curve, heldout, PRINTED, n_tokens_per_epoch=n_tokens_per_epoch, base_name=base_name
    )
    if title:
        ink = PRINTED.palette.ink
        figure.suptitle(cleaned(title, 100), fontsize=10.5, color=ink, parse_math=False)
    return as_png(figure)


def learning_curve(
    curve: Sequence[Line], heldout: Sequence[Line] = (), base_name: str = ""
) -> Drawing:
    """Return the same as a figure of the release page."""
    first, last = (
        perplexity(_perplexities([point["smoothed_nll_nats_per_token"]])[0])
        for point in (curve[0], curve[-1])
    )
    return Drawing(
        "learning_curve",
        f"Training perplexity over tokens trained on, from {first} to {last} (smoothed)."
        + (" Below it the held-out perplexity." if heldout else ""),
        lambda look: _drawn(curve, heldout, look, n_tokens_per_epoch=None, base_name=base_name),
    )


def _drawn(
    curve: Sequence[Line],
    heldout: Sequence[Line],
    look: Look,
    *,
    n_tokens_per_epoch: float | None,
    base_name: str,
) -> Figure:
    height_inches, palette = 5.4 if heldout else 3.1, look.palette
    figure, rows = stacked(height_inches, n_rows=2 if heldout else 1, look=look)
    _draw_training(rows[0], curve, look, with_paper=_is_paper_base(base_name))
    if heldout:
        _draw_heldout(rows[1], heldout, look)
    last = max(line["n_tokens"] for line in (*curve[-1:], *heldout[-1:]))
    per_epoch = n_tokens_per_epoch or _tokens_per_epoch(heldout)
    if per_epoch:
        _mark_epochs(rows, per_epoch, last, palette)
    rows[-1].set_xlabel("tokens trained on")
    rows[-1].xaxis.set_major_formatter(FuncFormatter(in_thousands))
    rows[-1].xaxis.set_major_locator(MaxNLocator(4 if look.is_narrow else 7))
    return figure


def _draw_training(axes: Axes, curve: Sequence[Line], look: Look, *, with_paper: bool) -> None:
    palette = look.palette
    tokens = np.array([point["n_tokens"] for point in curve], float)
    raw = _perplexities(point["nll_nats_per_token"] for point in curve)
    smooth = _perplexities(point["smoothed_nll_nats_per_token"] for point in curve)
    at = with_spikes(raw)
    axes.plot(
        tokens[at], raw[at], color=palette.muted, linewidth=0.8, alpha=0.55, label="each step"
    )
    at = evenly(len(curve))
    axes.plot(
        tokens[at], smooth[at], color=palette.tuned, linewidth=2.0,
        label="smoothed (what the paper’s figure 1 shows)",
    )  # fmt: skip
    drawn = [raw, smooth]
    if with_paper:
        drawn.append(np.array(PAPER))
        _draw_paper(axes, palette)
    _scale(axes, drawn)
    axes.set_ylabel("training perplexity")
    legend(axes, look)


def _draw_paper(axes: Axes, palette: Palette) -> None:
    for value, when in zip(PAPER, ("first", "last"), strict=True):
        axes.axhline(value, color=palette.champion, linewidth=1.2, linestyle=(0, (1, 1.6)))
        axes.annotate(
            f"paper, {when} {value:g}", (1.0, value), xycoords=("axes fraction", "data"),
            xytext=(4, 0), textcoords="offset points", va="center", color=palette.champion,
            fontsize=8.5, annotation_clip=False,
        )  # fmt: skip


def _draw_heldout(axes: Axes, heldout: Sequence[Line], look: Look) -> None:
    palette = look.palette
    names = list(dict.fromkeys(name for line in heldout for name in line["nll_nats_per_token"]))
    values = {name: _measured(heldout, name) for name in names}
    styles = {"astro": (palette.tuned, "o", "-"), "general": (palette.champion, "s", (0, (4, 1.5)))}
    for name in (name for name in _FIELDS if name in names):
        colour, marker, dashes = styles[name]
        axes.plot(
            *values[name], color=colour, linewidth=2.0, linestyle=dashes, marker=marker,
            markersize=4.0, zorder=3, label=f"{name}, held out",
        )  # fmt: skip
    for place, name in enumerate(sorted(name for name in names if name not in _FIELDS)):
        axes.plot(
            *values[name], color=palette.muted, linewidth=0.9, alpha=0.7,
            label=None if place else "subfields of astro",
        )  # fmt: skip
    _scale(axes, [found for _, found in values.values()])
    _label_ends(axes, {name: values[name][1][-1] for name in names}, palette)
    axes.set_ylabel("held-out perplexity")
    legend(axes, look)


def _label_ends(axes: Axes, ends: Mapping[str, float], palette: Palette) -> None:
    """Write at the right end which line is which, labels moved apart where they would overlap."""
    bold = {"astro": palette.tuned, "general": palette.champion}
    axes.autoscale_view()  # done late otherwise: heights are shares of the final limits
    to_share = axes.transScale + axes.transLimits
    heights = {name: float(to_share.transform((0, value))[1]) for name, value in ends.items()}
    for name, height in _apart(heights).items():
        text = f"{name.removeprefix('astro-ph.')} {perplexity(ends[name])}"
        axes.annotate(
            text, (1.0, height), xycoords="axes fraction", xytext=(4, 0),
            textcoords="offset points", va="center", fontsize=8.5 if name in bold else 7.5,
            color=bold.get(name, palette.muted), annotation_clip=False,
        )  # fmt: skip


def _apart(heights: Mapping[str, float]) -> dict[str, float]:
    """Return the heights moved as little as it takes to keep labels apart, in their order.

    >>> {k: round(v, 4) for k, v in _apart({"a": 0.5, "b": 0.51, "c": 0.1}).items()}
    {'c': 0.1, 'a': 0.4725, 'b': 0.5375}
    """
    order = sorted(heights, key=lambda name: heights[name])
    groups: list[list[str]] = []
    for name in order:
        groups.append([name])
        while len(groups) > 1 and _overlap(groups[-2], groups[-1], heights):
            groups[-2:] = [groups[-2] + groups[-1]]
    return {
        name: _middle(group, heights) + (place - (len(group) - 1) / 2) * _LABEL_GAP
        for group in groups
        for place, name in enumerate(group)
    }


def _overlap(below: list[str], above: list[str], heights: Mapping[str, float]) -> bool:
    room = (len(below) + len(above)) / 2 * _LABEL_GAP
    return _middle(above, heights) - _middle(below, heights) < room


def _middle(group: list[str], heights: Mapping[str, float]) -> float:
    """Return where a group of labels is centred: at its lines, but within the axes."""
    half = (len(group) - 1) / 2 * _LABEL_GAP
    return min(max(sum(heights[name] for name in group) / len(group), half), 1 - half)


def _mark_epochs(rows: Sequence[Axes], per_epoch: float, last: float, palette: Palette) -> None:
    """Draw a line where each epoch ends; of very many, some."""
    # Only whole steps are made, so the last epoch may end a little short.
    n_epochs = int(last / per_epoch + 0.01)
    every = math.ceil(n_epochs / _MAX_EPOCH_LINES) if n_epochs else 1
    for epoch in range(every, n_epochs + 1, every):
        for axes in rows:
            axes.axvline(epoch * per_epoch, color=palette.muted, linewidth=0.8, linestyle=":")
        rows[0].annotate(
            f"epoch {epoch}" if epoch == every else f"{epoch}", (epoch * per_epoch, 1.0),
            xycoords=("data", "axes fraction"), xytext=(-3, -1), textcoords="offset points",
            ha="right", va="top", fontsize=8.5, color=palette.muted,
        )  # fmt: skip


def _scale(axes: Axes, drawn: Iterable[NDArray[np.float64]]) -> None:
    """Make the vertical axis logarithmic where the values span much."""
    values = np.concatenate(list(drawn))
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if high < _LOG_FROM * low:
        return
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(FixedLocator(_log_ticks(low, high)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(in_thousands))


def _log_ticks(low: float, high: float) -> list[float]:
    """Return round values between two: as many of each decade as leave at most about eight.

    >>> _log_ticks(30, 400)
    [50.0, 100.0, 200.0]
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for steps in ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 5), (1,)):
        ticks = [s * 10.0**d for d in decades for s in steps if low <= s * 10.0**d <= high]
        if len(ticks) <= 8:
            break
    return ticks


def _tokens_per_epoch(heldout: Sequence[Line]) -> float | None:
    """Return how many tokens one epoch has, as the last measurement tells it."""
    if not heldout or not heldout[-1]["epoch"]:
        return None
    return float(heldout[-1]["n_tokens"] / heldout[-1]["epoch"])


def _is_paper_base(base_name: str) -> bool:
    """Tell whether a base is the paper's.

    >>> _is_paper_base("meta-llama/Llama-2-7b-hf@01c7f73d"), _is_paper_base("llama-2-7b-random")
    (True, False)
    """
    return _PAPER_BASE.fullmatch(base_name) is not None


def _measured(
    heldout: Sequence[Line], name: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return tokens and perplexities of the measurements that have this field."""
    lines = [line for line in heldout if name in line["nll_nats_per_token"]]
    tokens = np.array([line["n_tokens"] for line in lines], float)
    return tokens, _perplexities(line["nll_nats_per_token"][name] for line in lines)


def _perplexities(nll_nats_per_token: Iterable[float]) -> NDArray[np.float64]:
    nll: NDArray[np.float64] = np.fromiter(nll_nats_per_token, float)
    found: NDArray[np.float64] = np.exp(np.minimum(nll, 50.0))
    return found
