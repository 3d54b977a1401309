import json

import numpy as np
import pytest

from astro_assets.errors import DamagedArtifactError, MissingArtifactError
from astro_assets.evaluation.embeddings import folder as folders
from astro_assets.evaluation.embeddings.folder import IDS, PAPERS, EmbeddingsFolder
from tests.evaluation.embeddings.folders import paper, write_folder


@pytest.fixture
def opened(tmp_path):
    """Two papers in the figure, one behind it."""
    arrays = {"abstracts": np.eye(3), "titles": np.eye(2, 3), "masked": np.eye(2, 3)}
    spaces = {"model": {**arrays, "train": np.zeros((5, 3))}, "baseline": {"abstracts": np.eye(3)}}
    return write_folder(tmp_path / "in", [paper(one) for one in "abc"], spaces, n_extra=1)


def test_what_is_in_it(opened):
    assert opened.labels == ("model",) and opened.spaces == ("model", "baseline")
    assert (opened.n_figure, opened.n_extra, opened.n_rows, opened.n_train) == (2, 1, 3, 5)
    assert opened.papers["id"].to_list() == ["a", "b", "c"]
    assert opened.vectors("model", "abstracts").shape == (3, 3)
    assert opened.figure("model").shape == (2, 3)
    assert opened.vectors("model", "titles").shape == (2, 3)
    assert opened.vectors("model", "train").shape == (5, 3)
    assert opened.vectors("baseline", "titles") is None
    with pytest.raises(ValueError, match="read-only"):
        opened.vectors("model", "abstracts")[0, 0] = 9


def test_no_train_papers_are_an_empty_array(tmp_path):
    arrays = {"abstracts": np.eye(1), "titles": np.eye(1), "train": np.zeros((0, 1))}
    made = write_folder(tmp_path / "in", [paper("a")], {"model": arrays})
    assert made.vectors("model", "train").shape == (0, 1)


def test_no_folder_is_a_named_error(tmp_path):
    with pytest.raises(MissingArtifactError, match="no embeddings"):
        EmbeddingsFolder.open(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"labels": 3}', "[" * 100_000, '{"labels": ["m"], "n_figure": "many"}'],
)
def test_an_ids_file_that_is_none_is_refused(opened, content):
    (opened.path / IDS).write_text(content)
    with pytest.raises(DamagedArtifactError, match=IDS):
        EmbeddingsFolder.open(opened.path)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 3), np.float32),
        np.zeros((3, 3)),
        np.zeros(3, np.float32),
        np.array([[{}]] * 3, dtype=object),
    ],
    ids=["rows", "double", "flat", "objects"],
)
def test_arrays_of_another_kind_are_refused(opened, array):
    np.save(opened.path / "model.npy", array, allow_pickle=True)
    with pytest.raises(DamagedArtifactError, match="3 rows of float32"):
        opened.vectors("model", "abstracts")


def test_a_cut_array_and_one_that_is_gone_are_refused(opened):
    whole = (opened.path / "model.npy").read_bytes()
    (opened.path / "model.npy").write_bytes(whole[:-4])
    with pytest.raises(DamagedArtifactError, match="cannot be read"):
        opened.vectors("model", "abstracts")
    (opened.path / "model_titles.npy").unlink()
    with pytest.raises(DamagedArtifactError, match="cannot be read"):
        opened.vectors("model", "titles")


def test_papers_that_do_not_belong_are_refused(opened, monkeypatch):
    about = json.loads((opened.path / IDS).read_text())
    (opened.path / IDS).write_text(json.dumps({**about, "n_extra": 2}))
    with pytest.raises(DamagedArtifactError, match="4 rows"):
        _ = EmbeddingsFolder.open(opened.path).papers
    monkeypatch.setattr(folders, "MAX_PAPERS_BYTES", 10)
    with pytest.raises(DamagedArtifactError, match="at most 10 bytes"):
        _ = EmbeddingsFolder.open(opened.path).papers
    (opened.path / PAPERS).unlink()
    with pytest.raises(DamagedArtifactError, match="is gone"):
        _ = EmbeddingsFolder.open(opened.path).papers


def test_a_file_of_vectors_is_a_space_with_a_fixed_file_name(tmp_path):
    arrays = {"abstracts": np.eye(2), "titles": np.eye(2), "train": np.eye(2)}
    one = {"abstracts": 2 * np.eye(2)}
    made = write_folder(
        tmp_path / "in",
        [paper("a"), paper("b")],
        {"model": arrays, "vectors": one, "baseline": one},
    )
    assert made.spaces == ("model", "vectors", "baseline")
    assert (made.compared, made.vectors_name) == (("model", "vectors"), "ada-002")
    assert made.vectors("vectors", "abstracts").tolist() == [[2, 0], [0, 2]]
    assert [made.vectors("vectors", kind) for kind in ("titles", "masked", "train")] == [None] * 3
    (made.path / "vectors.npy").unlink()
    with pytest.raises(DamagedArtifactError, match="cannot be read"):
        made.vectors("vectors", "abstracts")


def test_folders_from_before_have_no_such_space(opened):
    assert "vectors" not in opened.about
    assert opened.vectors_name is None and opened.compared == ("model",)
