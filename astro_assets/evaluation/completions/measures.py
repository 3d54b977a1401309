"""What can be counted of continued abstracts: length, repetition, overlap, invented numbers.

Pure functions of texts; no model and no table. What does not belong here: what a number is
(numbers), and which texts are measured (report).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from astro_assets.evaluation.completions.numbers import numbers_of

_N_GRAM = 4
_LONGEST_LOOP = 20
"""Words (or characters) of a phrase whose repetition at the end counts as a loop."""
_TIMES = 3
_TIMES_IN_WORD = 10
"""A run of one piece without blanks: "....." may be meant, so more rounds are asked for."""
_ROUGE_TOKEN = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True)
class Text:
    """One continuation and what it is measured against."""

    text: str
    prompt: str
    """What was given before it."""
    truth: str | None
    """The authors' own continuation; None for that one itself."""
    n_tokens: int
    """Of the text, by one tokenizer for all writers."""


def measure(texts: Sequence[Text]) -> dict[str, float | int | None]:
    """Return the measures of one writer's texts, means over all of them.

    Args:
        texts: At least one.

    Returns:
        mean_tokens, mean_words; repeated_4grams (mean share, of texts with four words or more);
        loops (share of texts that end in a loop); rouge_l (mean F1 against the truth, None for the
        truth itself); new_numbers (share of all their numbers that their prompts do not hold),
        n_numbers; n (texts). A share is None where there is nothing to count.
    """
    counted = tallied(texts)
    return {
        **{name: total / n if n else None for name, (total, n) in counted.items()},
        "n_numbers": int(counted["new_numbers"][1]),
        "n": len(texts),
    }


def tallied(texts: Sequence[Text]) -> dict[str, tuple[float, float]]:
    """Return each measure of some texts as a sum and what it is divided by.

    Both add up over groups of texts, such as those of one abstract.
    """
    n = len(texts)
    repeats = [share for one in texts if (share := repeated_share(one.text)) is not None]
    overlaps = [rouge_l(one.text, one.truth) for one in texts if one.truth is not None]
    n_numbers = n_new = 0
    for one in texts:
        given, numbers = set(numbers_of(one.prompt)), numbers_of(one.text)
        n_numbers += len(numbers)
        n_new += sum(number not in given for number in numbers)
    return {
        "mean_tokens": (sum(one.n_tokens for one in texts), n),
        "mean_words": (sum(len(one.text.split()) for one in texts), n),
        "repeated_4grams": (sum(repeats), len(repeats)),
        "loops": (sum(ends_in_loop(one.text) for one in texts), n),
        "rouge_l": (sum(overlaps), len(overlaps)),
        "new_numbers": (n_new, n_numbers),
    }


def repeated_share(text: str) -> float | None:
    """Return the share of word 4-grams that occurred before in the text, None below four words.

    >>> repeated_share("a a a a a")
    0.5
    """
    words = text.split()
    grams = [tuple(words[i : i + _N_GRAM]) for i in range(len(words) - _N_GRAM + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else None


def ends_in_loop(text: str) -> bool:
    """Tell whether the text ends in the same 1 to 20 words three or more times in a row.

    A text that was cut off within a word of the next round counts too, and so does one whose last
    word ends in the same 1 to 20 characters ten or more times in a row.

    >>> ends_in_loop("We see a star a star a star"), ends_in_loop("We see a star a star")
    (True, False)
    """
    words = text.split() or [""]
    return any(
        _repeats(words, n, _TIMES)
        or _repeats(words[-1], n, _TIMES_IN_WORD)
        or (
            len(words) > n
            and words[-1 - n].startswith(words[-1])
            and _repeats(words[:-1], n, _TIMES)
        )
        for n in range(1, _LONGEST_LOOP + 1)
    )


def _repeats(pieces: Sequence[str], n: int, n_times: int) -> bool:
    """Tell whether the last ``n`` words or characters stand so many times in a row at the end."""
    tail = pieces[-n_times * n :]
    return len(tail) == n_times * n and tail[n:] == tail[:-n]


def rouge_l(text: str, truth: str) -> float:
    """Return ROUGE-L's F1 of two texts, 0 where either has no word (Lin 2004, ROUGE, section 3).

    Words are runs of a to z and 0 to 9 in lower case, not stemmed. With L the length of the longest
    common subsequence, precision is L / words of the text and recall L / words of the truth: who
    writes on after the authors ended pays in precision.

    >>> round(rouge_l("the star is red", "The star, is it red?"), 6)
    0.888889
    """
    ours, theirs = (_ROUGE_TOKEN.findall(one.lower()) for one in (text, truth))
    common = lcs_length(ours, theirs)
    return 2 * common / (len(ours) + len(theirs)) if common else 0.0


def lcs_length(a: Sequence[str], b: Sequence[str]) -> int:
    """Return the length of the longest common subsequence.

    Bit-parallel (Hyyrö 2004): one row of the table is one integer with a bit per word of ``a``, 0
    where the length grows, so a row costs a few additions on whole integers.

    >>> lcs_length("abcbdab", "bdcaba")
    4
    """
    at: dict[str, int] = {}
    for place, word in enumerate(a):
        at[word] = at.get(word, 0) | 1 << place
    everywhere = (1 << len(a)) - 1
    row = everywhere
    for word in b:
        here = row & at.get(word, 0)
        row = ((row + here) | (row - here)) & everywhere
    return len(a) - row.bit_count()
