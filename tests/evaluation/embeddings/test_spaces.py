import json

import numpy as np
import polars as pl
import pytest

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadModelError, BadSettingError, EmptyCorpusError
from astro_assets.evaluation.embeddings.baseline import choose_baseline
from astro_assets.evaluation.embeddings.folder import EmbeddingsFolder
from astro_assets.evaluation.embeddings.masking import mask_shared
from astro_assets.evaluation.embeddings.selection import select_embedded, select_train
from astro_assets.evaluation.embeddings.spaces import build_embeddings
from astro_assets.evaluation.embeddings.vector_files import VectorFile
from astro_assets.evaluation.embeddings.vectors import embed
from astro_assets.progress import NO_PROGRESS
from tests.evaluation.embeddings.encoders import save_encoder
from tests.evaluation.planted import handles, load, papers


def texts(n, *, word="galaxies", **columns):
    """Papers with all columns of ``read_texts``; the third names the fifth."""
    ids = [f"{20 + i // 12:02d}{1 + i % 12:02d}.{i + len(word):05d}" for i in range(n)]
    comments = [f"Companion to arXiv:{ids[4]}" if i == 2 and n > 4 else None for i in range(n)]
    return papers(n, word=word, categories="astro-ph.GA gr-qc").with_columns(
        pl.Series("id", ids, dtype=pl.String),
        pl.Series("submission_month", [f"20{one[:2]}-{one[2:4]}" for one in ids], dtype=pl.String),
        pl.Series("comments", comments, dtype=pl.String),
        *(pl.Series(name, values) for name, values in columns.items()),
    )


TRAIN = texts(20, word="quasars")


@pytest.fixture(scope="module")
def models(tiny_base, tmp_path_factory):
    return handles(tiny_base, tmp_path_factory.mktemp("adapter"))


def build(models, out, *, given=None, baseline="tf-idf", **changed):
    options = {"n_abstracts": 100, "share": 1.0, "train": TRAIN} | changed
    return build_embeddings(
        models,
        texts(12) if given is None else given,
        baseline=choose_baseline(str(baseline)),
        out=out,
        progress=NO_PROGRESS,
        **options,
    )


def test_the_folder_holds_every_space_in_the_order_of_its_papers(models, tmp_path, tiny_base):
    built = build(models, tmp_path / "out")
    folder = EmbeddingsFolder.open(built.path)
    chosen = select_embedded(texts(12), share=1, n=100)
    assert folder.papers["id"].to_list() == chosen["id"].to_list() == folder.about["ids"]
    assert folder.labels == ("base", "tuned")
    assert (folder.n_figure, folder.n_extra, folder.n_train) == (12, 0, 20)
    assert built.counts == {"n_abstracts": 12, "n_extra": 0, "n_cut_base": 0, "n_cut_tuned": 0}
    masked = [mask_shared(*row) for row in chosen.select("title", "text").rows()]
    assert masked != chosen["text"].to_list()
    assert folder.papers["masked"].to_list() == masked
    given = {
        "abstracts": chosen["text"], "titles": chosen["title"], "masked": masked,
        "train": select_train(TRAIN, n_compared=12)["text"],
    }  # fmt: skip
    model, tokenizer = load(tiny_base), Tokenizer.load(tiny_base)
    for kind, of in given.items():
        ids = tokenizer.encode_batch(list(of))
        expected = embed(model, ids, bos_id=tokenizer.bos_id, token_budget=1)
        np.testing.assert_allclose(folder.vectors("base", kind), expected, atol=1e-5)
        assert len(folder.vectors("baseline", kind)) == len(expected)
        assert np.abs(folder.vectors("tuned", kind) - expected).max() > 1e-3


def test_a_single_model_needs_no_other(models, tmp_path):
    built = build({"model": models["base"]}, tmp_path / "out")
    assert EmbeddingsFolder.open(built.path).spaces == ("model", "baseline")
    assert built.counts["n_cut_model"] == 0


def test_papers_that_comments_name_stand_behind_the_figure(models, tmp_path):
    whole = texts(12)
    built = build({"model": models["base"]}, tmp_path / "out", n_abstracts=2)
    folder = EmbeddingsFolder.open(built.path)
    assert (folder.n_figure, folder.n_extra) == (2, 2)
    assert folder.papers["id"].to_list()[2:] == [whole["id"][2], whole["id"][4]]
    assert folder.papers["comments"].to_list()[2] == f"Companion to arXiv:{whole['id'][4]}"
    assert folder.papers["masked"].is_null().to_list() == [False, False, True, True]
    assert len(folder.vectors("model", "abstracts")) == 4
    assert len(folder.vectors("model", "titles")) == 2


def test_the_same_models_give_the_same_bytes(models, tmp_path):
    first, again = build(models, tmp_path / "a"), build(models, tmp_path / "b")
    assert (first.fingerprint, first.files) == (again.fingerprint, again.files)


def test_later_papers_leave_earlier_vectors_as_they_were(models, tmp_path):
    one = {"model": models["base"]}
    before = EmbeddingsFolder.open(build(one, tmp_path / "a", given=texts(12)).path)
    after = EmbeddingsFolder.open(build(one, tmp_path / "b", given=texts(30)).path)
    assert after.n_figure == 30
    np.testing.assert_allclose(
        after.figure("model")[:12], before.figure("model"), atol=1e-5, rtol=1e-5
    )


def test_cut_abstracts_are_counted(models, tmp_path):
    long = texts(3, text=["0123456789 " * 100] * 3)
    assert build(models, tmp_path / "out", given=long).counts["n_cut_base"] == 3


def test_near_copies_are_left_out_and_counted(models, tmp_path):
    copies = texts(12)["id"].to_list()[:5]
    built = build({"model": models["base"]}, tmp_path / "out", near_copies=copies)
    folder = EmbeddingsFolder.open(built.path)
    assert folder.about["near_copies_left_out"] == 5 and folder.n_figure == 7
    assert not set(folder.about["ids"]) & set(copies)


def test_empty_texts_and_titles_that_are_null_have_zero_vectors(models, tmp_path):
    given = texts(3, title=[None, "", "On dust"], text=["", "dust", "dust"])
    folder = EmbeddingsFolder.open(build(models, tmp_path / "out", given=given).path)
    abstracts, titles = (folder.vectors("base", kind) for kind in ("abstracts", "titles"))
    rows = {one: row for row, one in enumerate(folder.papers["id"])}
    first, second, third = (rows[one] for one in given["id"])
    assert not abstracts[first].any() and abstracts[second].any()
    assert not titles[[first, second]].any() and titles[third].any()


def test_an_encoder_gives_all_kinds(models, tmp_path):
    encoder = save_encoder(tmp_path / "tiny-encoder")
    built = build({"model": models["base"]}, tmp_path / "out", baseline=encoder)
    folder = EmbeddingsFolder.open(built.path)
    assert built.facts["baseline"] == folder.baseline == "tiny-encoder"
    assert folder.vectors("baseline", "train").shape == (20, 16)


def test_from_a_file_of_vectors_only_its_papers_are_compared(models, tmp_path):
    ids = texts(12)["id"].to_list()
    np.savez(tmp_path / "ada-002.npz", ids=np.array(ids[:5]), vectors=np.eye(5))
    built = build({"model": models["base"]}, tmp_path / "out", baseline=tmp_path / "ada-002.npz")
    folder = EmbeddingsFolder.open(built.path)
    assert (folder.n_figure, folder.about["n_without_baseline"]) == (5, 7)
    assert folder.baseline == "ada-002.npz"
    assert [folder.vectors("baseline", k) for k in ("titles", "masked", "train")] == [None] * 3
    rows = folder.vectors("baseline", "abstracts")
    for paper, row in zip(folder.papers["id"], rows, strict=True):
        assert row.argmax() == ids.index(paper)


def given_vectors(path, ids):
    """A file with row i of the unit matrix for paper i."""
    np.savez(path, ids=np.array(ids), vectors=np.eye(len(ids)))
    return path


def test_a_file_of_vectors_is_a_space_beside_the_baseline(models, tmp_path):
    ids = texts(12)["id"].to_list()
    file = VectorFile.of(given_vectors(tmp_path / "ada <002>.npz", ids[3:]))
    built = build({"model": models["base"]}, tmp_path / "out", vectors=file)
    folder = EmbeddingsFolder.open(built.path)
    assert folder.spaces == ("model", "vectors", "baseline")
    assert folder.vectors_name == built.facts["vectors"] == "ada <002>"
    assert (folder.n_figure, folder.about["n_without_vectors"]) == (9, 3)
    assert folder.about["n_without_baseline"] == 0
    assert "vectors.npy" in built.files and not [name for name in built.files if "ada" in name]
    assert [folder.vectors("vectors", k) for k in ("titles", "masked", "train")] == [None] * 3
    for paper, row in zip(folder.papers["id"], folder.vectors("vectors", "abstracts"), strict=True):
        assert row.argmax() == ids[3:].index(paper)
    assert len(folder.vectors("baseline", "train")) == 20, "the baseline stays what it is"


def test_of_two_files_of_vectors_only_common_papers_are_compared(models, tmp_path):
    ids = texts(12)["id"].to_list()
    baseline = given_vectors(tmp_path / "one.npz", ids[:8])
    file = VectorFile.of(given_vectors(tmp_path / "two.npz", ids[5:]))
    one = {"model": models["base"]}
    built = build(one, tmp_path / "out", baseline=baseline, vectors=file)
    folder = EmbeddingsFolder.open(built.path)
    assert set(folder.papers["id"]) == set(ids[5:8])
    told = [folder.about[name] for name in ("n_without_baseline", "n_without_vectors")]
    assert told == [4, 5] and folder.n_figure + sum(told) == 12
    for space, own in (("baseline", ids[:8]), ("vectors", ids[5:])):
        rows = folder.vectors(space, "abstracts")
        assert [own[row.argmax()] for row in rows] == folder.papers["id"].to_list()


def test_two_files_that_share_no_two_papers_are_a_named_error(models, tmp_path):
    ids = texts(12)["id"].to_list()
    baseline = given_vectors(tmp_path / "one.npz", ids[:6])
    file = VectorFile.of(given_vectors(tmp_path / "two.npz", ids[5:]))
    with pytest.raises(EmptyCorpusError, match="two and the baseline's file have 1 of the 12"):
        build(models, tmp_path / "out", baseline=baseline, vectors=file)


def test_a_damaged_file_of_vectors_names_its_setting(models, tmp_path):
    (tmp_path / "v.npz").write_bytes(b"nothing")
    file = VectorFile.of(tmp_path / "v.npz")
    with pytest.raises(BadSettingError, match="set ASTRO_VECTORS_FILE otherwise"):
        build(models, tmp_path / "out", vectors=file)


def test_without_a_file_of_vectors_nothing_is_said_of_one(models, tmp_path):
    built = build({"model": models["base"]}, tmp_path / "out")
    about = json.loads((built.path / "ids.json").read_text())
    assert not {"vectors", "n_without_vectors"} & (set(about) | set(built.facts))


def test_a_file_with_fewer_than_two_of_the_papers_is_a_named_error(models, tmp_path):
    np.savez(tmp_path / "v.npz", ids=np.array([texts(12)["id"][0]]), vectors=np.eye(1))
    with pytest.raises(EmptyCorpusError, match="has 1 of the 12 papers"):
        build(models, tmp_path / "out", baseline=tmp_path / "v.npz")
    assert not (tmp_path / "out").exists()


def test_a_folder_without_encoder_is_a_named_error_and_leaves_nothing(models, tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(BadModelError, match="No encoder could be loaded"):
        build({"model": models["base"]}, tmp_path / "out", baseline=tmp_path / "in")
    assert [one.name for one in tmp_path.iterdir()] == ["in"]


def test_no_papers_is_a_named_error(models, tmp_path):
    with pytest.raises(EmptyCorpusError, match="no astro test papers"):
        build(models, tmp_path / "out", given=texts(0))


def test_what_the_folder_says_of_itself_is_plain(models, tmp_path):
    built = build(models, tmp_path / "out", share=0.9, n_abstracts=4)
    about = json.loads((built.path / "ids.json").read_text())
    assert about["share"] == 0.9 and about["baseline"].startswith("TF-IDF of ")
    assert about["labels"] == ["base", "tuned"] and about["near_copies_left_out"] is None
