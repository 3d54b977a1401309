import json

import numpy as np
import pytest

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadSettingError
from astro_assets.evaluation.knowledge.question_files import Question, QuestionSet, load_questions
from astro_assets.evaluation.knowledge.report import (
    build_knowledge_report,
    judge,
    score_choices,
    tokenize_choices,
)
from astro_assets.models.handle import ModelHandle
from astro_assets.progress import NO_PROGRESS
from tests.evaluation.planted import handles, load, plain_nll

QUESTIONS = (
    Question("Which is a star?", ("Vega", "the planet Mars", "Io", "Ceres é"), 0),
    Question("How many?", ("one", "two", "three hundred and four", "five"), 3),
)


def right(n_right: int, n: int) -> np.ndarray:
    return np.arange(n) < n_right


def test_scores_are_the_likelihood_of_the_whole_answer_per_byte(tiny_base):
    handle = ModelHandle("base", tiny_base, None, "b" * 64, None)
    scores = score_choices(handle, QUESTIONS, NO_PROGRESS)
    tokenizer, model = Tokenizer.load(tiny_base), load(tiny_base)
    for row, question in zip(scores, QUESTIONS, strict=True):
        prompt = f"Question: {question.text}\nAnswer:"
        n_prompt = len(tokenizer.encode_batch([prompt])[0])
        for score, choice in zip(row, question.choices, strict=True):
            ids = tokenizer.encode_batch([f"{prompt} {choice}"])[0]
            nll = plain_nll(model, [tokenizer.bos_id, *ids], 1 + n_prompt)
            assert score == pytest.approx(-nll / len(choice.encode()), rel=1e-5)


def test_question_and_answer_tokens_make_the_whole(tiny_base):
    tokenizer = Tokenizer.load(tiny_base)
    for number, choice in enumerate(tokenize_choices(QUESTIONS, tokenizer, max_positions=256)):
        question = QUESTIONS[number // 4]
        answer = question.choices[number % 4]
        assert choice.ids[0] == tokenizer.bos_id
        assert tokenizer.decode(choice.ids[choice.first_scored :]).strip() == answer
        assert choice.n_bytes == len(answer.encode())


def test_a_long_question_loses_its_beginning_and_no_answer(tiny_base):
    tokenizer = Tokenizer.load(tiny_base)
    long = (Question("0123456789 " * 90, QUESTIONS[0].choices, 0),)
    choices = tokenize_choices(long, tokenizer, max_positions=100)
    for choice, answer in zip(choices, long[0].choices, strict=True):
        assert len(choice.ids) == 100
        assert tokenizer.decode(choice.ids[choice.first_scored :]).strip() == answer


def test_an_answer_longer_than_the_context_is_refused(tiny_base):
    questions = (Question("Why?", ("0123456789 " * 90, "b", "c", "d"), 0),)
    with pytest.raises(BadSettingError, match="An answer has"):
        tokenize_choices(questions, Tokenizer.load(tiny_base), max_positions=100)


@pytest.mark.parametrize(
    ("n_base", "n_tuned", "n", "verdict"),
    [
        (100, 100, 200, "not worse"),
        (100, 120, 200, "not worse"),
        (100, 50, 200, "worse"),
        (20, 18, 40, "undecided"),
        (50, 0, 200, "not measurable"),
        (10, 40, 40, "not measurable"),
    ],
)
def test_verdicts(n_base, n_tuned, n, verdict):
    assert judge(right(n_base, n), right(n_tuned, n), margin=0.05)["verdict"] == verdict


def test_worse_needs_the_whole_interval_below_the_margin():
    """Losing 30 of 200 is shown to be more than 5 points, but not shown to be more than 14."""
    assert judge(right(130, 200), right(100, 200), margin=0.05)["verdict"] == "worse"
    assert judge(right(130, 200), right(100, 200), margin=0.14)["verdict"] == "undecided"


def test_just_better_than_guessing_is_measurable():
    """Of 40 by guessing: 15 or more come with p = 0.054, 16 or more with p = 0.026."""
    assert judge(right(15, 40), right(15, 40), margin=0.3)["verdict"] == "not measurable"
    assert judge(right(16, 40), right(16, 40), margin=0.3)["verdict"] == "not worse"


def test_the_counts_behind_the_verdict_are_told():
    base = np.array([True, True, False, False])
    tuned = np.array([True, False, True, False])
    found = judge(base, tuned, margin=0.05)
    assert (found["n_only_base_right"], found["n_only_tuned_right"]) == (1, 1)
    assert found["models"]["base"]["accuracy"] == 0.5
    assert found["difference"]["accuracy"] == 0


def planted_scorer(handle, questions, _progress):
    """The base knows every answer, the tuned model only every fourth."""
    scores = np.zeros((len(questions), 4))
    for number, (row, question) in enumerate(zip(scores, questions, strict=True)):
        knows = handle.label == "base" or number % 4 == 0
        row[question.answer if knows else (question.answer + 1) % 4] = 1
    return scores


def test_planted_forgetting_is_found(tiny_base, tmp_path):
    models = handles(tiny_base, tmp_path / "adapter")
    built = build_knowledge_report(
        models,
        load_questions(),
        margin=0.05,
        out=tmp_path / "out",
        progress=NO_PROGRESS,
        scorer=planted_scorer,
    )
    report = built.facts["report"]
    assert report["verdict"] == "worse"
    assert report["models"]["base"]["accuracy"] == 1
    assert report["models"]["tuned"]["accuracy"] == 0.25
    assert report["difference"]["accuracy"] == -0.75
    assert (report["n_questions"], report["chance"]) == (60, 0.25)
    assert json.loads((built.path / "report.json").read_text()) == report


def test_random_weights_know_nothing_that_could_be_lost(tiny_base, tmp_path):
    models = handles(tiny_base, tmp_path / "adapter")
    questions = QuestionSet(load_questions().items[:20], "twenty", "0" * 64)

    def build(out):
        return build_knowledge_report(models, questions, margin=0.05, out=out, progress=NO_PROGRESS)

    built = build(tmp_path / "a")
    assert built.facts["report"]["verdict"] == "not measurable"
    assert built.facts["report"]["source"] == "twenty"
    assert build(tmp_path / "b").fingerprint == built.fingerprint
