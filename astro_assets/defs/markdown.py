"""Rows as Markdown tables that nothing in the rows can break out of.

Titles and abstracts come from outside: a pipe, a line break, a backtick, an HTML tag or a link in
them must be shown, not obeyed. What does not belong here: which rows are shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MAX_CHARACTERS = 80
"""Of one cell, before escaping."""

_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()#+\-.!|~^$:@])")
_UNSEEN = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")
"""Blanks, line breaks, control characters, and marks that turn the direction of text."""


def table(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    max_characters: int = MAX_CHARACTERS,
) -> str:
    """Return rows as one Markdown table; without rows, its head alone."""
    lines = [_line(columns, max_characters), "|" + " --- |" * len(columns)]
    lines += [_line((row.get(name) for name in columns), max_characters) for row in rows]
    return "\n".join(lines)


def cell(value: Any, *, max_characters: int = MAX_CHARACTERS) -> str:
    r"""Return a value as the text of one cell, on one line, cut, every special sign escaped.

    >>> cell("a | b")
    'a \\| b'
    >>> cell("<b>x</b>")
    '&lt;b&gt;x&lt;/b&gt;'
    >>> cell("one two three", max_characters=8)
    'one two…'
    """
    text = "" if value is None else str(value)
    # what is cut off anyway need not be cleaned
    text = _UNSEEN.sub(" ", text[: 4 * max_characters]).strip()
    if len(text) > max_characters:
        text = text[: max_characters - 1].rstrip() + "…"
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _PUNCTUATION.sub(r"\\\1", text)


def _line(values: Iterable[Any], max_characters: int) -> str:
    return "| " + " | ".join(cell(v, max_characters=max_characters) for v in values) + " |"
