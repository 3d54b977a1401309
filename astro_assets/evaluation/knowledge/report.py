"""The knowledge report: whether training cost the model knowledge, by questions and probes.

AstroMLab 2 (arXiv:2409.19750) found that a falling perplexity can hide exactly that. What does not
belong here: reading question files (question_files), asking (methods), the rules of the verdict
(judging) and what promotion makes of it (registry).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from astro_assets.artifacts import atomic, fingerprint
from astro_assets.artifacts.manifest import Built
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.evaluation.knowledge.judging import judge_methods
from astro_assets.evaluation.knowledge.methods import Answers, answer_questions
from astro_assets.evaluation.knowledge.probe_tables import Figures, Probes
from astro_assets.evaluation.knowledge.question_files import Question, QuestionSet
from astro_assets.evaluation.knowledge.reader import Reader
from astro_assets.evaluation.knowledge.rooms import Asked, asked_of_all
from astro_assets.evaluation.reports import built_report, write_report
from astro_assets.models.handle import ModelHandle
from astro_assets.models.together import each_loaded
from astro_assets.progress import Progress


@dataclass(frozen=True)
class Measured:
    """What one model answered while it was loaded."""

    questions: Mapping[str, Answers]
    """Method -> answers to the questions; empty where it was not asked them."""
    others: Mapping[str, Answers] | None
    """The same of the questions outside astronomy."""
    probes: Mapping[str, Figures]
    """Probe -> its figures."""
    notes: tuple[str, ...]
    """What was cut or left out."""


def build_knowledge_report(
    models: Mapping[str, ModelHandle],
    questions: QuestionSet,
    *,
    margin: float,
    n_examples: int,
    out: Path,
    progress: Progress,
    other_questions: QuestionSet | None = None,
    probes: Probes | None = None,
) -> Built:
    """Ask every model the same questions and probes, and write the report.

    Args:
        models: Any labels; ``base`` and ``tuned`` are compared where both are there, and what they
            are judged on does not depend on a ``champion`` beside them.
        questions: What is asked, from ``load_questions``.
        margin: Loss of accuracy, as a share, that is called worse if it is shown.
        n_examples: Answered questions before each one that is asked for a letter.
        out: Folder to make: report.json.
        progress: Told per token.
        other_questions: Questions outside astronomy; judged alike.
        probes: Tables of facts; default: those the project carries.

    Raises:
        BadSettingError, BadModelError: see ``answer_questions``; or too few for the examples, or
            no question whose options fit into the context of every model.
    """
    # Before the models are loaded: a file that cannot be asked is told at once.
    asked = [
        asked_of_all(one, models, n_examples=n_examples)
        for one in (questions, other_questions)
        if one is not None
    ]
    tables = probes or Probes.bundled()
    measured = _ask_all(models, asked, tables, n_examples=n_examples, progress=progress)
    judge = partial(judged_questions, margin=margin, n_examples=n_examples)
    others = {label: one.others for label, one in measured.items() if one.others is not None}
    report = {
        **judge(asked[0], {label: one.questions for label, one in measured.items()}),
        "other_questions": judge(asked[1], others) if other_questions else None,
        **tables.reported({label: one.probes for label, one in measured.items()}),
        "notes": [*(note for one in asked for note in one.notes), *_notes(measured)],
    }
    with atomic.new_folder(out) as folder:
        written = write_report(folder, report)
    return built_report(out, written, {"n_questions": written["n_questions"]})


def judged_questions(
    asked: Asked,
    answered: Mapping[str, Mapping[str, Answers]],
    *,
    margin: float,
    n_examples: int,
) -> dict[str, Any]:
    """Return what a report says of one file of questions.

    Args:
        asked: The file's questions that fit all models.
        answered: Label -> method -> answers to those that are asked.
        margin: Loss of accuracy that is called worse if it is shown.
        n_examples: How many examples stood before each.
    """
    examples, items = asked.questions.parted(n_examples)
    chances = np.asarray([1 / len(question.choices) for question in items])
    return {
        "n_questions": len(items),
        "n_left_out": asked.n_left_out,
        "chance": float(chances.mean()),
        "n_examples": n_examples,
        "source": asked.questions.source,
        "questions_digest": fingerprint.of_value([_plain(examples), _plain(items)]),
        "margin": margin,
        **judge_methods(answered, chances, margin=margin),
    }


def _ask_all(
    models: Mapping[str, ModelHandle],
    asked: Sequence[Asked],
    tables: Probes,
    *,
    n_examples: int,
    progress: Progress,
) -> dict[str, Measured]:
    """Ask every model everything, each while it is loaded; in the order of ``models``."""
    found: dict[str, Measured] = {}
    for label, model in each_loaded(models):
        folder = models[label].base_folder
        reader = Reader(label, folder, model, Tokenizer.load(folder), progress)
        sets = [None if label in one.not_asked else one.questions for one in asked]
        found[label] = _measured(reader, sets, tables, n_examples=n_examples)
        # It must be gone before the next one is loaded.
        del reader, model
    return {label: found[label] for label in models}


def _measured(
    reader: Reader, sets: Sequence[QuestionSet | None], probes: Probes, *, n_examples: int
) -> Measured:
    """Ask a model everything while it is loaded; None: a file it is not asked."""
    answered: list[Mapping[str, Answers]] = []
    for one in sets:
        if one is None:
            answered.append({})
            continue
        examples, asked = one.parted(n_examples)
        n_before = len(reader.notes)
        answered.append(answer_questions(reader, asked, examples))
        reader.notes[n_before:] = [f"{one.source}: {note}" for note in reader.notes[n_before:]]
    return Measured(
        answered[0],
        answered[1] if len(answered) > 1 else None,
        probes.measured(reader),
        tuple(reader.notes),
    )


def _plain(questions: Sequence[Question]) -> list[list[Any]]:
    return [[one.text, list(one.choices), one.answer] for one in questions]


def _notes(measured: Mapping[str, Measured]) -> list[str]:
    """Return what was not asked, or not in full."""
    notes = [
        f"Nothing was generated by {label}: its tokenizer has no chat template."
        for label, one in measured.items()
        if one.questions and "generated" not in one.questions
    ]
    return [*notes, *(note for one in measured.values() for note in one.notes)]
