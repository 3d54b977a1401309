"""Retrieval: whether what is near is what one looks for, spaces side by side.

What does not belong here: how similar pairs are (``similarity``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from astro_assets.evaluation.pages.blocks import Block, Cell, Table, Words, best, table
from astro_assets.evaluation.pages.sections.shared import between, model_cell
from astro_assets.evaluation.pages.sections.similarity import space_name, spaces_of
from astro_assets.evaluation.pages.text import number, percent
from astro_assets.evaluation.pages.values import interval_at, number_at

_FOUND = (
    ("First", "recall_at_1", True),
    ("In ten", "recall_at_10", True),
    ("Mean recip. rank", "mrr", False),
)
_SUBFIELD = (("Nearest ten agree", "knn_accuracy", True), ("Mean avg. precision", "map", False))
TASKS = {
    "title_masked": (
        "A title finds its own abstract, the words they share masked: by meaning, not by words",
        _FOUND,
    ),
    "title": ("A title finds its own abstract, nothing masked", _FOUND),
    "subfield": ("The subfield of a paper, by its ten nearest and over all", _SUBFIELD),
    "comments": ("Papers that name each other in their comments", _FOUND[1:]),
}
"""Task of a report -> what it asks, and its columns: head, key, whether it is a share."""


def retrieval_blocks(report: Mapping[str, Any]) -> list[Block]:
    """Return the section's blocks; the best of every column is marked."""
    retrieval = report.get("retrieval") or {}
    if retrieval and not set(retrieval) & set(TASKS):  # from before there were tasks
        retrieval = {"title": retrieval}
    baseline = str(report.get("baseline", "baseline"))
    tables = [
        part
        for task in TASKS
        if retrieval.get(task)
        for part in _task_table(task, retrieval[task], baseline)
    ]
    if not tables:
        return [Words("Retrieval was not measured in this report.")]
    return [
        Words(
            "What the paper only asserted: whether what lies near in a model’s space is what a"
            " reader looks for. Models, baseline and BM25 answer the same questions; the best of"
            " each column is marked."
        ),
        *tables,
    ]


def _task_table(task: str, found: Mapping[str, Any], baseline: str) -> list[Table]:
    words, columns = TASKS[task]
    spaces = [name for name in spaces_of(found) if isinstance(found[name], Mapping)]
    cells = [_column(found, spaces, key, is_share=is_share) for _, key, is_share in columns]
    counts = [number_at(found, name, "n") or number_at(found, name, "n_pairs") for name in spaces]
    rows = [
        (model_cell(name, space_name(name, baseline)), *(column[place] for column in cells),
         Cell(number(counts[place], ",.0f")))
        for place, name in enumerate(spaces)
    ]  # fmt: skip
    majority = next(
        (m for name in spaces if (m := number_at(found, name, "majority")) is not None), None
    )
    told = "" if majority is None else f"; always the largest subfield: {percent(majority, '.1%')}"
    n_of = "Pairs" if task == "comments" else "n"
    return table(words + told, ("Space", *(head for head, _, _ in columns), n_of), rows)


def _column(
    found: Mapping[str, Any], spaces: Sequence[str], key: str, *, is_share: bool
) -> list[Cell]:
    values = [number_at(found, name, key) for name in spaces]
    cells = []
    for name, value in zip(spaces, values, strict=True):
        ends = interval_at(found, name, "interval") if key == "mrr" else None
        text = percent(value, ".1%") if is_share else number(value, ".3f")
        cells.append(Cell(text, between(*ends, ".3f") if ends else ""))
    return best(cells, values)
