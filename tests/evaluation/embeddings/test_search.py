import numpy as np
import pytest

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadModelError, BadSettingError
from astro_assets.evaluation.embeddings.search import embed_query, search
from astro_assets.models.handle import ModelHandle
from tests.evaluation.embeddings.folders import paper, write_folder
from tests.evaluation.planted import load

COMMON = np.array([100.0, 0, 0])
OWN = np.array([[0, 1, 0], [0, 0.8, 0.6], [0, 0, 1], [0, -1, 0], [0, 0.8, 0.6]])


@pytest.fixture
def folder(tmp_path):
    """Five papers around one common direction; train papers lie evenly about it."""
    train = COMMON + np.array([[0, 1, 0], [0, -1, 0]])
    spaces = {"tuned": {"abstracts": COMMON + OWN, "train": train}, "baseline": {"abstracts": OWN}}
    return write_folder(tmp_path / "vectors", [paper(f"p{i}") for i in range(5)], spaces)


def test_near_to_far_by_hand(folder):
    query = (COMMON + np.array([0, 2, 0])).astype(np.float32)
    found = search(folder, query, space="tuned", k=4)
    assert [one.id for one in found] == ["p0", "p1", "p4", "p2"], "p1 and p4 are equally near"
    assert [one.rank for one in found] == [1, 2, 3, 4]
    assert [one.similarity for one in found] == pytest.approx([1, 0.8, 0.8, 0], abs=1e-5)
    assert (found[0].title, found[0].submission_month) == ("On p0", "2023-07")


def test_without_a_mean_the_cosine_is_raw(folder):
    found = search(folder, np.array([0, 0, 2], dtype=np.float32), space="baseline", k=9)
    assert [one.id for one in found] == ["p2", "p1", "p4", "p0", "p3"]


def test_a_paper_does_not_find_itself(folder):
    row = folder.vectors("tuned", "abstracts")[0]
    assert [one.id for one in search(folder, row, space="tuned", k=1, without="p0")] == ["p1"]


@pytest.mark.parametrize("k", [0, -1, 1_001])
def test_numbers_out_of_bounds(folder, k):
    with pytest.raises(BadSettingError, match="from 1 to 1,000"):
        search(folder, np.ones(3, dtype=np.float32), space="tuned", k=k)


def test_a_query_of_another_width(folder):
    with pytest.raises(BadModelError, match="Materialise embeddings"):
        search(folder, np.ones(4, dtype=np.float32), space="tuned", k=1)


def test_a_query_is_embedded_as_the_mean_of_its_last_hidden_states(tiny_base):
    import torch

    handle = ModelHandle("base", tiny_base, None, "b" * 64, None)
    tokenizer, text = Tokenizer.load(tiny_base), "We observe galaxies."
    ids = [tokenizer.bos_id, *tokenizer.encode_batch([text])[0]]
    with torch.no_grad():
        states = load(tiny_base)(torch.tensor([ids]), output_hidden_states=True).hidden_states[-1]
    vector = embed_query(handle, text)
    assert vector == pytest.approx(states[0, 1:].mean(dim=0).numpy(), rel=1e-4, abs=1e-6)


def test_an_empty_query(tiny_base):
    with pytest.raises(BadSettingError, match="nothing to search for"):
        embed_query(ModelHandle("base", tiny_base, None, "b" * 64, None), "")
