"""The words in which questions are asked: contexts, and the continuations that are compared.

Plain strings: what stands in a question or an option is data and changes nothing but the text. What
does not belong here: tokens (fitting) and models (likelihoods).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from astro_assets.evaluation.knowledge.question_files import LETTERS, Question


@dataclass(frozen=True)
class Prompt:
    """One context and the continuations whose likelihoods are compared."""

    examples: tuple[str, ...]
    """Answered questions before it; they go first where the context is too short."""
    head: str
    """The question: it may lose its beginning."""
    tail: str
    """What must stay: the options, and the words before the answer."""
    continuations: tuple[str, ...]

    def context(self, n_examples: int) -> str:
        """Return the text before the continuations with the last ``n_examples`` examples."""
        return "".join([*self.examples[len(self.examples) - n_examples :], self.head, self.tail])


def full_answer_prompts(questions: Sequence[Question]) -> list[Prompt]:
    """Return a prompt per question that compares its options, written out."""
    return [
        Prompt(
            (),
            f"Question: {question.text}",
            "\nAnswer:",
            tuple(f" {choice}" for choice in question.choices),
        )
        for question in questions
    ]


def letter_prompts(
    questions: Sequence[Question], examples: Sequence[Question], *, rotation: int
) -> list[Prompt]:
    """Return a prompt per question with its options listed, the letters to be compared.

    Args:
        questions: What is asked.
        examples: What stands before each, answered; never rotated.
        rotation: Option ``i`` stands at place ``i - rotation``, counted around.

    Returns:
        Prompts with twice as many continuations as options: the letters with a blank before them,
        then without.
    """
    answered = tuple(
        f"Question: {example.text}{_listed(example.choices)}\nAnswer: {LETTERS[example.answer]}\n\n"
        for example in examples
    )
    prompts = []
    for question in questions:
        n = len(question.choices)
        turned = [question.choices[(place + rotation) % n] for place in range(n)]
        letters = LETTERS[:n]
        prompts.append(
            Prompt(
                answered,
                f"Question: {question.text}",
                f"{_listed(turned)}\nAnswer:",
                (*(f" {letter}" for letter in letters), *letters),
            )
        )
    return prompts


def chat_text(text: str, choices: Sequence[str]) -> str:
    """Return what an instruct model is told: the question, its options, and how to answer."""
    return f"{text}{_listed(choices)}\nAnswer with the letter of the right option alone."


def _listed(choices: Sequence[str]) -> str:
    """Return the options, each on a line of its own behind its letter."""
    return "".join(
        f"\n{letter}. {choice}" for letter, choice in zip(LETTERS, choices, strict=False)
    )
