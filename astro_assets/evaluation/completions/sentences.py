"""Where the sentences of an abstract end; enough for English scientific prose, no more."""

from __future__ import annotations

import re

_ENDS = re.compile(r"[.!?][\"')\]]*\s+(?=[\"'(\[$\\]?[A-Z0-9$\\])")
_ABBREVIATION = re.compile(
    r"al|approx|ca|cf|chap|dr|e\.g|eqn?s?|figs?|i\.e|mrs?|nos?|prof|refs?|resp|sects?|secs?|st|tab"
    r"|viz|vol|vs",
    re.IGNORECASE,
)
_LONGEST = 20
"""Characters looked back for the last word: a whole text would make long ones take for ever."""
_LAST_WORD = re.compile(r"([^\s(\[~]+)$")


def split_sentences(text: str) -> list[str]:
    """Return the sentences of one line of text; joined with blanks they give the text again.

    A full stop ends no sentence after an abbreviation or an initial, and none inside a number.

    >>> split_sentences("Smith et al. (2001), e.g. Fig. 1, give 0.5. We agree.")
    ['Smith et al. (2001), e.g. Fig. 1, give 0.5.', 'We agree.']
    """
    sentences, begin = [], 0
    for end in _ENDS.finditer(text):
        if text[end.start()] == "." and _is_abbreviation(
            text[max(begin, end.start() - _LONGEST) : end.start()]
        ):
            continue
        sentences.append(text[begin : end.end()].strip())
        begin = end.end()
    rest = text[begin:].strip()
    return [*sentences, rest] if rest else sentences


def _is_abbreviation(before: str) -> bool:
    """Tell whether the full stop after ``before`` belongs to its last word."""
    match = _LAST_WORD.search(before)
    if match is None:
        return False
    word = match[1]
    is_initial = len(word.rsplit(".", 1)[-1]) == 1 and word[-1].isalpha() and word[-1].isupper()
    return is_initial or _ABBREVIATION.fullmatch(word) is not None
