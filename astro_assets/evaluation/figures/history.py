"""How the releases grew: what the models are worth, what they forgot, what they were made of.

What does not belong here: the table of releases (the index page).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from astro_assets.evaluation.figures.style import Drawing, Look, in_thousands, legend, stacked
from astro_assets.evaluation.pages.text import percent
from astro_assets.evaluation.pages.values import number_at

Entry = Mapping[str, Any]
"""A line of the index as plain values: release, promoted, base_bits, …"""


def bits_by_release(entries: Sequence[Entry]) -> Drawing | None:
    """Return bits per byte on each release's own test papers: base, tuned, standing champion.

    A tuned model that was promoted is a filled dot, one that was not an empty one.
    """
    known = [e for e in entries if number_at(e, "tuned_bits") is not None]
    if not known:
        return None
    last = known[-1]
    said = ", ".join(
        f"{name} {value:.4f}"
        for name in ("base", "tuned", "champion")
        if (value := number_at(last, f"{name}_bits")) is not None
    )
    return Drawing(
        "bits_by_release",
        f"Bits per byte on held-out astronomy abstracts by release. In {last['release']}: {said}.",
        lambda look: _draw_bits(known, look),
    )


def forgetting_by_release(entries: Sequence[Entry]) -> Drawing | None:
    """Return the rise on far fields and the drift on the base's own text, by release."""
    known = [
        e for e in entries
        if number_at(e, "rise_far") is not None or number_at(e, "drift_nats_per_token") is not None
    ]  # fmt: skip
    if not known:
        return None
    last = known[-1]
    return Drawing(
        "forgetting_by_release",
        f"Forgetting by release. In {last['release']}: far fields"
        f" {percent(number_at(last, 'rise_far'))}, the base’s own text"
        f" {number_at(last, 'drift_nats_per_token') or 0.0:.3f} nats per token.",
        lambda look: _draw_forgetting(known, look),
    )


def corpus_by_release(entries: Sequence[Entry]) -> Drawing | None:
    """Return papers and training tokens of each release."""
    known = [e for e in entries if number_at(e, "papers") is not None]
    if not known:
        return None
    last = known[-1]
    return Drawing(
        "corpus_by_release",
        f"Papers and training tokens by release. In {last['release']}: {last['papers']:,} papers.",
        lambda look: _draw_corpus(known, look),
    )


def _draw_bits(entries: Sequence[Entry], look: Look) -> Figure:
    figure, (axes,) = stacked(2.9, n_rows=1, look=look)
    palette = look.palette
    _draw_line(axes, entries, "base_bits", palette.base, label="base")
    _draw_line(axes, entries, "champion_bits", palette.champion, label="standing champion")
    places, values = _points(entries, "tuned_bits")
    axes.plot(places, values, color=palette.tuned, linewidth=1.6, zorder=3)
    for is_promoted, label in ((True, "tuned, promoted"), (False, "tuned, not promoted")):
        chosen = [e for e in entries if bool(e.get("promoted")) == is_promoted]
        if chosen:
            axes.plot(
                *_points(chosen, "tuned_bits", among=entries), "o", markersize=6.5,
                color=palette.tuned, fillstyle="full" if is_promoted else "none",
                markeredgewidth=1.6, label=label, zorder=4,
            )  # fmt: skip
    axes.set_ylabel("bits per byte")
    _name_releases(axes, entries, look)
    legend(axes, look)
    return figure


def _draw_forgetting(entries: Sequence[Entry], look: Look) -> Figure:
    figure, rows = stacked(3.5, n_rows=2, look=look)
    for axes, key, name in (
        (rows[0], "rise_far", "far fields"),
        (rows[1], "drift_nats_per_token", "own text, nats"),
    ):
        _draw_line(axes, entries, key, look.palette.tuned)
        axes.axhline(0.0, color=look.palette.muted, linewidth=1.0)
        axes.set_ylabel(name)
    rows[0].yaxis.set_major_formatter(FuncFormatter(lambda v, _p: percent(v, "+.1%") if v else "0"))
    _name_releases(rows[-1], entries, look)
    return figure


def _draw_corpus(entries: Sequence[Entry], look: Look) -> Figure:
    has_tokens = any(number_at(e, "train_tokens") is not None for e in entries)
    keys = ("papers", "train_tokens")[: 2 if has_tokens else 1]
    figure, rows = stacked(1.9 if len(keys) == 1 else 3.3, n_rows=len(keys), look=look)
    for axes, key in zip(rows, keys, strict=True):
        width = min(0.6, 0.12 * len(entries))  # one or two releases are no walls
        axes.bar(*_points(entries, key), width=width, color=look.palette.tuned)
        axes.set_ylabel("papers" if key == "papers" else "training tokens")
        axes.yaxis.set_major_formatter(FuncFormatter(in_thousands))
    _name_releases(rows[-1], entries, look)
    return figure


def _draw_line(
    axes: Axes, entries: Sequence[Entry], key: str, colour: str, *, label: str | None = None
) -> None:
    places, values = _points(entries, key)
    if places:
        axes.plot(places, values, color=colour, linewidth=2.0, marker="o", markersize=4.0,
                  label=label)  # fmt: skip


def _points(
    entries: Sequence[Entry], key: str, *, among: Sequence[Entry] | None = None
) -> tuple[list[int], list[float]]:
    """Return places from the left and values of those that have one."""
    everyone = [e["release"] for e in (entries if among is None else among)]
    found = [(everyone.index(e["release"]), number_at(e, key)) for e in entries]
    known = [(place, value) for place, value in found if value is not None]
    return [place for place, _ in known], [value for _, value in known]


def _name_releases(axes: Axes, entries: Sequence[Entry], look: Look) -> None:
    """Write some of the releases under the axis, the last among them; one stands in the middle."""
    n_shown = 4 if look.is_narrow else 8
    every = -(-len(entries) // n_shown)
    places = list(range(len(entries) - 1, -1, -every))[::-1]
    axes.xaxis.set_major_locator(FixedLocator(places))
    axes.set_xticks(places, [str(entries[place]["release"])[:7] for place in places])
    axes.set_xlim(-0.7, len(entries) - 0.3)
