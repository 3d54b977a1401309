"""What a page's section is made of: words, headings, figures, tables, continuations.

Plain values, nothing escaped yet: one template (``blocks.html``) gives every block its markup.
What does not belong here: which blocks a section has (``sections``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from astro_assets.evaluation.figures.style import Drawing
from astro_assets.evaluation.pages.text import NOTHING

_WORD = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True)
class Words:
    """A paragraph."""

    form: ClassVar[str] = "words"
    text: str
    kind: str = ""
    """"" for running text, "lead" for what matters most, "note" for what must be known."""


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    form: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True)
class Picture:
    """A figure and what it shows."""

    form: ClassVar[str] = "picture"
    drawing: Drawing
    caption: str


@dataclass(frozen=True)
class Cell:
    """One cell of a table."""

    text: str
    small: str = ""
    """Set smaller after it: an interval, a change."""
    kind: str = ""
    """"best", or whose colour it bears: base, tuned, champion, model, baseline."""


@dataclass(frozen=True)
class Table:
    """Rows under a head; the first cell of a row names it."""

    form: ClassVar[str] = "table"
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    folded: str = ""
    """What to press to see it; "" shows it at once."""

    @property
    def sides(self) -> tuple[str, ...]:
        """Return of each column where it is set: words to the left, numbers to the right."""
        columns = zip(*self.rows, strict=True)
        return tuple(
            "left" if place == 0 or any(_WORD.search(cell.text) for cell in column) else "right"
            for place, column in enumerate(columns)
        )


@dataclass(frozen=True)
class Passage:
    """One writer's text."""

    writer: str
    text: str
    kind: str = ""
    """Whose colour it bears."""


@dataclass(frozen=True)
class Continuation:
    """A prompt and how it was continued, by whom."""

    form: ClassVar[str] = "continuation"
    title: str
    id: str
    prompt: str
    passages: tuple[Passage, ...]
    more: tuple[Passage, ...] = ()
    """Further samples, folded away."""
    is_folded: bool = False
    """Whether only the title shows until it is pressed."""


Block = Words | Heading | Picture | Table | Continuation


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading one can link to."""

    id: str
    title: str
    blocks: tuple[Block, ...]


def notes(*texts: str | None) -> list[Words]:
    """Return those that are there as notes."""
    return [Words(text, "note") for text in texts if text]


def pictures(*shown: tuple[Drawing | None, str]) -> list[Picture]:
    """Return the figures that there are numbers for, each with its caption."""
    return [Picture(drawing, caption) for drawing, caption in shown if drawing is not None]


def row(name: Cell | str, *cells: Cell | str) -> tuple[Cell, ...]:
    """Return a table's row from cells or their texts."""
    return tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in (name, *cells))


def table(
    caption: str, head: Sequence[str], rows: Iterable[tuple[Cell, ...]], *, folded: str = ""
) -> list[Table]:
    """Return a table, or nothing where it has no rows; columns without any value are left out."""
    found = tuple(rows)
    if not found:
        return []
    kept = [
        place
        for place in range(len(head))
        if place == 0 or any(cells[place].text != NOTHING for cells in found)
    ]
    return [
        Table(
            caption,
            tuple(head[place] for place in kept),
            tuple(tuple(cells[place] for place in kept) for cells in found),
            folded,
        )
    ]


def best(cells: Sequence[Cell], values: Sequence[float | None]) -> list[Cell]:
    """Return the cells of a column, those with the greatest value marked."""
    known = [value for value in values if value is not None]
    top = max(known, default=None)
    return [
        Cell(cell.text, cell.small, "best") if value is not None and value == top else cell
        for cell, value in zip(cells, values, strict=True)
    ]
