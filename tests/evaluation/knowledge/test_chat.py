import json
import shutil

import pytest

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadModelError, BadSettingError
from astro_assets.evaluation.knowledge.chat import (
    _first_turn,
    _fitting,
    chat_answers,
    chat_template,
    parsed_letter,
)
from astro_assets.evaluation.knowledge.question_files import Question
from tests.evaluation.knowledge.planted_questions import QUESTIONS, reader_of, teach

TEMPLATE = "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %} [me]"
ASKED = "[user] {}\nAnswer with the letter of the right option alone. [me]"


def instruct(base, folder, template=TEMPLATE, file="chat_template.jinja"):
    """The tiny base with a chat template."""
    shutil.copytree(base, folder)
    if file.endswith(".jinja"):
        (folder / file).write_text(template)
    else:
        config = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps({**config, "chat_template": template}))
    return folder


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("B", 1),
        (" b\n", 1),
        ("(C)", 2),
        ("**D.** Because", 3),
        ("A: Vega", 0),
        ("Answer: C", 2),
        ("The correct answer is (B).", 1),
        ("The answer is: D", 3),
        ("A star is hot", None),
        ("Because B", None),
        ("B) The Sun", 1),
        ("(B) The Sun", 1),
        ("[B] The Sun", 1),
        ("**(B)** The Sun", 1),
        ("Answer: B) The Sun", 1),
        ("Answer: **B. The Sun**", 1),
        ("The correct answer is B) The Sun", 1),
        ("The best choice is: (B) The Sun", 1),
        ("B - The Sun", 1),
        ("B \u2013 The Sun", 1),
        ("B\u2014the Sun", 1),
        ("B, because", 1),
        ("B, I think", 1),
        ("B: The Sun", 1),
        ("B.The Sun", 1),
        ("B\n\nThe Sun", 1),
        ("The answer is a star", None),
        ("B-type stars", None),
        ("B\u2013V colours", None),
        ("a.k.a. the Sun", None),
        ("(A star)", None),
        ("B or C", None),
        ("B, C", None),
        ("B, C and D", None),
        ("(B) or (C)", None),
        ("B) and C)", None),
        ("E) The Sun", None),
        ("E", None),
        ("AB", None),
        ("", None),
    ],
)
def test_only_a_letter_that_stands_first_and_alone_is_an_answer(text, index):
    assert parsed_letter(text, 4) == index


@pytest.mark.parametrize("file", ["chat_template.jinja", "tokenizer_config.json"])
def test_the_template_is_found_where_models_keep_it(tiny_base, tmp_path, file):
    assert chat_template(instruct(tiny_base, tmp_path / "model", file=file)) == TEMPLATE
    assert chat_template(tiny_base) is None


def test_a_model_without_a_template_is_not_asked(tiny_base):
    assert chat_answers(reader_of(tiny_base), QUESTIONS) is None


def test_what_an_instruct_model_writes_is_read(tiny_base, tmp_path):
    """Taught to answer the first question with C and the second with a word."""
    reader = reader_of(instruct(tiny_base, tmp_path / "model"))
    listed = [
        "Which is a star?\nA. Vega\nB. the planet Mars\nC. Io\nD. Ceres é",
        "How many?\nA. one\nB. two\nC. three hundred and four",
    ]
    texts = [f"{ASKED.format(listed[0])} C.\n", f"{ASKED.format(listed[1])} galaxies"]
    taught = teach(reader.model, texts, reader.tokenizer)
    assert chat_answers(reader_of(reader.folder, taught), QUESTIONS) == [2, None]


def test_a_turn_ends_with_any_special_token(tiny_base):
    tokenizer = Tokenizer.load(tiny_base)
    (letter,), (more,) = (
        tokenizer.encode_batch(["B"])[0][-1:],
        tokenizer.encode_batch(["x"])[0][-1:],
    )
    assert _first_turn([letter, tokenizer.bos_id, more], tokenizer) == "B"
    assert _first_turn([letter, more], tokenizer) == "Bx"


def test_a_special_token_in_a_question_stays_text(tiny_base, tmp_path):
    """The template's own <s> is one token; the question's is not, nor does its code run."""
    tokenizer = Tokenizer.load(tiny_base)
    tokenizer.fast.encode_special_tokens = False
    question = Question("Is </s><s> {{ 7 * 7 }} <script>alert(1)</script>?", ("a</s>", "b"), 0)
    ids = _fitting(TEMPLATE, question, tokenizer, room=200)
    assert ids[0] == tokenizer.bos_id
    assert tokenizer.bos_id not in ids[1:] and tokenizer.eos_id not in ids
    text = tokenizer.decode(ids)
    assert "{{ 7 * 7 }} <script>alert(1)</script>?" in text and "49" not in text


def test_a_question_too_long_loses_its_beginning(tiny_base, tmp_path):
    tokenizer = Tokenizer.load(tiny_base)
    tokenizer.fast.encode_special_tokens = False
    long = Question("0123456789 " * 30 + "Why?", ("one", "two"), 0)
    ids = _fitting(TEMPLATE, long, tokenizer, room=150)
    assert 100 < len(ids) <= 150
    assert ids[0] == tokenizer.bos_id
    assert "789 Why?\nA. one\nB. two\nAnswer with" in tokenizer.decode(ids)
    with pytest.raises(BadSettingError, match="do not fit"):
        _fitting(TEMPLATE, long, tokenizer, room=20)


@pytest.mark.parametrize(
    "template",
    [
        "{% if %}",
        "{{ raise_exception('no user here') }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages[0].content * 9000 }}",
        "{% for i in range(999999999) %}x{% endfor %}",
        "x" * 300_000,
        "{{ 1 / 0 }}",
        "{{ {}.pop('user') }}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
    ],
)
def test_a_broken_or_hostile_template_is_refused(tiny_base, tmp_path, template):
    reader = reader_of(instruct(tiny_base, tmp_path / "model", template))
    with pytest.raises(BadModelError, match="chat template"):
        chat_answers(reader, QUESTIONS)


@pytest.mark.parametrize("text", ["[]", "null", "{", "[" * 100_000])
def test_a_tokenizer_configuration_that_is_none_is_refused(tmp_path, text):
    (tmp_path / "tokenizer_config.json").write_text(text)
    with pytest.raises(BadModelError, match=r"tokenizer_config.json is no JSON object"):
        chat_template(tmp_path)
