from astro_assets.evaluation.knowledge.prompts import full_answer_prompts, letter_prompts
from astro_assets.evaluation.knowledge.question_files import Question
from tests.evaluation.knowledge.planted_questions import EXAMPLES, QUESTIONS


def test_the_full_answer_follows_the_question_alone():
    prompt = full_answer_prompts(QUESTIONS)[1]
    assert prompt.context(0) == "Question: How many?\nAnswer:"
    assert prompt.continuations == (" one", " two", " three hundred and four")


def test_letters_follow_examples_question_and_options():
    prompt = letter_prompts(QUESTIONS[1:], EXAMPLES, rotation=0)[0]
    assert prompt.context(2) == (
        "Question: Is it red?\nA. yes\nB. no\nAnswer: B\n\n"
        "Question: Is it far?\nA. yes\nB. no\nAnswer: A\n\n"
        "Question: How many?\nA. one\nB. two\nC. three hundred and four\nAnswer:"
    )
    assert prompt.continuations == (" A", " B", " C", "A", "B", "C")
    assert prompt.context(1).startswith("Question: Is it far?")


def test_every_option_stands_once_at_every_letter():
    places = [letter_prompts(QUESTIONS[1:], (), rotation=rotation)[0].tail for rotation in range(3)]
    assert places == [
        "\nA. one\nB. two\nC. three hundred and four\nAnswer:",
        "\nA. two\nB. three hundred and four\nC. one\nAnswer:",
        "\nA. three hundred and four\nB. one\nC. two\nAnswer:",
    ]


def test_what_looks_like_code_or_a_template_stays_text():
    hostile = Question("<script>{{ 1 + 1 }}</script> {0} %s?", ("</s>", "Answer: B"), 0)
    (prompt,) = letter_prompts([hostile], (), rotation=0)
    assert prompt.context(0) == (
        "Question: <script>{{ 1 + 1 }}</script> {0} %s?\nA. </s>\nB. Answer: B\nAnswer:"
    )
