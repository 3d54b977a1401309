"""The ways of asking a multiple-choice question, and which questions a model answers rightly.

AstroMLab (arXiv:2409.19750) asks in three ways, because each one alone can fail a model that knows:
by the likelihood of the answer written out, by the letter that comes next, and in a chat.

What does not belong here: what the right answers amount to (judging).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from astro_assets.evaluation.knowledge.chat import chat_answers
from astro_assets.evaluation.knowledge.prompts import full_answer_prompts, letter_prompts
from astro_assets.evaluation.knowledge.question_files import Question
from astro_assets.evaluation.knowledge.reader import Reader

METHODS: Mapping[str, str] = {
    "full_answer": (
        "The likeliest option after the question alone, by log-likelihood per UTF-8 byte; a tie "
        "is wrong."
    ),
    "letter_with_blank": (
        "The likeliest letter with a blank before it, after the examples, the question and its "
        "options; mean log-likelihood over all rotations of the options; a tie is wrong."
    ),
    "letter_without_blank": (
        "The likeliest letter with no blank before it, after the examples, the question and its "
        "options; mean log-likelihood over all rotations of the options; a tie is wrong."
    ),
    "generated": (
        "The letter an instruct model writes, greedily, when it is asked in its chat template; "
        "options in the file's order, no examples; an answer that is no letter is wrong."
    ),
}
"""Method -> what it does. The first of equals leads."""
_TIE = 1e-6
"""Scores as near to the best one, relative to it, are tied with it: rounding must not decide."""


@dataclass(frozen=True)
class Answers:
    """What one model made of some questions by one method."""

    right: NDArray[np.bool_]
    """(n_questions,)"""
    n_unparsable: int | None = None
    """Generated answers that name no letter; None where nothing is generated."""


def answer_questions(
    reader: Reader, questions: Sequence[Question], examples: Sequence[Question]
) -> dict[str, Answers]:
    """Ask a model every question in every way it can be asked.

    Returns:
        Method -> answers; ``generated`` only of a model that has a chat template.

    Raises:
        BadSettingError: options alone are longer than the model's context.
        BadModelError: the model gives no finite likelihood, or its chat template fails.
    """
    with_blank, without_blank = letter_scores(reader, questions, examples)
    answers = {
        "full_answer": Answers(_right(full_answer_scores(reader, questions), questions)),
        "letter_with_blank": Answers(_right(with_blank, questions)),
        "letter_without_blank": Answers(_right(without_blank, questions)),
    }
    chosen = chat_answers(reader, questions)
    if chosen is not None:
        right = [
            answer == question.answer for answer, question in zip(chosen, questions, strict=True)
        ]
        answers["generated"] = Answers(np.asarray(right), chosen.count(None))
    return answers


def full_answer_scores(reader: Reader, questions: Sequence[Question]) -> list[NDArray[np.float64]]:
    """Return per question (n_options,) log-likelihoods of the options in nats per UTF-8 byte.

    Per byte, so that short answers have no advantage.
    """
    nats = reader.nats(full_answer_prompts(questions), "full answers")
    return [
        one / np.asarray([len(choice.encode()) for choice in question.choices])
        for one, question in zip(nats, questions, strict=True)
    ]


def letter_scores(
    reader: Reader, questions: Sequence[Question], examples: Sequence[Question]
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Return per question (n_options,) mean nats of each option's letter: with blank, without.

    The mean is over as many rotations as there are options: every option stands once at every
    letter, so what a model likes about a letter or a place adds the same to each of them.
    """
    turned = [
        (number, rotation)
        for number, question in enumerate(questions)
        for rotation in range(len(question.choices))
    ]
    prompts = [
        letter_prompts([questions[number]], examples, rotation=rotation)[0]
        for number, rotation in turned
    ]
    with_blank = [np.zeros(len(question.choices)) for question in questions]
    without_blank = [np.zeros(len(question.choices)) for question in questions]
    for (number, rotation), nats in zip(turned, reader.nats(prompts, "letters"), strict=True):
        n = len(questions[number].choices)
        # Place p holds option p + rotation.
        with_blank[number] += np.roll(nats[:n], rotation) / n
        without_blank[number] += np.roll(nats[n:], rotation) / n
    return with_blank, without_blank


def _right(
    scores: Sequence[NDArray[np.float64]], questions: Sequence[Question]
) -> NDArray[np.bool_]:
    """Return (n_questions,) whether the right option alone has the greatest score."""
    return np.asarray(
        [_leader(one) == question.answer for one, question in zip(scores, questions, strict=True)]
    )


def _leader(scores: NDArray[np.float64]) -> int | None:
    """Return the index of the greatest score, None where it is tied.

    A tie is no answer: were it the first option's, a model that finds all alike would be right on
    every question that has its answer there.

    >>> _leader(np.array([-2.0, -1.0, -3.0])), _leader(np.array([-1.0, -1.0 - 1e-9, -3.0]))
    (1, None)
    """
    best = int(scores.argmax())
    is_tied = scores >= scores[best] - _TIE * abs(scores[best])
    return best if is_tied.sum() == 1 else None
