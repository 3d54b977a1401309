"""Papers whose comments name another paper: related by their authors' own word.

"Companion to arXiv:0704.0044", "Erratum in …", "See also astro-ph/9901234": such pairs tell whether
a space puts related papers together, and no rater is needed. What does not belong here: how near
the two lie (quality).
"""

from __future__ import annotations

import re

import polars as pl

_MAX_CHARACTERS = 2_000
"""Of a comment: the longest of the real sample has 627."""
_MAX_NAMED = 20
"""Ids read from one comment; lists of whole proceedings end there."""
_BEFORE = re.compile(
    r"(?:arxiv:\s*|(?:https?://)?(?:www\.)?arxiv\.org/(?:abs|pdf)/)?", re.IGNORECASE
)
_ID = re.compile(
    r"""(?<![\d.])(?P<new>\d\d(?:0[1-9]|1[0-2])\.\d{4,5})(?:v\d{1,3})?(?!\.?\d)
    |(?<![A-Za-z])(?P<archive>[a-z]{2,8}(?:-[a-z]{2,4})?)(?:\.[a-z]{2})?
        /(?P<number>\d\d(?:0[1-9]|1[0-2])\d{3})(?:v\d{1,3})?(?!\d)""",
    re.VERBOSE | re.IGNORECASE,
)


def named_pairs(papers: pl.DataFrame) -> list[tuple[str, str]]:
    """Return pairs (a, b) of ids: the comments of paper a name paper b, and both are among papers.

    In the order of the papers, then of the comment. A paper that names itself is no pair, and two
    that name each other are one: the first of them is a.

    Args:
        papers: Columns id and comments (which may be null).
    """
    known = set(papers["id"])
    pairs: dict[frozenset[str], tuple[str, str]] = {}
    for paper, comments in zip(papers["id"], papers["comments"], strict=True):
        for named in arxiv_ids(comments or ""):
            if named in known and named != paper:
                pairs.setdefault(frozenset((paper, named)), (paper, named))
    return list(pairs.values())


def arxiv_ids(text: str) -> list[str]:
    """Return the arXiv ids a text names, each once, without version and subject class.

    Both forms, with "arXiv:" or an address before them or not; at most 20 of the text's first 2,000
    characters.

    >>> arxiv_ids("See arXiv:0704.0044v2, https://arxiv.org/abs/astro-ph/9901234, math.SG/0212180")
    ['0704.0044', 'astro-ph/9901234', 'math/0212180']
    """
    named: dict[str, None] = {}
    for found in _ID.finditer(text[:_MAX_CHARACTERS]):
        named[found["new"] or f"{found['archive'].lower()}/{found['number']}"] = None
        if len(named) == _MAX_NAMED:
            break
    return list(named)


def as_arxiv_id(text: str) -> str | None:
    """Return the arXiv id that a text is, without version; None where it is anything else.

    >>> as_arxiv_id(" arXiv:0704.0044v2 "), as_arxiv_id("https://arxiv.org/abs/astro-ph/9901234")
    ('0704.0044', 'astro-ph/9901234')
    >>> as_arxiv_id("papers like 0704.0044")
    """
    line = text.strip().removesuffix(".pdf")
    found = _ID.search(line[:_MAX_CHARACTERS])
    if found is None or found.end() != len(line) or not _BEFORE.fullmatch(line[: found.start()]):
        return None
    return arxiv_ids(found[0])[0]
