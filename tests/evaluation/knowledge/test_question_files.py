import json
from collections import Counter

import pytest

from astro_assets.errors import BadSettingError
from astro_assets.evaluation.knowledge.question_files import load_questions
from astro_assets.evaluation.statistics import chance_of_at_least

GOOD = {"question": "Which is a star?", "choices": ["Vega", "Mars", "Io", "Ceres"], "answer": 0}
HEADER = "question,choice0,choice1,choice2,choice3,answer\n"


def written(tmp_path, text, name="questions.jsonl"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_bundled_questions_are_sixty_different_ones():
    questions = load_questions().items
    assert len({question.text for question in questions}) == 60
    for question in questions:
        assert len(set(question.choices)) == 4
        assert question.text.endswith("?")


def test_the_place_of_the_right_answer_tells_nothing():
    assert Counter(q.answer for q in load_questions().items) == {0: 15, 1: 15, 2: 15, 3: 15}


@pytest.mark.parametrize("pick", [min, max])
def test_the_length_of_the_right_answer_tells_nothing(pick):
    """Always taking the shortest (or longest) answer is no better than guessing."""
    n_right = sum(
        pick(range(4), key=lambda i: len(question.choices[i])) == question.answer
        for question in load_questions().items
    )
    assert chance_of_at_least(n_right, 60, 0.25) > 0.05


def test_json_lines_and_csv_give_the_same_questions(tmp_path):
    lines = written(tmp_path, json.dumps(GOOD) + "\n\n")
    table = written(tmp_path, HEADER + "Which is a star?,Vega,Mars,Io,Ceres,0\n", "q.csv")
    letters = written(tmp_path, HEADER + "Which is a star?,Vega,Mars,Io,Ceres,A\n", "l.csv")
    assert load_questions(lines).items == load_questions(table).items
    assert load_questions(lines).items == load_questions(letters).items
    assert load_questions(table).source == "q.csv"


def test_a_quoted_csv_field_may_hold_commas_and_line_ends(tmp_path):
    path = written(tmp_path, HEADER + '"What, then,\nis it?",a,"b, c",d,e,1\n', "q.csv")
    (question,) = load_questions(path).items
    assert question.text == "What, then,\nis it?"
    assert question.choices[question.answer] == "b, c"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"answer": 4}, "answer is not one of 0 to 3"),
        ({"answer": -1}, "answer is not one of 0 to 3"),
        ({"answer": True}, "answer is not one of 0 to 3"),
        ({"answer": "E"}, "answer is not one of 0 to 3"),
        ({"answer": None}, "answer is not one of 0 to 3"),
        ({"choices": ["a", "b", "c"]}, "not 4 choices"),
        ({"choices": "abcd"}, "not 4 choices"),
        ({"choices": ["a", "b", "c", " "]}, "not 4 choices"),
        ({"choices": ["a", "b", "c", 4]}, "not 4 choices"),
        ({"question": ""}, "no question"),
        ({"question": "x" * 2_001}, "no question"),
        ({"question": None}, "no question"),
    ],
)
def test_a_bad_question_is_named_by_its_line(tmp_path, changed, why):
    lines = [json.dumps(GOOD), json.dumps({**GOOD, **changed})]
    with pytest.raises(BadSettingError, match=f"line 2: .*{why}"):
        load_questions(written(tmp_path, "\n".join(lines)))


@pytest.mark.parametrize("line", ["{", "[1]", "7", "[" * 100_000])
def test_a_line_that_is_no_object_is_refused(tmp_path, line):
    with pytest.raises(BadSettingError, match="line 1: not"):
        load_questions(written(tmp_path, line))


@pytest.mark.parametrize(
    "text", ["a,b\n1,2\n", HEADER + "q,a,b,c\n", HEADER + '"open,a,b,c,d,0\n', HEADER]
)
def test_a_table_that_is_not_of_questions_is_refused(tmp_path, text):
    with pytest.raises(BadSettingError):
        load_questions(written(tmp_path, text, "q.csv"))


def test_missing_empty_binary_and_huge_files_are_refused(tmp_path):
    binary = tmp_path / "binary.jsonl"
    binary.write_bytes(b"\xff\xfe\x00")
    huge = written(tmp_path, " " * (9 << 20), "huge.jsonl")
    for path, why in (
        (tmp_path / "none.jsonl", "no question file"),
        (written(tmp_path, ""), "holds 0 questions"),
        (binary, "not UTF-8"),
        (huge, "bytes"),
    ):
        with pytest.raises(BadSettingError, match=why):
            load_questions(path)


def test_real_questions_are_read(shared):
    path = shared / "mcq" / "mmlu_astronomy_test.csv"
    questions = load_questions(path)
    assert (len(questions.items), questions.source) == (152, "mmlu_astronomy_test.csv")
    assert questions.items[0].answer == 0
