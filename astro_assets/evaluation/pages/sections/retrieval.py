"""Retrieval: whether what is near is what one looks for, spaces side by side.

What does not belong here: how similar pairs are (``similarity``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from astro_assets.evaluation.embeddings.intervals import LEAST_QUERIES
from astro_assets.evaluation.pages.blocks import (
    Block,
    Cell,
    Table,
    Words,
    best,
    notes,
    table,
)
from astro_assets.evaluation.pages.sections.shared import between, model_cell, share_cell
from astro_assets.evaluation.pages.sections.similarity import (
    Names,
    names_of,
    space_name,
    spaces_of,
)
from astro_assets.evaluation.pages.text import NOTHING, number, percent
from astro_assets.evaluation.pages.values import at, ends_at, interval_at, number_at

_FOUND = (
    ("First", "recall_at_1", True),
    ("In ten", "recall_at_10", True),
    ("Mean recip. rank", "mrr", False),
)
_SUBFIELD = (("Nearest ten agree", "knn_accuracy", True), ("Mean avg. precision", "map", False))
_INTERVALS = {"mrr": "interval", "knn_accuracy": "interval", "map": "map_interval"}
"""Column -> where its interval stands; reports from before have none of the last."""
_GAINS = (("Nearest ten agree", "knn_accuracy", True), ("Mean average precision", "map", False))
_SAME = "With the mean of train abstracts taken off"
TASKS = {
    "title_masked": (
        "A title finds its own abstract, the words they share masked: by meaning, among abstracts"
        " that share no word with it",
        "By meaning",
        _FOUND,
    ),
    "title": ("A title finds its own abstract, nothing masked", "Nothing masked", _FOUND),
    "subfield": (
        "The subfield of a paper, by its ten nearest and over all", "Subfields", _SUBFIELD
    ),
    "comments": ("Papers that name each other in their comments", "Comments", _FOUND[1:]),
}  # fmt: skip
"""Task of a report -> what it asks, its name, and its columns: head, key, whether it is a share."""


def retrieval_blocks(report: Mapping[str, Any]) -> list[Block]:
    """Return the section's blocks; the best of every column is marked."""
    retrieval = report.get("retrieval") or {}
    if retrieval and not set(retrieval) & set(TASKS):  # from before there were tasks
        retrieval = {"title": retrieval}
    names = names_of(report)
    asked = [task for task in TASKS if retrieval.get(task)]
    if not asked:
        return [Words("Retrieval was not measured in this report.")]
    blocks: list[Block] = [
        Words(
            "What the paper only asserted: whether what lies near in a model’s space is what a"
            " reader looks for. Models, baseline and BM25 answer the same questions; the best of"
            " each column is marked. Raw vectors as in the paper; folded beneath, the same with the"
            " mean of train abstracts taken off, which all vectors of a model share."
        )
    ]
    for task in asked:
        blocks += _task_table(task, retrieval[task], names)
        gains = (told for other in ("base", "champion") for told in _gains(task, retrieval, other))
        blocks += notes(_too_few(retrieval[task]), *gains, _without_words(task))
        centred = at(retrieval, "centred", task)
        if centred:
            blocks += _task_table(task, centred, names, folded=f"{_SAME}: {TASKS[task][1]}")
    return blocks


def _gains(task: str, retrieval: Mapping[str, Any], other: str) -> list[str]:
    """Return tuned minus another in sentences, raw and centred; none where it was not measured."""
    if not _is_enough(retrieval[task]):  # reports from before have differences over two queries
        return []
    path = (f"tuned_minus_{other}", task)
    if task != "subfield":
        told = _raw_and_centred(retrieval, path, "mrr", is_share=False)
        what = f"Mean reciprocal rank, tuned minus {other} over the same queries"
        return [f"{what}: {told}."] if told else []
    sentences = []
    for what, key, is_share in _GAINS:
        if told := _raw_and_centred(retrieval, (*path, key), "value", is_share=is_share):
            sentences.append(f"{what}, tuned minus {other} over the same papers: {told}.")
    return sentences


def _raw_and_centred(
    retrieval: Mapping[str, Any], path: tuple[str, ...], key: str, *, is_share: bool
) -> str:
    """Return a difference with its interval in both views; nothing where there is none."""
    told = []
    write, form = (percent, "+.1%") if is_share else (number, "+.3f")
    for name, found in (("raw", retrieval), ("mean taken off", retrieval.get("centred"))):
        gain = at(found, *path)
        value, ends = number_at(gain, key), ends_at(gain)
        if value is not None:
            whole = NOTHING if None in ends else " to ".join(write(end, form) for end in ends)
            told.append(f"{write(value, form)} (95 %: {whole}) {name}")
    return ", ".join(told)


def _too_few(found: Mapping[str, Any]) -> str | None:
    """Return why nothing is marked; None where there are enough queries."""
    if _is_enough(found):
        return None
    return (
        f"Fewer than {LEAST_QUERIES} queries: too few for an interval, a difference, or a best one."
    )


def _is_enough(found: Mapping[str, Any]) -> bool:
    """Return whether a task had queries enough to be judged by; unknown numbers pass."""
    counts = [_n_queries(found, space) for space in found]
    return all(count is None or count >= LEAST_QUERIES for count in counts)


def _n_queries(found: Mapping[str, Any], space: str) -> float | None:
    """Return how many asked; papers that name several ask once, older reports count pairs."""
    counts = (number_at(found, space, key) for key in ("n_queries", "n", "n_pairs"))
    return next((count for count in counts if count is not None), None)


def _without_words(task: str) -> str | None:
    if task != "title_masked":
        return None
    return (
        "The words a title shares with its own abstract are masked, and no other abstract it is"
        " ranked among has any word of it. BM25 is chance by design and left out."
    )


def _task_table(
    task: str, found: Mapping[str, Any], names: Names, *, folded: str = ""
) -> list[Table]:
    words, _, columns = TASKS[task]
    spaces = [name for name in spaces_of(found) if isinstance(found[name], Mapping)]
    cells = [_column(found, spaces, key, is_share=is_share) for _, key, is_share in columns]
    counts = [number_at(found, name, "n") or number_at(found, name, "n_pairs") for name in spaces]
    among = [number_at(found, name, "n_candidates") for name in spaces]
    rows = [
        (model_cell(name, space_name(name, names)), *(column[place] for column in cells),
         Cell(number(counts[place], ",.0f")), Cell(number(among[place], ",.0f")))
        for place, name in enumerate(spaces)
    ]  # fmt: skip
    n_of = "Pairs" if task == "comments" else "n"
    return table(
        words + _guessing(found, spaces),
        ("Space", *(head for head, _, _ in columns), n_of, "Ranked, on average"),
        rows,
        folded=folded,
    )


def _guessing(found: Mapping[str, Any], spaces: Sequence[str]) -> str:
    """Return what is reached without any space, as the end of a caption."""

    def first(key: str) -> float | None:
        values = (number_at(found, name, key) for name in spaces)
        return next((value for value in values if value is not None), None)

    majority, chance = first("majority"), first("chance_mrr")
    if majority is not None:
        return f"; always the largest subfield: {percent(majority, '.1%')}"
    return "" if chance is None else f"; a random order has a mean recip. rank of {chance:.3f}"


def _column(
    found: Mapping[str, Any], spaces: Sequence[str], key: str, *, is_share: bool
) -> list[Cell]:
    values = [number_at(found, name, key) for name in spaces]
    # Also in reports from before: an interval over two queries says nothing.
    is_enough, cells = _is_enough(found), []
    for name, value in zip(spaces, values, strict=True):
        where = _INTERVALS.get(key)
        ends = interval_at(found, name, where) if where and is_enough else None
        if is_share:
            cells.append(share_cell(value, *(ends or (None, None))))
        else:
            cells.append(Cell(number(value, ".3f"), between(*ends, ".3f") if ends else ""))
    return best(cells, values) if is_enough else cells
