"""Which abstracts are continued, and where they are cut.

What does not belong here: which papers are held out (warehouse), and writing on (generation).
"""

from __future__ import annotations

import polars as pl

from astro_assets.errors import EmptyCorpusError
from astro_assets.evaluation.completions.generation import Beginning
from astro_assets.evaluation.completions.sentences import split_sentences
from astro_assets.evaluation.selection import take_papers

MAX_CHARACTERS = 10_000
"""Kept of any text: they come from outside, and from models. What is shown is what is measured."""
_MIN_PROMPT_WORDS = 12
_TITLE_CHARACTERS = 300


def take_beginnings(texts: pl.DataFrame, n: int) -> list[Beginning]:
    """Return the first ``n`` abstracts in sampling order that have a beginning and a rest.

    The beginning is the first sentence, with as many more as make twelve words.

    Args:
        texts: Test papers: columns id, title, text.
        n: How many at most.

    Raises:
        EmptyCorpusError: there is none.
    """
    sample = take_papers(texts, what="astro test papers")
    found: list[Beginning] = []
    for paper, title, text in zip(sample.ids, sample.titles, sample.texts, strict=True):
        if len(found) == n:
            break
        prompt, truth = _cut(text)
        if truth:
            found.append(
                Beginning(
                    paper,
                    title[:_TITLE_CHARACTERS],
                    prompt[:MAX_CHARACTERS],
                    truth[:MAX_CHARACTERS],
                )
            )
    if not found:
        raise EmptyCorpusError(
            f"None of {len(sample)} astro test papers has an abstract of several sentences.",
            expected="at least one that can be begun and continued.",
            do="Give a larger snapshot or a later release.",
        )
    return found


def _cut(text: str) -> tuple[str, str]:
    """Return the first sentences of an abstract and the rest, "" where there is none."""
    sentences = split_sentences(text)
    n_first = 1
    while len(" ".join(sentences[:n_first]).split()) < _MIN_PROMPT_WORDS < len(text.split()):
        n_first += 1
    return " ".join(sentences[:n_first]), " ".join(sentences[n_first:])
