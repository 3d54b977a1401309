"""The text of a paper that tokens are made of, and the papers it is read from.

What does not belong here: deciding which papers count; shards already say so.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import polars as pl

TEXT_RULES = "1"
"""Version of the rules below: part of every token stream's name."""

Side = Literal["train", "test"]

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")


def clean_abstract(raw: str) -> str:
    r"""Return the text of an abstract: one line, no control characters, TeX untouched.

    Three rules, in this order. Letters, digits and marks are never added, and none but control
    characters is lost.

    **NFC**: an accent typed as one character or as two is one text.

    >>> clean_abstract("Poincare\u0301") == clean_abstract("Poincar\u00e9")
    True

    **Control characters become blanks** (C0 and C1 but white space, U+FFFE, U+FFFF): they are
    debris of transmission and say nothing, but two words may stand on either side.

    >>> clean_abstract("dark\x00matter")
    'dark matter'

    **Every run of white space becomes one blank, and none is left at the ends** (all that Unicode
    calls white space: line and form feeds, tabs, NBSP, U+2028 and so on). Old records begin with
    two blanks, break lines near column 80 and end with a newline, new ones may be one line: both
    layouts must be one text. To TeX these are one blank as well.

    >>> clean_abstract("  The $\\alpha$ line\r\n is\u00a0broad.\n")
    'The $\\alpha$ line is broad.'

    What is left alone, and why:

    - TeX, balanced or not: an abstract is no TeX source but text with TeX in it, and models are to
      read what arXiv shows. Backslashes, braces and ``$`` stay. A control space stays one, at a
      line's end too; only the blank after the very last backslash goes. ``\\`` at a line's end
      stays.

    >>> clean_abstract("e.g.\\ \n  {\\it two\\\\\nlines")
    'e.g.\\ {\\it two\\\\ lines'

    - ``%`` is a percent sign. In TeX source it would swallow the rest of its line; here nothing
      runs TeX, and the next line is text.

    >>> clean_abstract("about 50%\n  of stars")
    'about 50% of stars'

    - A hyphen at a line's end: "high- and low-mass" may be broken there too, and joining would
      make words nobody wrote.

    >>> clean_abstract("high-\nand low-mass")
    'high- and low-mass'

    - Zero-width characters and soft hyphens, so that no letter ever changes (U+200D joins, U+200C
      parts letters of some scripts). The 75,207 abstracts of the real sample hold none.

    >>> clean_abstract("a\u00adb\u200b") == "a\u00adb\u200b"
    True

    Equal ``text_sha256`` (``stg_records.sql``) must mean equal clean text: tokens are copied by it.
    """
    # Nearly all texts end here: lines joined, and nothing else to do. In ASCII all white space but
    # the blank is unprintable, as control characters are, and NFC changes nothing.
    text = raw.replace("\n", " ").strip(" ")
    if text.isascii() and text.isprintable() and "  " not in text:
        return text
    # str.split parts at what Unicode calls white space
    return " ".join(_CONTROL.sub(" ", unicodedata.normalize("NFC", raw)).split())


def read_texts(shards: Sequence[Path], *, side: Side | None) -> pl.DataFrame:
    """Return the texts of one side, or of both, in corpus order: month, then id.

    Args:
        shards: Paper shards in month order, each sorted by id.
        side: ``train`` or ``test``; None: both.

    Returns:
        Columns id, title, categories, primary_category, submission_month, comments, text; only
        papers that no rule excludes.
    """
    columns = [
        "id", "title", "categories", "primary_category", "submission_month", "comments", "abstract"
    ]  # fmt: skip
    empty = pl.DataFrame(schema={**dict.fromkeys(columns[:-1], pl.String), "text": pl.String})
    frames = [
        pl.read_parquet(shard, columns=[*columns, "side", "excluded_because"])
        .filter(pl.col("excluded_because").is_null() & ((pl.col("side") == side) if side else True))
        .select(columns)
        .sort("id")
        for shard in shards
    ]
    if not frames:
        return empty
    papers = pl.concat(frames)
    texts = pl.Series("text", [clean_abstract(a) for a in papers["abstract"]], dtype=pl.String)
    return papers.drop("abstract").with_columns(texts)
