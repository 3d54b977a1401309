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
_SPACE = re.compile(r"\s+")


def clean_abstract(raw: str) -> str:
    r"""Return the text of an abstract: one line, no control characters, TeX untouched.

    - Unicode NFC, so that an accent typed in two ways is one text.
    - Control characters (transmission debris) become blanks: no words, but they may part words.
    - Every run of white space becomes one blank and the ends are stripped: arXiv's old records
      break lines at 80 columns, its new ones do not; both layouts must be one text.

    >>> clean_abstract("  The $\\alpha$ line\n is\x07broad.\n")
    'The $\\alpha$ line is broad.'
    """
    text = unicodedata.normalize("NFC", raw)
    return _SPACE.sub(" ", _CONTROL.sub(" ", text)).strip()


def read_texts(shards: Sequence[Path], *, side: Side) -> pl.DataFrame:
    """Return the texts of one side in corpus order: month, then id.

    Args:
        shards: Paper shards in month order, each sorted by id.
        side: ``train`` or ``test``.

    Returns:
        Columns id, title, primary_category, submission_month, text; only papers that no rule
        excludes.
    """
    columns = ["id", "title", "primary_category", "submission_month", "abstract"]
    empty = pl.DataFrame(schema={**dict.fromkeys(columns[:-1], pl.String), "text": pl.String})
    frames = [
        pl.read_parquet(shard, columns=[*columns, "side", "excluded_because"])
        .filter((pl.col("side") == side) & pl.col("excluded_because").is_null())
        .select(columns)
        .sort("id")
        for shard in shards
    ]
    if not frames:
        return empty
    papers = pl.concat(frames)
    texts = pl.Series("text", [clean_abstract(a) for a in papers["abstract"]], dtype=pl.String)
    return papers.drop("abstract").with_columns(texts)
