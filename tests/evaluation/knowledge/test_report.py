import json
import shutil

import numpy as np
import pytest

from astro_assets.errors import BadSettingError
from astro_assets.evaluation.knowledge.constellations import load_constellations, load_objects
from astro_assets.evaluation.knowledge.equations import load_equations
from astro_assets.evaluation.knowledge.methods import Answers
from astro_assets.evaluation.knowledge.probe_tables import Probes
from astro_assets.evaluation.knowledge.question_files import Question, QuestionSet, load_questions
from astro_assets.evaluation.knowledge.report import build_knowledge_report, judged_questions
from astro_assets.evaluation.knowledge.rooms import Asked
from astro_assets.models.handle import ModelHandle
from astro_assets.progress import NO_PROGRESS
from tests.evaluation.knowledge.planted_questions import reader_of, teach
from tests.evaluation.planted import handles

BUNDLED = load_questions()
TWENTY = QuestionSet(BUNDLED.items[:20], "twenty", "0" * 64, BUNDLED.examples)
OTHERS = QuestionSet(
    tuple(
        Question(f"<script>alert({i})</script>?", ("yes", "no", "neither"), i % 3) for i in range(6)
    ),
    "<b>others</b>.csv",
    "1" * 64,
)
FEW = Probes(load_equations()[:3], dict(list(load_objects().items())[:4]), load_constellations())


def build(models, out, questions=TWENTY, **more):
    more = {"margin": 0.05, "n_examples": 2, "probes": FEW} | more
    return build_knowledge_report(models, questions, out=out, progress=NO_PROGRESS, **more)


@pytest.fixture(scope="module")
def built(tiny_base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("knowledge")
    models = handles(tiny_base, folder / "adapter")
    return build(models, folder / "out", other_questions=OTHERS), models


def test_random_weights_know_nothing_that_could_be_lost(built):
    report = built[0].facts["report"]
    assert report["verdict"] == "not measurable"
    assert (report["source"], report["n_questions"], report["n_examples"]) == ("twenty", 20, 2)
    assert (report["chance"], report["margin"]) == (0.25, 0.05)
    assert set(report["methods"]) == {"full_answer", "letter_with_blank", "letter_without_blank"}
    for method in report["methods"].values():
        assert set(method["models"]) == {"base", "tuned"} and method["what"].endswith(".")
    assert json.loads((built[0].path / "report.json").read_text()) == report


def test_what_was_not_asked_is_told(built):
    notes = built[0].facts["report"]["notes"]
    assert any("no chat template" in note for note in notes)
    assert any(note.startswith("twenty: letters, base:") for note in notes)


def test_questions_outside_astronomy_are_judged_alike(built):
    report = built[0].facts["report"]
    others = report["other_questions"]
    own = {"other_questions", "equations", "constellations", "notes"}
    assert set(others) == set(report) - own
    assert others["chance"] == pytest.approx(1 / 3)
    # The first two are its examples.
    assert (others["n_questions"], others["source"]) == (4, "<b>others</b>.csv")
    assert others["verdict"] == "not measurable"


def test_probes_are_told_with_their_chance(built):
    report = built[0].facts["report"]
    assert report["equations"]["n"] == 3 and report["equations"]["chance_rank_1"] == pytest.approx(
        1 / 3
    )
    assert set(report["equations"]["models"]["base"]) == {
        "rank_1",
        "low",
        "high",
        "mrr",
        "median_rank",
        "edit_distance",
        "n_exact",
    }
    constellations = report["constellations"]
    assert constellations["n"] == 4 and constellations["chance"] == pytest.approx(1 / 88)
    assert set(constellations["models"]["tuned"]) == {"right", "n_right", "low", "high", "mrr"}


def test_two_runs_give_equal_reports(built, tmp_path):
    first, models = built
    second = build(models, tmp_path / "b", other_questions=OTHERS)
    assert second.fingerprint == first.fingerprint
    assert (second.path / "report.json").read_bytes() == (first.path / "report.json").read_bytes()


def test_one_model_alone_is_measured_and_not_judged(tiny_base, tmp_path):
    models = {"model": ModelHandle("model", tiny_base, None, "m" * 64, None)}
    report = build(models, tmp_path / "out", n_examples=0).facts["report"]
    assert set(report["models"]) == {"model"}
    assert report["headline"] == "full_answer", "a model's figure is not chosen by itself"
    for name in ("difference", "verdict", "p_base_guessing", "other_questions"):
        assert report[name] is None


def test_instruct_models_are_asked_in_a_chat_too(tiny_base, tmp_path):
    folder = tmp_path / "instruct"
    shutil.copytree(tiny_base, folder)
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    models = {
        "base": ModelHandle("base", folder, None, "b" * 64, None),
        "champion": ModelHandle("champion", tiny_base, None, "c" * 64, None),
    }
    questions = QuestionSet(TWENTY.items[:4], "four", "0" * 64)
    report = build(models, tmp_path / "out", questions, n_examples=0).facts["report"]
    generated = report["methods"]["generated"]
    assert set(generated["models"]) == {"base"}
    # Random weights write no letter: that is wrong, and counted.
    assert generated["models"]["base"]["n_unparsable"] == 4
    assert generated["models"]["base"]["n_right"] == 0
    assert report["headline"] != "generated" and set(report["models"]) == {"base", "champion"}
    assert [note for note in report["notes"] if "chat template" in note] == [
        "Nothing was generated by champion: its tokenizer has no chat template."
    ]


def test_too_few_questions_for_the_examples_are_refused(tmp_path):
    with pytest.raises(BadSettingError, match="6 examples"):
        build({}, tmp_path / "out", n_examples=6)


def test_planted_forgetting_of_answers_is_found():
    """The base knows every answer, the tuned model only every fourth."""
    knows = np.ones(60, dtype=bool)
    answered = {
        "base": dict.fromkeys(("full_answer", "letter_with_blank"), Answers(knows)),
        "tuned": dict.fromkeys(
            ("full_answer", "letter_with_blank"), Answers(np.arange(60) % 4 == 0)
        ),
    }
    report = judged_questions(Asked(BUNDLED, 0, ()), answered, margin=0.05, n_examples=2)
    assert (report["headline"], report["verdict"]) == ("full_answer", "worse")
    assert report["models"]["base"]["accuracy"] == 1
    assert report["models"]["tuned"]["accuracy"] == 0.25
    assert report["difference"]["accuracy"] == -0.75
    assert (report["n_questions"], report["chance"]) == (60, 0.25)


def test_a_model_that_knew_and_forgot_is_caught(tiny_base, tmp_path):
    """The base has learnt the answers by heart; the tuned model is the one from before that."""
    reader = reader_of(tiny_base)
    questions = QuestionSet(TWENTY.items[:12], "twelve", "0" * 64)
    texts = [f"Question: {q.text}\nAnswer: {q.choices[q.answer]}" for q in questions.items]
    teach(reader.model, texts, reader.tokenizer, n_steps=80).save_pretrained(tmp_path / "knowing")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "knowing" / name).write_bytes((tiny_base / name).read_bytes())
    models = {
        "tuned": ModelHandle("tuned", tiny_base, None, "t" * 64, None),
        "base": ModelHandle("base", tmp_path / "knowing", None, "b" * 64, None),
    }
    report = build(models, tmp_path / "out", questions, n_examples=0).facts["report"]
    assert list(report["models"]) == ["tuned", "base"]
    assert report["headline"] == "full_answer"
    assert report["models"]["base"]["accuracy"] >= 0.9
    assert report["verdict"] == "worse"
