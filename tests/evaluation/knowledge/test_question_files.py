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
    questions = load_questions()
    both = [*questions.items, *questions.examples]
    assert len(questions.items) == 60
    assert len({question.text for question in both}) == len(both) == 65
    for question in both:
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


def test_the_bundled_questions_have_examples_of_their_own():
    questions = load_questions()
    examples, asked = questions.parted(2)
    assert examples == questions.examples[:2]
    assert asked == questions.items
    with pytest.raises(BadSettingError, match="6 examples"):
        questions.parted(6)


def test_the_first_questions_of_a_file_that_marks_none_are_its_examples(tmp_path):
    lines = [json.dumps({**GOOD, "question": f"Number {i}?"}) for i in range(4)]
    questions = load_questions(written(tmp_path, "\n".join(lines)))
    examples, asked = questions.parted(3)
    assert [one.text for one in examples] == ["Number 0?", "Number 1?", "Number 2?"]
    assert [one.text for one in asked] == ["Number 3?"]
    assert questions.parted(0) == ((), questions.items)
    with pytest.raises(BadSettingError, match="4 questions, of which 4"):
        questions.parted(4)


def test_every_form_of_file_gives_the_same_questions(tmp_path):
    row = "Which is a star?,Vega,Mars,Io,Ceres,"
    lettered = "question,A,B,C,D,answer\n"
    options = {"question": GOOD["question"], "options": GOOD["choices"], "answer": "A"}
    fields = {"question": GOOD["question"], **dict(zip("ABCD", GOOD["choices"], strict=True))}
    files = [
        written(tmp_path, json.dumps(GOOD) + "\n\n", "a.jsonl"),
        written(tmp_path, json.dumps(options), "b.jsonl"),
        written(tmp_path, json.dumps({**fields, "answer": 0}), "c.jsonl"),
        written(tmp_path, HEADER + row + "0\n", "a.csv"),
        written(tmp_path, HEADER + row + "A\n", "b.csv"),
        written(tmp_path, lettered + row + "A\n", "c.csv"),
    ]
    assert len({load_questions(path).items for path in files}) == 1
    assert load_questions(files[3]).source == "a.csv"


def test_a_suffix_may_be_in_capitals(tmp_path):
    row = "Which is a star?,Vega,Mars,Io,Ceres,0\n"
    (one,) = load_questions(written(tmp_path, HEADER + row, "Q.CSV")).items
    assert one.choices == ("Vega", "Mars", "Io", "Ceres")
    (other,) = load_questions(written(tmp_path, json.dumps(GOOD), "Q.JSONL")).items
    assert other.text == GOOD["question"]


def test_two_to_ten_options_may_stand_in_one_file(tmp_path):
    two = {**GOOD, "choices": ["yes", "no"], "answer": "B"}
    ten = {**GOOD, "choices": [str(i) for i in range(10)], "answer": "J"}
    path = written(tmp_path, f"{json.dumps(two)}\n{json.dumps(ten)}\n")
    assert [(len(q.choices), q.answer) for q in load_questions(path).items] == [(2, 1), (10, 9)]


def test_cells_at_the_end_of_a_row_may_be_empty(tmp_path):
    path = written(tmp_path, HEADER + "Is it?,yes,no,,,1\nWhat?,a,b,c,d,3\n", "q.csv")
    assert [question.choices for question in load_questions(path).items] == [
        ("yes", "no"),
        ("a", "b", "c", "d"),
    ]


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
        ({"answer": "²"}, "answer is not one of 0 to 3"),
        ({"answer": ""}, "answer is not one of 0 to 3"),
        ({"answer": None}, "answer is not one of 0 to 3"),
        ({"choices": ["a"]}, "not 2 to 10 choices"),
        ({"choices": ["a"] * 11}, "not 2 to 10 choices"),
        ({"choices": "abcd"}, "not 2 to 10 choices"),
        ({"choices": ["a", "b", "c", " "]}, "not 2 to 10 choices"),
        ({"choices": ["a", "b", "c", 4]}, "not 2 to 10 choices"),
        ({"question": ""}, "no question"),
        ({"question": "x" * 2_001}, "no question"),
        ({"question": None}, "no question"),
        ({"question": "half a pair: \ud800"}, "no question"),
        ({"choices": ["a", "b\udfff", "c", "d"]}, "not 2 to 10 choices"),
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
    "text",
    ["a,b\n1,2\n", HEADER + "q,a,,c,d,0\n", HEADER + '"open,a,b,c,d,0\n', HEADER + "q,a\n", HEADER],
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
