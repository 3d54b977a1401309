import numpy as np
import pytest
import torch

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadModelError
from astro_assets.evaluation.knowledge.constellations import (
    constellation_prompts,
    load_constellations,
)
from astro_assets.evaluation.knowledge.fitting import Continued, fit
from astro_assets.evaluation.knowledge.likelihoods import KEPT_FROM, continuation_nats
from astro_assets.evaluation.knowledge.plans import plans_of
from astro_assets.evaluation.knowledge.prompts import letter_prompts
from astro_assets.progress import NO_PROGRESS
from tests.evaluation.knowledge.planted_questions import EXAMPLES, QUESTIONS
from tests.evaluation.planted import load, plain_nll, with_adapter


def test_continuations_that_differ_in_their_last_token_are_read_once():
    (plan,), n = plans_of([Continued([1, 7], [[3], [4], [5, 6], [5, 6, 8]])])
    assert n == 4
    # [] begins [5], which begins [5, 6].
    assert plan.tails == [(5, 6)]
    assert sorted(plan.marks[0]) == sorted(
        [(0, 3, 0), (0, 4, 1), (0, 5, 2), (1, 6, 2), (0, 5, 3), (1, 6, 3), (2, 8, 3)]
    )


@pytest.fixture(scope="module")
def asked(tiny_base):
    """Contexts with few continuations (letters) and with many (constellations)."""
    tokenizer = Tokenizer.load(tiny_base)
    names = list(load_constellations().values())[:20]
    prompts = [
        *letter_prompts(QUESTIONS, EXAMPLES, rotation=1),
        *constellation_prompts(["Messier 31", "the galaxies", "Messier 42"], names),
    ]
    asked = fit(prompts, tokenizer, max_positions=256).asked
    plans, _ = plans_of(asked)
    assert [len(plan.tails) >= KEPT_FROM for plan in plans] == [False] * 2 + [True] * 3
    return asked


@pytest.mark.parametrize("make", [load, with_adapter])
def test_both_ways_of_reading_equal_plain_transformers(tiny_base, asked, make):
    model = make(tiny_base)
    found = continuation_nats(model, asked, name="x", progress=NO_PROGRESS)
    for nats, one in zip(found, asked, strict=True):
        expected = [
            -plain_nll(model, [*one.context, *ids], len(one.context)) for ids in one.continuations
        ]
        np.testing.assert_allclose(nats, expected, rtol=1e-5)


def test_neither_batch_size_nor_order_changes_them(tiny_base, asked):
    model = load(tiny_base)
    usual = continuation_nats(model, asked, name="x", progress=NO_PROGRESS)
    other = continuation_nats(model, asked[::-1], name="x", progress=NO_PROGRESS, token_budget=64)[
        ::-1
    ]
    for ours, theirs in zip(usual, other, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_a_model_that_became_nan_is_refused(tiny_base, asked):
    model = load(tiny_base)
    torch.nn.init.constant_(model.model.norm.weight, torch.nan)
    with pytest.raises(BadModelError, match="no finite likelihood"):
        continuation_nats(model, asked, name="x", progress=NO_PROGRESS)
