import json

import numpy as np
import polars as pl
import pytest
import torch
from tokenizers import Tokenizer as FastTokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadModelError, EmptyCorpusError
from astro_assets.evaluation.embeddings.spaces import build_embeddings
from astro_assets.evaluation.embeddings.vectors import embed
from astro_assets.evaluation.selection import take_papers
from astro_assets.progress import NO_PROGRESS
from tests.evaluation.planted import handles, ignorant_model, load, papers

BOS = 1


@pytest.fixture(scope="module")
def model(tiny_base):
    return load(tiny_base)


@pytest.fixture(scope="module")
def models(tiny_base, tmp_path_factory):
    return handles(tiny_base, tmp_path_factory.mktemp("adapter"))


def plain_mean(model, document):
    """What transformers itself says: the last of all hidden states, without the first position."""
    with torch.no_grad():
        output = model(torch.tensor([[BOS, *document]]), output_hidden_states=True)
    return output.hidden_states[-1][0, 1:].mean(dim=0).numpy()


def build(models, out, *, texts=None, baseline=None, n_abstracts=100, near_copies=None):
    return build_embeddings(
        models,
        papers(12) if texts is None else texts,
        baseline=baseline,
        n_abstracts=n_abstracts,
        out=out,
        progress=NO_PROGRESS,
        near_copies=near_copies,
    )


def test_the_vector_is_the_mean_over_all_tokens_but_bos(model):
    documents = [[30, 40, 50], list(range(10, 90)), [7]]
    expected = [plain_mean(model, document) for document in documents]
    vectors = embed(model, documents, bos_id=BOS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_batching_does_not_change_vectors(model):
    documents = [list(range(10, 12 + 7 * i)) for i in range(9)]
    alone = embed(model, documents, bos_id=BOS, token_budget=1)
    np.testing.assert_allclose(embed(model, documents, bos_id=BOS), alone, atol=1e-5)


def test_a_long_document_is_cut_to_the_context():
    model = ignorant_model(50)
    long = [3 + i % 40 for i in range(40)]
    vectors = embed(model, [long, long[:15]], bos_id=BOS)
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)


def test_a_document_without_tokens_is_the_zero_vector(model):
    vectors = embed(model, [[], [5]], bos_id=BOS)
    assert not vectors[0].any()
    assert vectors[1].any()


def test_a_model_that_gives_nan_is_refused():
    model = ignorant_model()
    model.model.norm.weight.data[:] = torch.nan
    with pytest.raises(BadModelError, match="not finite"):
        embed(model, [[3]], bos_id=BOS)


def test_the_folder_holds_every_space_in_the_order_of_its_ids(models, tmp_path, tiny_base, model):
    built = build(models, tmp_path / "out")
    sample = take_papers(papers(12), what="x")
    about = json.loads((built.path / "ids.json").read_text())
    assert about["ids"] == list(sample.ids)
    assert built.counts == {"n_abstracts": 12, "n_cut_base": 0, "n_cut_tuned": 0}
    tokenizer = Tokenizer.load(tiny_base)
    for name, texts in (("base", sample.texts), ("base_titles", sample.titles)):
        expected = embed(model, tokenizer.encode_batch(texts), bos_id=tokenizer.bos_id)
        np.testing.assert_allclose(np.load(built.path / f"{name}.npy"), expected, atol=1e-5)
    base, tuned = (np.load(built.path / f"{name}.npy") for name in ("base", "tuned"))
    assert np.abs(base - tuned).max() > 1e-3, "the adapter of this test does nothing"


def test_the_same_models_give_the_same_bytes(models, tmp_path):
    first, again = build(models, tmp_path / "a"), build(models, tmp_path / "b")
    assert (first.fingerprint, first.files) == (again.fingerprint, again.files)


def test_cut_abstracts_are_counted(models, tmp_path):
    long = papers(3).with_columns(pl.lit("0123456789 " * 100).alias("text"))
    assert build(models, tmp_path / "out", texts=long).counts["n_cut_base"] == 3


def test_near_copies_are_left_out_and_counted(models, tmp_path):
    copies = papers(12)["id"].to_list()[:5]
    built = build(models, tmp_path / "out", near_copies=copies)
    about = json.loads((built.path / "ids.json").read_text())
    assert about["near_copies_left_out"] == 5 and built.counts["n_abstracts"] == 7
    assert not set(about["ids"]) & set(copies)


def test_without_an_encoder_the_baseline_is_tf_idf_and_says_so(models, tmp_path):
    texts = pl.DataFrame(
        {
            "id": ["a", "b", "c"],
            "title": ["dust", "quasar", "7"],
            "text": ["dust dust dust", "quasar quasar", "dust quasar"],
        }
    )
    built = build(models, tmp_path / "out", texts=texts)
    vectors = np.load(built.path / "baseline.npy")
    titles = np.load(built.path / "baseline_titles.npy")
    rows = dict(zip(json.loads((built.path / "ids.json").read_text())["ids"], vectors, strict=True))
    assert built.facts["baseline"] == "TF-IDF of 2 words"
    assert rows["a"] @ rows["b"] == 0
    assert rows["a"] @ rows["c"] == pytest.approx(2**-0.5)
    assert sorted(titles.sum(axis=1).tolist()) == [0.0, 1.0, 1.0]


def test_papers_without_a_word_have_no_baseline_but_no_error_either(models, tmp_path):
    texts = papers(3).with_columns(pl.lit("1 2 3").alias("text"))
    built = build(models, tmp_path / "out", texts=texts)
    assert built.facts["baseline"] == "TF-IDF of 0 words"
    assert not np.load(built.path / "baseline.npy").any()


@pytest.fixture
def encoder(tmp_path):
    """A tiny BERT in Hugging Face form, random weights."""
    folder = tmp_path / "tiny-encoder"
    words = sorted({w for text in papers(12)["text"] for w in text.split()})
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", *words])}
    fast = FastTokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    fast.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=fast, pad_token="[PAD]", unk_token="[UNK]"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=256,
    )
    BertModel(config).save_pretrained(folder)
    return folder


def test_a_local_encoder_gives_unit_masked_means(models, tmp_path, encoder):
    built = build(models, tmp_path / "out", baseline=encoder)
    assert built.facts["baseline"] == "tiny-encoder"
    vectors = np.load(built.path / "baseline.npy")
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    bert = BertModel.from_pretrained(encoder).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(encoder)
    sample = take_papers(papers(12), what="x")
    for text, vector in zip(sample.texts, vectors, strict=True):
        with torch.no_grad():
            hidden = bert(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        alone = hidden.mean(dim=0).numpy()
        np.testing.assert_allclose(vector, alone / np.linalg.norm(alone), atol=1e-5)


def test_a_folder_without_encoder_is_a_named_error_and_leaves_nothing(models, tmp_path):
    with pytest.raises(BadModelError, match="No encoder could be loaded"):
        build(models, tmp_path / "out", baseline=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_papers_is_a_named_error(models, tmp_path):
    with pytest.raises(EmptyCorpusError, match="no astro test papers"):
        build(models, tmp_path / "out", texts=papers(0))
