"""Rooms: the contexts of models, and which questions fit into those of all of them.

Every model is asked the same questions: one whose options are too long for any of them is left
out for all, before anything is scored. A champion has no say in that, as it has none in the
verdict: where it cannot be asked all that base and tuned are, it is asked nothing of that file.
What does not belong here: how a prompt is made to fit (fitting).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transformers import AutoConfig

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadModelError, BadSettingError
from astro_assets.evaluation.knowledge.chat import too_long_for_chat
from astro_assets.evaluation.knowledge.fitting import too_long
from astro_assets.evaluation.knowledge.prompts import full_answer_prompts, letter_prompts
from astro_assets.evaluation.knowledge.question_files import Question, QuestionSet
from astro_assets.models.handle import ModelHandle

CHAMPION = "champion"


@dataclass(frozen=True)
class Asked:
    """What is asked of every model from one file."""

    questions: QuestionSet
    """Those that fit all models; ``parted`` gives the same examples as of the whole file."""
    n_left_out: int
    """Questions whose options do not fit into the context of every model."""
    notes: tuple[str, ...]
    """What was left out and for whom, one sentence each."""
    not_asked: frozenset[str] = frozenset()
    """Labels of models that are asked none of them."""


@dataclass(frozen=True)
class Room:
    """The context of one model, known before its weights are loaded."""

    folder: Path
    """config.json and the tokenizer."""
    max_positions: int

    @classmethod
    def of(cls, handle: ModelHandle) -> Room:
        """Read how much a model can see.

        Raises:
            BadModelError: its folder does not say.
        """
        folder = handle.base_folder
        try:
            config = AutoConfig.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
            return cls(folder, int(config.max_position_embeddings))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadModelError(
                f"{folder / 'config.json'} does not say how long a sequence may be.",
                expected="max_position_embeddings, in tokens.",
            ) from error

    def too_small(self, questions: Sequence[Question]) -> NDArray[np.bool_]:
        """Return (n_questions,) whether a question's options do not fit, in any way of asking."""
        tokenizer = Tokenizer.load(self.folder)
        found = np.asarray(
            too_long_for_chat(self.folder, questions, max_positions=self.max_positions)
        )
        # Every rotation: a tokenizer may take another number of tokens for it.
        for rotation in range(max(len(question.choices) for question in questions)):
            prompts = letter_prompts(questions, (), rotation=rotation)
            found |= too_long(prompts, tokenizer, max_positions=self.max_positions)
        prompts = full_answer_prompts(questions)
        return found | too_long(prompts, tokenizer, max_positions=self.max_positions)


def asked_of_all(
    questions: QuestionSet, models: Mapping[str, ModelHandle], *, n_examples: int
) -> Asked:
    """Return the questions that fit into the context of every model but a champion.

    Args:
        questions: A file's.
        models: Those that will be asked; ``champion`` is left out where not all of them fit it.
        n_examples: Answered questions before each; they may be lost, so their length is no matter.

    Raises:
        BadSettingError: too few for the examples, or none fits.
        BadModelError: a model does not say how long its context is, or its chat template fails.
    """
    examples, items = questions.parted(n_examples)
    judged = {label: handle for label, handle in models.items() if label != CHAMPION} or models
    rooms = {label: Room.of(handle) for label, handle in judged.items()}
    too_small = {room: room.too_small(items) for room in set(rooms.values())}
    left_out = np.zeros(len(items), dtype=np.bool_)
    notes = []
    for label, room in rooms.items():
        left_out |= too_small[room]
        n = int(too_small[room].sum())
        if n:
            notes.append(
                f"{questions.source}: {n} of {len(items)} questions were asked of no model, as "
                f"their options do not fit into the {room.max_positions:,} tokens of {label}."
            )
    kept = tuple(one for one, is_out in zip(items, left_out, strict=True) if not is_out)
    if not kept:
        raise BadSettingError(
            f"The options of none of {len(items)} questions of {questions.source} fit into the "
            "contexts of all models.",
            expected="at least one question to ask.",
            do="Shorten the options.",
        )
    whole = replace(questions, items=kept, examples=examples)
    hindered = _hindered(models[CHAMPION], kept) if CHAMPION in models.keys() - judged else None
    if hindered:
        notes.append(f"{questions.source}: the champion was not asked: {hindered}")
    not_asked = frozenset({CHAMPION} if hindered else ())
    return Asked(whole, int(left_out.sum()), tuple(notes), not_asked)


def _hindered(champion: ModelHandle, questions: Sequence[Question]) -> str | None:
    """Return why a champion cannot be asked all of these, as a sentence; None where it can."""
    try:
        room = Room.of(champion)
        n = int(room.too_small(questions).sum())
    except BadModelError as error:
        return error.found
    if not n:
        return None
    return f"the options of {n} do not fit into its {room.max_positions:,} tokens."
