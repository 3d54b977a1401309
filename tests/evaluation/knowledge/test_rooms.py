import json
import shutil

import pytest

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadModelError, BadSettingError
from astro_assets.evaluation.knowledge.fitting import fit, too_long
from astro_assets.evaluation.knowledge.prompts import full_answer_prompts, letter_prompts
from astro_assets.evaluation.knowledge.question_files import Question, QuestionSet
from astro_assets.evaluation.knowledge.rooms import asked_of_all
from astro_assets.models.handle import ModelHandle
from tests.evaluation.knowledge.test_report import build

SHORT = tuple(Question(f"Which is {i}?", ("red", "low", "hot", "far"), i % 4) for i in range(6))
LONG = Question("Why?", ("0123456789 " * 10, "b", "c", "d"), 0)
FILE = QuestionSet((*SHORT[:3], LONG, *SHORT[3:]), "mine.csv", "0" * 64)


def narrow(base, folder, max_positions=80):
    """The tiny base with a shorter context."""
    shutil.copytree(base, folder)
    config = json.loads((folder / "config.json").read_text())
    config["max_position_embeddings"] = max_positions
    (folder / "config.json").write_text(json.dumps(config))
    return ModelHandle(folder.name, folder, None, "n" * 64, None)


@pytest.fixture
def models(tiny_base, tmp_path):
    wide = ModelHandle("tuned", tiny_base, None, "t" * 64, None)
    return {"tuned": wide, "base": narrow(tiny_base, tmp_path / "narrow")}


@pytest.mark.parametrize("n_positions", [60, 90, 117, 118, 119, 120, 121, 130, 160])
def test_what_fitting_refuses_is_known_beforehand(tiny_base, n_positions):
    tokenizer = Tokenizer.load(tiny_base)
    for prompts in (full_answer_prompts([LONG]), letter_prompts([LONG], SHORT[:1], rotation=1)):
        try:
            fit(prompts, tokenizer, max_positions=n_positions)
            is_refused = False
        except BadSettingError:
            is_refused = True
        assert too_long(prompts, tokenizer, max_positions=n_positions) == [is_refused]


def test_a_question_too_long_for_one_model_is_asked_of_none(models, tmp_path):
    report = build(models, tmp_path / "out", FILE, n_examples=1).facts["report"]
    # Seven, one of them the example and one too long.
    assert (report["n_questions"], report["n_left_out"]) == (5, 1)
    assert report["notes"][0] == (
        "mine.csv: 1 of 6 questions were asked of no model, as their options do not fit into the 80"
        " tokens of base."
    )
    without = QuestionSet(SHORT, "mine.csv", "0" * 64)
    same = build(models, tmp_path / "same", without, n_examples=1).facts["report"]
    assert (same["n_questions"], same["n_left_out"]) == (5, 0)
    assert same["methods"] == report["methods"]


def test_what_fits_all_is_asked_of_all(models):
    wide = {"tuned": models["tuned"]}
    assert asked_of_all(FILE, wide, n_examples=0).n_left_out == 0
    asked = asked_of_all(FILE, models, n_examples=0)
    assert asked.questions.items == SHORT and asked.questions.parted(0) == ((), SHORT)
    assert asked_of_all(FILE, models, n_examples=2).questions.parted(2) == (SHORT[:2], SHORT[2:])


def test_a_chat_takes_room_too(models, tiny_base, tmp_path):
    """Its template and the answer to be written stand beside the options."""
    handle = narrow(tiny_base, tmp_path / "chat", 200)
    (handle.base_folder / "chat_template.jinja").write_text("be good " * 60 + "{{ messages[0] }}")
    with pytest.raises(BadSettingError, match="none of 7 questions"):
        asked_of_all(FILE, {"model": handle}, n_examples=0)


def test_a_folder_that_does_not_say_is_refused(tmp_path):
    with pytest.raises(BadModelError, match="how long a sequence"):
        asked_of_all(FILE, {"model": ModelHandle("m", tmp_path, None, "m", None)}, n_examples=0)
