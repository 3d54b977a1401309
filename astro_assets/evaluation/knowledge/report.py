"""The knowledge report: whether training cost the model knowledge, by multiple-choice questions.

AstroMLab 2 (arXiv:2409.19750) found that a falling perplexity can hide exactly that. Each choice is
scored as the full answer after "Question: … Answer:", its log-likelihood divided by its UTF-8 bytes
so that short answers have no advantage; the best one is the model's answer. What does not belong
here: reading question files (question_files) and what promotion makes of the verdict (registry).
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astro_assets.artifacts import atomic
from astro_assets.artifacts.manifest import Built
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadSettingError
from astro_assets.evaluation.knowledge.question_files import N_CHOICES, Question, QuestionSet
from astro_assets.evaluation.reports import built_report, write_report
from astro_assets.evaluation.statistics import chance_of_at_least, paired_share_difference
from astro_assets.models.handle import ModelHandle
from astro_assets.models.scoring import CausalParts, score_sequences
from astro_assets.progress import Progress

MODELS = ("base", "tuned")
CHANCE = 1 / N_CHOICES
SIGNIFICANCE = 0.05

Scorer = Callable[[ModelHandle, Sequence[Question], Progress], NDArray[np.float64]]
"""Model, questions, progress -> (n_questions, 4) nats per byte, higher is likelier."""


@dataclass(frozen=True)
class ScoredChoice:
    """One question with one of its answers, as tokens."""

    ids: list[int]
    first_scored: int
    """Position of the answer's first token."""
    n_bytes: int
    """UTF-8 bytes of the answer."""


def build_knowledge_report(
    models: Mapping[str, ModelHandle],
    questions: QuestionSet,
    *,
    margin: float,
    out: Path,
    progress: Progress,
    scorer: Scorer | None = None,
) -> Built:
    """Ask base and tuned the same questions and write the report.

    Args:
        models: ``base`` and ``tuned``.
        questions: From ``load_questions``.
        margin: Loss of accuracy, as a share, that is called worse if it is shown.
        out: Folder to make: report.json.
        progress: Told per token.
        scorer: How choices are scored; default ``score_choices``.

    Raises:
        BadSettingError: an answer is longer than a model's context.
        BadModelError: a model gives no finite likelihood.
    """
    score = scorer or score_choices
    answers = np.asarray([question.answer for question in questions.items])
    right = {
        label: score(models[label], questions.items, progress).argmax(axis=1) == answers
        for label in MODELS
    }
    report = {**judge(right["base"], right["tuned"], margin=margin), "source": questions.source}
    with atomic.new_folder(out) as folder:
        report = write_report(folder, report)
    return built_report(out, report, {"n_questions": len(questions.items)})


def judge(
    base_right: NDArray[np.bool_], tuned_right: NDArray[np.bool_], *, margin: float
) -> dict[str, Any]:
    """Return accuracies, their paired difference with its 95 % interval, and the verdict.

    - ``not measurable``: the base itself is not better than guessing (one-sided, 5 %): there is no
      knowledge here that could be lost.
    - ``worse``: the whole interval lies below -margin.
    - ``not worse``: the whole interval lies above -margin.
    - ``undecided``: neither; too few questions.
    """
    n_questions, n_base = len(base_right), int(base_right.sum())
    difference = paired_share_difference(tuned_right, base_right)
    p_guessing = chance_of_at_least(n_base, n_questions, CHANCE)
    if p_guessing >= SIGNIFICANCE:
        verdict = "not measurable"
    elif difference.high < -margin:
        verdict = "worse"
    elif difference.low > -margin:
        verdict = "not worse"
    else:
        verdict = "undecided"
    return {
        "n_questions": n_questions,
        "chance": CHANCE,
        "models": {
            "base": {"accuracy": n_base / n_questions, "n_right": n_base},
            "tuned": {"accuracy": float(tuned_right.mean()), "n_right": int(tuned_right.sum())},
        },
        "n_only_base_right": int((base_right & ~tuned_right).sum()),
        "n_only_tuned_right": int((tuned_right & ~base_right).sum()),
        "p_base_guessing": p_guessing,
        "difference": {
            "accuracy": difference.estimate,
            "low": difference.low,
            "high": difference.high,
        },
        "margin": margin,
        "verdict": verdict,
    }


def score_choices(
    handle: ModelHandle, questions: Sequence[Question], progress: Progress
) -> NDArray[np.float64]:
    """Return (n_questions, 4) log-likelihoods of the answers in nats per UTF-8 byte.

    Raises:
        BadSettingError: an answer is longer than the model's context.
        BadModelError: see ``score_sequences``.
    """
    tokenizer = Tokenizer.load(handle.base_folder)
    model = handle.load()
    max_positions = CausalParts.of(model).max_positions
    choices = tokenize_choices(questions, tokenizer, max_positions=max_positions)
    total = float(sum(len(choice.ids) for choice in choices))
    name = f"questions to {handle.label}"
    with progress.task(name, total=total, unit="tokens") as task:
        nll_nats = score_sequences(
            model,
            [choice.ids for choice in choices],
            [choice.first_scored for choice in choices],
            advance=task.advance,
        )
    del model
    gc.collect()
    n_bytes = np.asarray([choice.n_bytes for choice in choices])
    per_byte: NDArray[np.float64] = -nll_nats / n_bytes
    return per_byte.reshape(len(questions), N_CHOICES)


def tokenize_choices(
    questions: Sequence[Question], tokenizer: Tokenizer, *, max_positions: int
) -> list[ScoredChoice]:
    """Return every question with every choice as [BOS] + ids, four in a row per question.

    The answer begins where question and question-with-answer stop having the same tokens. A
    question too long for the context loses its beginning, never its answer.

    Raises:
        BadSettingError: an answer alone is longer than the context.
    """
    prompts = [f"Question: {question.text}\nAnswer:" for question in questions]
    wholes = [
        f"{prompt} {choice}"
        for prompt, question in zip(prompts, questions, strict=True)
        for choice in question.choices
    ]
    prompt_ids, whole_ids = tokenizer.encode_batch(prompts), tokenizer.encode_batch(wholes)
    choices = []
    for index, ids in enumerate(whole_ids):
        question = questions[index // N_CHOICES]
        n_shared = _n_shared(prompt_ids[index // N_CHOICES], ids)
        n_lost = max(0, len(ids) + 1 - max_positions)
        if n_lost > n_shared:
            raise BadSettingError(
                f"An answer has {len(ids) - n_shared} tokens: {question.text[:60]!r}.",
                expected=f"fewer than the model's context of {max_positions}.",
                do="Shorten or remove that question.",
            )
        choices.append(
            ScoredChoice(
                ids=[tokenizer.bos_id, *ids[n_lost:]],
                first_scored=1 + n_shared - n_lost,
                n_bytes=len(question.choices[index % N_CHOICES].encode()),
            )
        )
    return choices


def _n_shared(prompt: Sequence[int], whole: Sequence[int]) -> int:
    """Return how many leading tokens are the same, at most all but one of ``whole``."""
    n_shared = 0
    for ours, theirs in zip(prompt, whole[:-1], strict=False):
        if ours != theirs:
            break
        n_shared += 1
    return n_shared
