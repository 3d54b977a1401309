"""Our scores are those of EleutherAI's harness, of the same questions and the same model."""

import numpy as np
import pytest
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from astro_assets.evaluation.knowledge.fitting import fit
from astro_assets.evaluation.knowledge.likelihoods import continuation_nats
from astro_assets.evaluation.knowledge.methods import full_answer_scores
from astro_assets.evaluation.knowledge.prompts import letter_prompts
from astro_assets.evaluation.knowledge.question_files import load_questions
from astro_assets.progress import NO_PROGRESS
from tests.evaluation.knowledge.planted_questions import reader_of

pytest.importorskip("lm_eval", reason="the harness (extra dev) is not installed")
pytest.importorskip("datasets", reason="the harness's library of data sets is not installed")

N_EXAMPLES = 1


@pytest.fixture(scope="module", params=["tiny", "stories260K"])
def case(request, tiny_base):
    """A reader, its questions, and examples: random weights on ours, real ones on MMLU's."""
    if request.param == "tiny":
        questions, folder, n, longest = load_questions(), tiny_base, 10, 150
    else:
        shared = request.getfixturevalue("shared")
        questions = load_questions(shared / "mcq" / "mmlu_astronomy_test.csv")
        folder, n, longest = shared / "models" / "stories260K", 25, 300
    examples, asked = questions.parted(N_EXAMPLES)
    # Those that fit into the model's context with the example.
    short = [one for one in asked if len(one.text) + sum(map(len, one.choices)) < longest]
    assert len(short) >= n
    return reader_of(folder), tuple(short[:n]), examples


def harness(reader, docs, choices):
    """What the harness says: log-likelihoods per document, and its metrics per document."""
    import datasets
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM

    task = ConfigurableTask(
        config={
            "task": "planted",
            "custom_dataset": lambda **_: {"test": datasets.Dataset.from_list(docs)},
            "test_split": "test",
            "output_type": "multiple_choice",
            "doc_to_text": "{{context}}",
            "doc_to_choice": choices,
            "doc_to_target": "answer",
            "target_delimiter": "",
            "metric_list": [{"metric": "acc"}, {"metric": "acc_bytes"}],
        }
    )
    model = HFLM(reader.model, tokenizer=with_bos(reader), device="cpu", batch_size=4)
    told = evaluate(model, {"planted": task}, bootstrap_iters=0, log_samples=True)
    samples = sorted(told["samples"]["planted"], key=lambda one: one["doc_id"])
    nats = [[float(answer[0]) for answer in one["filtered_resps"]] for one in samples]
    return nats, told["results"]["planted"]


def with_bos(reader):
    """The model's tokenizer as the harness reads it, with [BOS] before every text."""
    from tokenizers import Tokenizer as FastTokenizer

    fast = FastTokenizer.from_file(str(reader.folder / "tokenizer.json"))
    bos_id = reader.tokenizer.bos_id
    bos, eos = fast.id_to_token(bos_id), fast.id_to_token(reader.tokenizer.eos_id)
    fast.post_processor = TemplateProcessing(single=f"{bos} $A", special_tokens=[(bos, bos_id)])
    return PreTrainedTokenizerFast(tokenizer_object=fast, bos_token=bos, eos_token=eos)


def test_full_answers_are_the_harness_s(case):
    """The blank stands in the context: the harness moves it to the answer, but not its bytes."""
    reader, questions, _ = case
    docs = [
        {
            "context": f"Question: {question.text}\nAnswer: ",
            "options": list(question.choices),
            "answer": question.answer,
        }
        for question in questions
    ]
    theirs, metrics = harness(reader, docs, "{{options}}")
    ours = full_answer_scores(reader, questions)
    n_bytes = [[len(choice.encode()) for choice in question.choices] for question in questions]
    np.testing.assert_allclose(np.multiply(ours, n_bytes), theirs, atol=1e-4, rtol=0)
    right = [one.argmax() == q.answer for one, q in zip(ours, questions, strict=True)]
    assert metrics["acc_bytes,none"] == pytest.approx(np.mean(right))


@pytest.mark.parametrize("blank", [" ", ""])
def test_letters_after_examples_are_the_harness_s(case, blank):
    reader, questions, examples = case
    prompts = letter_prompts(questions, examples, rotation=0)
    docs = [
        {"context": prompt.context(N_EXAMPLES), "answer": question.answer}
        for prompt, question in zip(prompts, questions, strict=True)
    ]
    letters = [f"{blank}{letter}" for letter in "ABCD"]
    theirs, metrics = harness(reader, docs, letters)
    fitted = fit(prompts, reader.tokenizer, max_positions=reader.max_positions)
    assert (fitted.n_lost_examples, fitted.n_lost_beginning) == (0, 0)
    nats = continuation_nats(reader.model, fitted.asked, name="x", progress=NO_PROGRESS)
    first = 0 if blank else 4
    ours = np.asarray([one[first : first + 4] for one in nats])
    np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=0)
    answers = [question.answer for question in questions]
    assert metrics["acc,none"] == pytest.approx(np.mean(ours.argmax(axis=1) == answers))
