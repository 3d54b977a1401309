import numpy as np
import pytest
import torch

from astro_assets.evaluation.knowledge.methods import (
    answer_questions,
    full_answer_scores,
    letter_scores,
)
from astro_assets.evaluation.knowledge.question_files import load_questions
from tests.evaluation.knowledge.planted_questions import EXAMPLES, QUESTIONS, reader_of, teach
from tests.evaluation.planted import load, plain_nll


def test_full_answers_are_scored_per_byte_of_the_answer(tiny_base):
    reader = reader_of(tiny_base)
    scores = full_answer_scores(reader, QUESTIONS)
    for row, question in zip(scores, QUESTIONS, strict=True):
        prompt = f"Question: {question.text}\nAnswer:"
        n_prompt = len(reader.tokenizer.encode_batch([prompt])[0])
        for score, choice in zip(row, question.choices, strict=True):
            ids = reader.tokenizer.encode_batch([f"{prompt} {choice}"])[0]
            nll = plain_nll(reader.model, [reader.tokenizer.bos_id, *ids], 1 + n_prompt)
            assert score == pytest.approx(-nll / len(choice.encode()), rel=1e-5)


def test_letters_are_averaged_over_all_rotations(tiny_base):
    """By hand: the second question's three options, at three letters each."""
    reader = reader_of(tiny_base)
    with_blank, without_blank = letter_scores(reader, QUESTIONS, EXAMPLES)
    options = QUESTIONS[1].choices
    before = (
        "Question: Is it red?\nA. yes\nB. no\nAnswer: B\n\n"
        "Question: Is it far?\nA. yes\nB. no\nAnswer: A\n\nQuestion: How many?"
    )
    for scores, blank in ((with_blank[1], " "), (without_blank[1], "")):
        expected = np.zeros(3)
        for order in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
            listed = "".join(f"\n{'ABC'[p]}. {options[o]}" for p, o in enumerate(order))
            prompt = f"{before}{listed}\nAnswer:"
            n_prompt = len(reader.tokenizer.encode_batch([prompt])[0])
            for place, option in enumerate(order):
                ids = reader.tokenizer.encode_batch([f"{prompt}{blank}{'ABC'[place]}"])[0]
                ids = [reader.tokenizer.bos_id, *ids]
                expected[option] -= plain_nll(reader.model, ids, 1 + n_prompt) / 3
        np.testing.assert_allclose(scores, expected, rtol=1e-5)


def test_a_model_that_only_likes_letters_likes_no_option(tiny_base):
    """Its hidden states are always the same, its letters are not: the rotations cancel that."""
    model = load(tiny_base)
    for layer in model.model.layers:
        torch.nn.init.zeros_(layer.self_attn.o_proj.weight)
        torch.nn.init.zeros_(layer.mlp.down_proj.weight)
    reader = reader_of(tiny_base, model)
    for scores in letter_scores(reader, QUESTIONS, EXAMPLES):
        for one in scores:
            np.testing.assert_allclose(one, one[0], rtol=1e-5)


def test_what_a_model_has_learnt_by_heart_it_answers(tiny_base):
    questions = load_questions().items[:8]
    reader = reader_of(tiny_base)
    assert answer_questions(reader, questions, ())["full_answer"].right.sum() < 7
    taught = teach(
        reader.model,
        [f"Question: {q.text}\nAnswer: {q.choices[q.answer]}" for q in questions],
        reader.tokenizer,
    )
    answers = answer_questions(reader_of(tiny_base, taught), questions, ())
    assert answers["full_answer"].right.all()
    assert set(answers) == {"full_answer", "letter_with_blank", "letter_without_blank"}


def test_the_order_of_the_questions_changes_no_answer(tiny_base):
    reader, questions = reader_of(tiny_base), load_questions().items[:6]
    ours = answer_questions(reader, questions, EXAMPLES)
    theirs = answer_questions(reader, questions[::-1], EXAMPLES)
    for method, answers in ours.items():
        assert answers.right.tolist() == theirs[method].right[::-1].tolist()
