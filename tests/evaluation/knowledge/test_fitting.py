import pytest

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadSettingError
from astro_assets.evaluation.knowledge.fitting import fit, n_needed
from astro_assets.evaluation.knowledge.prompts import (
    Prompt,
    full_answer_prompts,
    letter_prompts,
)
from astro_assets.evaluation.knowledge.question_files import Question
from tests.evaluation.knowledge.planted_questions import EXAMPLES, QUESTIONS


@pytest.fixture(scope="module")
def tokenizer(tiny_base):
    return Tokenizer.load(tiny_base)


def test_context_and_continuation_make_the_whole(tokenizer):
    prompts = full_answer_prompts(QUESTIONS)
    fitted = fit(prompts, tokenizer, max_positions=256)
    assert (fitted.n_lost_examples, fitted.n_lost_beginning) == (0, 0)
    for prompt, one in zip(prompts, fitted.asked, strict=True):
        assert one.context[0] == tokenizer.bos_id
        for ids, text in zip(one.continuations, prompt.continuations, strict=True):
            whole = tokenizer.encode_batch([prompt.context(0) + text])[0]
            assert [*one.context[1:], *ids] == whole
            assert tokenizer.decode(ids).strip() == text.strip()


def test_examples_go_first_and_the_farthest_first(tokenizer):
    prompts = letter_prompts(QUESTIONS[:1], EXAMPLES, rotation=0)
    needed = n_needed(prompts, tokenizer)
    assert fit(prompts, tokenizer, max_positions=needed + 2).n_lost_examples == 0
    fitted = fit(prompts, tokenizer, max_positions=needed - 3)
    assert (fitted.n_lost_examples, fitted.n_lost_beginning) == (1, 0)
    text = tokenizer.decode(fitted.asked[0].context).strip()
    assert text == prompts[0].context(1)


def test_then_the_question_loses_its_beginning_and_never_its_options(tokenizer):
    long = Question("0123456789 " * 30, QUESTIONS[0].choices, 0)
    prompts = letter_prompts([long], EXAMPLES, rotation=0)
    fitted = fit(prompts, tokenizer, max_positions=100)
    assert (fitted.n_lost_examples, fitted.n_lost_beginning) == (1, 1)
    (one,) = fitted.asked
    assert max(len(one.context) + len(ids) for ids in one.continuations) == 100
    assert tokenizer.decode(one.context).endswith(
        "789 \nA. Vega\nB. the planet Mars\nC. Io\nD. Ceres é\nAnswer:"
    )


def test_options_longer_than_the_context_are_refused(tokenizer):
    question = Question("Why?", ("0123456789 " * 30, "b", "c", "d"), 0)
    for prompts in (
        full_answer_prompts([question]),
        letter_prompts([question], EXAMPLES, rotation=1),
    ):
        with pytest.raises(BadSettingError, match="tokens longer than the model's context"):
            fit(prompts, tokenizer, max_positions=100)


def test_a_border_that_a_tokenizer_merges_counts_for_all_continuations(tokenizer):
    """The tokens of "spec" are others than those "spectrum" begins with: all of it is scored."""
    prompt = Prompt((), "the spec", "", ("trum", "s"))
    (one,) = fit([prompt], tokenizer, max_positions=64).asked
    for ids, text in zip(one.continuations, ("trum", "s"), strict=True):
        assert [*one.context[1:], *ids] == tokenizer.encode_batch([f"the spec{text}"])[0]
    assert tokenizer.decode(one.context).strip() == "the"
