"""Models that know nothing must not be right by where the right options stand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.evaluation.knowledge.methods import letter_scores
from astro_assets.evaluation.knowledge.prompts import letter_prompts
from astro_assets.evaluation.knowledge.question_files import Question, QuestionSet
from astro_assets.models.handle import ModelHandle
from tests.evaluation.knowledge.planted_questions import reader_of
from tests.evaluation.knowledge.test_report import build
from tests.evaluation.planted import load

LETTERED = ("full_answer", "letter_with_blank", "letter_without_blank")


def all_first(tokenizer: Tokenizer) -> QuestionSet:
    """Questions whose answer is always option 0; options of as many tokens and bytes each."""
    options = ("1", "2", "3", "4")
    (n_tokens,) = {len(ids) for ids in tokenizer.encode_batch([f" {one}" for one in options])}
    assert n_tokens > 0
    texts = [f"Which is number {i}?" for i in range(20)]
    return QuestionSet(tuple(Question(one, options, 0) for one in texts), "firsts", "0" * 64)


def saved(model: Any, base: Path, folder: Path) -> ModelHandle:
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((base / name).read_bytes())
    return ModelHandle(folder.name, folder, None, folder.name * 9, None)


def without_logits(base: Path) -> Any:
    """The base with all logits zero: every token is as likely as any other."""
    model = load(base)
    torch.nn.init.zeros_(model.model.norm.weight)
    return model


def without_context(base: Path) -> Any:
    """The base without its layers: after ":" it likes some letters, whatever stands before."""
    model = load(base)
    for layer in model.model.layers:
        torch.nn.init.zeros_(layer.self_attn.o_proj.weight)
        torch.nn.init.zeros_(layer.mlp.down_proj.weight)
    return model


@pytest.mark.parametrize(
    ("planted", "methods"), [(without_logits, LETTERED), (without_context, LETTERED[1:])]
)
def test_a_model_without_a_preference_is_right_on_nothing(tiny_base, tmp_path, planted, methods):
    handle = saved(planted(tiny_base), tiny_base, tmp_path / "blank")
    questions = all_first(Tokenizer.load(tiny_base))
    models = {"base": handle, "tuned": handle}
    report = build(models, tmp_path / "out", questions, n_examples=0).facts["report"]
    for name in methods:
        found = report["methods"][name]
        assert [one["accuracy"] for one in found["models"].values()] == [0, 0], name
        assert (found["verdict"], found["p_base_guessing"]) == ("not measurable", pytest.approx(1))


def test_all_zero_logits_leave_the_whole_report_without_a_verdict(tiny_base, tmp_path):
    handle = saved(without_logits(tiny_base), tiny_base, tmp_path / "blank")
    questions = all_first(Tokenizer.load(tiny_base))
    models = {"base": handle, "tuned": handle}
    report = build(models, tmp_path / "out", questions, n_examples=2).facts["report"]
    assert (report["verdict"], report["models"]["base"]["n_right"]) == ("not measurable", 0)


def test_a_model_of_letters_alone_does_like_some_of_them(tiny_base):
    """Else the test above would plant the same model twice."""
    reader = reader_of(tiny_base, without_context(tiny_base))
    one = Question("Which?", ("red", "low", "hot", "far"), 0)
    (nats,) = reader.nats(letter_prompts([one], (), rotation=0), "letters")
    assert np.ptp(nats[:4]) > 1e-3
    assert np.ptp(letter_scores(reader, [one], ())[0][0]) < 1e-6
