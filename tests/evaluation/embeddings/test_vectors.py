import numpy as np
import pytest
import torch

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadModelError
from astro_assets.evaluation.embeddings.vectors import each_embedded, embed
from astro_assets.progress import NO_PROGRESS
from tests.evaluation.planted import handles, ignorant_model, load, papers

BOS = 1


@pytest.fixture(scope="module")
def model(tiny_base):
    return load(tiny_base)


def plain_mean(model, document):
    """What transformers itself says: the last of all hidden states, without the first position."""
    with torch.no_grad():
        output = model(torch.tensor([[BOS, *document]]), output_hidden_states=True)
    return output.hidden_states[-1][0, 1:].mean(dim=0).numpy()


def test_the_vector_is_the_mean_over_all_tokens_but_bos(model):
    documents = [[30, 40, 50], list(range(10, 90)), [7]]
    expected = [plain_mean(model, document) for document in documents]
    vectors = embed(model, documents, bos_id=BOS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


@pytest.mark.parametrize("budget", [1, 60, 8_192])
def test_batches_and_order_do_not_change_vectors(model, budget):
    documents = [[10 + (3 * i + j) % 80 for j in range(2 + 7 * i)] for i in range(9)]
    expected = [plain_mean(model, document) for document in documents]
    vectors = embed(model, documents[::-1], bos_id=BOS, token_budget=budget)
    np.testing.assert_allclose(vectors[::-1], expected, atol=1e-5)


def test_a_long_document_is_cut_to_the_context():
    model = ignorant_model(50)
    long = [3 + i % 40 for i in range(40)]
    vectors = embed(model, [long, long[:15]], bos_id=BOS)
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)


def test_a_document_without_tokens_is_the_zero_vector(model):
    vectors = embed(model, [[], [5]], bos_id=BOS)
    assert not vectors[0].any()
    assert vectors[1].any()
    assert embed(model, [], bos_id=BOS).shape == (0, vectors.shape[1])
    assert not embed(model, [[], []], bos_id=BOS).any()


def test_a_model_that_gives_nan_is_refused():
    model = ignorant_model()
    model.model.norm.weight.data[:] = torch.nan
    with pytest.raises(BadModelError, match="not finite"):
        embed(model, [[3]], bos_id=BOS)


def test_progress_is_told_every_token_that_is_read(model):
    told = []
    embed(model, [[5, 6], [], list(range(3, 43))], bos_id=BOS, advance=told.append)
    assert sum(told) == 3 + 41


def test_every_model_reads_the_same_texts(tiny_base, tmp_path, model):
    abstracts = papers(5)["text"].to_list()
    tokenizer = Tokenizer.load(tiny_base)
    long = "0123456789 " * 100
    models = handles(tiny_base, tmp_path / "adapter")
    found = list(each_embedded(
        {"tuned": models["tuned"], "base": models["base"]},
        {"abstracts": [*abstracts, long], "train": []}, progress=NO_PROGRESS,
    ))  # fmt: skip
    made = {one.label: one for one in found}
    assert set(made) == {"base", "tuned"}
    expected = [plain_mean(model, ids) for ids in tokenizer.encode_batch(abstracts)]
    np.testing.assert_allclose(made["base"].vectors["abstracts"][:5], expected, atol=1e-5)
    apart = made["base"].vectors["abstracts"] - made["tuned"].vectors["abstracts"]
    assert np.abs(apart).max() > 1e-3, "the adapter of this test does nothing"
    assert made["tuned"].n_cut == made["base"].n_cut == 1
    assert made["tuned"].vectors["train"].shape[0] == 0


class Totals:
    """A progress that keeps how many tokens each task was to read."""

    def __init__(self):
        self.of = {}

    def task(self, name, *, total=None, unit=""):
        self.of[name] = total
        return NO_PROGRESS.task(name, total=total, unit=unit)


def test_a_text_of_an_earlier_kind_is_copied_not_read_again(tiny_base, tmp_path, model):
    abstracts = papers(4)["text"].to_list()
    masked = [abstracts[2], "another", abstracts[0], "another"]
    base, told = {"base": handles(tiny_base, tmp_path / "adapter")["base"]}, Totals()
    (found,) = each_embedded(base, {"abstracts": abstracts, "masked": masked}, progress=told)
    tokenizer = Tokenizer.load(tiny_base)
    assert told.of["embed masked, base"] == 2 * (1 + len(tokenizer.encode_batch(["another"])[0]))
    made = found.vectors["masked"]
    assert (made[[0, 2]] == found.vectors["abstracts"][[2, 0]]).all()
    expected = [plain_mean(model, ids) for ids in tokenizer.encode_batch(masked)]
    np.testing.assert_allclose(made, expected, atol=1e-5)
