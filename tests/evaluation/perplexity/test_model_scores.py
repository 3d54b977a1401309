from contextlib import contextmanager

import numpy as np
import pytest

from astro_assets.corpus.blocks import TokenBlocks
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadModelError
from astro_assets.evaluation.forgetting.self_text import SelfText
from astro_assets.evaluation.perplexity.model_scores import in_order, score_model
from astro_assets.evaluation.samples import Sample
from astro_assets.models.handle import ModelHandle
from astro_assets.progress import NO_PROGRESS
from tests.evaluation.planted import load, plain_nll

TEXTS = ("We present a survey of galaxies.", "The rate is measured.", "The model explains it.")


class Heard:
    """Progress that keeps what it is told."""

    def __init__(self):
        self.n_tokens = {}

    @contextmanager
    def task(self, name, *, total=None, unit=""):
        self._name = name
        self.n_tokens[name] = 0.0
        yield self

    def advance(self, n, **_figures):
        self.n_tokens[self._name] += n


def sample_of(*numbers):
    return Sample(tuple(map(str, numbers)), ("",) * len(numbers), tuple(TEXTS[i] for i in numbers))


@pytest.fixture(scope="module")
def tokenizer(tiny_base):
    return Tokenizer.load(tiny_base)


@pytest.fixture(scope="module")
def score(tiny_base, tokenizer):
    model = load(tiny_base)

    def score(samples, **changed):
        asked = {
            "label": "base", "blocks": {}, "max_tokens": 100, "self_text": None,
            "progress": NO_PROGRESS, **changed,
        }  # fmt: skip
        return score_model(model, tokenizer, samples, **asked)

    return score


def test_a_document_in_several_sets_is_scored_once(score, tokenizer):
    heard = Heard()
    sets = {"astro": sample_of(0, 1), "with": sample_of(2, 1, 0), "again": sample_of(1, 1)}
    found = score(sets, progress=heard).documents
    lengths = [len(ids) + 1 for ids in tokenizer.encode_batch(TEXTS)]
    assert sum(heard.n_tokens.values()) == sum(lengths)
    np.testing.assert_array_equal(found["with"].nll_nats[[2, 1]], found["astro"].nll_nats)
    np.testing.assert_array_equal(found["again"].nll_nats, found["astro"].nll_nats[[1, 1]])
    assert found["with"].n_bytes.tolist() == [len(TEXTS[i]) for i in (2, 1, 0)]


def test_another_set_changes_nothing_of_the_first(score):
    alone = score({"astro": sample_of(0, 1)}).documents["astro"]
    beside = score({"astro": sample_of(0, 1), "far": sample_of(2)}).documents["astro"]
    np.testing.assert_array_equal(alone.nll_nats, beside.nll_nats)


def test_text_of_the_base_is_scored_as_the_tokens_it_is(score, tokenizer, tiny_base):
    written = SelfText([[30, 40, 50], [60, 70]], [9, 6])
    found = score({"astro": sample_of(0)}, self_text=written).documents["self_text"]
    model = load(tiny_base)
    expected = [plain_nll(model, [tokenizer.bos_id, *ids]) for ids in written.documents]
    np.testing.assert_allclose(found.nll_nats, expected, rtol=1e-5)
    assert (found.n_tokens.tolist(), found.n_bytes.tolist()) == ([3, 2], [9, 6])


def test_a_set_without_a_token_is_a_named_error(score):
    empty = Sample(("1",), ("",), ("",))
    with pytest.raises(BadModelError, match=r"base makes no tokens of the texts \(prose\)"):
        score({"astro": sample_of(0), "prose": empty})


def test_why_there_are_no_packed_blocks_is_told(score):
    samples = {"astro": sample_of(0)}
    none = {"astro_train": TokenBlocks([], block_length=64)}
    found = score(samples, blocks=none)
    assert found.blocks == {"astro_train": None}
    why = "base: packed blocks of astro_train not measured (there is no whole block)"
    assert found.notes == (why,)
    assert score(samples, blocks=None).notes == (
        "base: packed blocks not measured (another tokenizer)",
    )


def test_models_come_in_the_order_of_reports(tmp_path):
    handle = ModelHandle("x", tmp_path, None, "d" * 64, None)
    labels = ["zeta", "champion", "alpha", "tuned", "base"]
    assert list(in_order(dict.fromkeys(labels, handle))) == [
        "base", "tuned", "champion", "alpha", "zeta",
    ]  # fmt: skip
