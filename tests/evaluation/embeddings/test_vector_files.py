import io
import zipfile

import numpy as np
import polars as pl
import pytest

from astro_assets.errors import BadSettingError
from astro_assets.evaluation.embeddings import vector_files
from astro_assets.evaluation.embeddings.vector_files import (
    VECTORS_SETTING,
    VectorFile,
    read_vector_file,
)

IDS = ["0704.0001", "astro-ph/9901001", "0704.0003"]


def npz(folder, ids=None, vectors=None, **others):
    path = folder / "ada-002.npz"
    ids = np.array(IDS) if ids is None else ids
    vectors = np.eye(3) if vectors is None else vectors
    np.savez(path, **{"ids": ids, "vectors": vectors, **others})
    return path


def parquet(folder, ids=IDS, vectors=((1, 0), (0, 1), (1, 1)), **columns):
    path = folder / "ada-002.parquet"
    pl.DataFrame({"id": ids, "vector": list(map(list, vectors)), **columns}).write_parquet(path)
    return path


def test_the_papers_that_are_wanted_and_there(tmp_path):
    for path, row in ((npz(tmp_path), [1, 0, 0]), (parquet(tmp_path), [1, 0])):
        found = read_vector_file(path, ["0704.0001", "0704.0099"])
        assert list(found) == ["0704.0001"]
        assert found["0704.0001"].tolist() == row
        assert found["0704.0001"].dtype == np.float32
        assert read_vector_file(path, ["0704.0099"]) == {}


def test_arrow_arrays_of_fixed_length_are_lists_too(tmp_path):
    path = tmp_path / "v.parquet"
    vectors = pl.Series("vector", [[1.0, 2.0]] * 3, dtype=pl.Array(pl.Float64, 2))
    pl.DataFrame({"id": IDS, "vector": vectors}).write_parquet(path)
    assert read_vector_file(path, IDS)["0704.0003"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("ids", "vectors", "match"),
    [
        (np.array(IDS[:2] + IDS[:1]), np.eye(3), "names '0704.0001' twice"),
        (np.array(IDS), np.diag([1, np.nan, 1]), "'astro-ph/9901001' that are not finite"),
        (np.array(IDS), np.full((3, 2), 1e300), "not finite"),
        (np.array(IDS), np.eye(2), "shape"),
        (np.array(IDS), np.zeros((3, 0)), "vectors of 0 numbers"),
        (np.array(IDS), np.array([["a"]] * 3), "vectors of <U1"),
        (np.arange(3), np.eye(3), "ids of int64"),
        (np.array(IDS, dtype=object), np.eye(3), "cannot be read"),
    ],
)
def test_what_is_wrong_with_an_npz_is_named(tmp_path, ids, vectors, match):
    with pytest.raises(BadSettingError, match=match):
        read_vector_file(npz(tmp_path, ids, vectors), IDS)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"ids": IDS[:2] + IDS[:1]}, "twice"),
        ({"vectors": ((1, 0), (0,), (1, 1))}, "2 lengths"),
        ({"vectors": ((1.0, None), (0, 1), (1, 1))}, "missing"),
        ({"vectors": ((1.0, np.inf), (0, 1), (1, 1))}, "not finite"),
        ({"vectors": ("ab", "cd", "ef")}, "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_parquet_file_is_named(tmp_path, given, match):
    with pytest.raises(BadSettingError, match=match):
        read_vector_file(parquet(tmp_path, **given), IDS)


@pytest.mark.parametrize("name", ["x.npz", "x.parquet"])
@pytest.mark.parametrize("content", [b"", b"no such file at all", b"PK\x03\x04"])
def test_what_is_no_such_file_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadSettingError, match="cannot be read"):
        read_vector_file(tmp_path / name, IDS)


def test_an_npz_without_its_arrays_is_named(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("ids.npy", b"nothing")
    (tmp_path / "x.npz").write_bytes(buffer.getvalue())
    with pytest.raises(BadSettingError, match="cannot be read"):
        read_vector_file(tmp_path / "x.npz", IDS)


def test_sizes_are_looked_at_first(tmp_path, monkeypatch):
    monkeypatch.setattr(vector_files, "MAX_BYTES", 100)
    with pytest.raises(BadSettingError, match="unpacks to"):
        read_vector_file(npz(tmp_path), IDS)
    with pytest.raises(BadSettingError, match="bytes"):
        read_vector_file(parquet(tmp_path), IDS)


def test_errors_name_the_setting_that_names_the_file(tmp_path):
    path = npz(tmp_path, vectors=np.eye(2))
    with pytest.raises(BadSettingError, match="set ASTRO_BASELINE_ENCODER otherwise"):
        read_vector_file(path, IDS)
    with pytest.raises(BadSettingError, match="set ASTRO_VECTORS_FILE otherwise"):
        read_vector_file(path, IDS, setting=VECTORS_SETTING)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("ada-002.npz", "ada-002"),
        ("Tuned.PARQUET", "Tuned (file)"),
        ("baseline.npz", "baseline (file)"),
        ("<b>x\x1b\u202e</b>  y.npz", "<b>x\ufffd\ufffd< b> y"),
        ("n" * 200 + ".npz", "n" * 60),
        (" .npz", "vectors"),
    ],
)
def test_a_space_has_its_files_name_cleaned_and_bounded(tmp_path, file, name):
    path = tmp_path / file.replace("/", " ")
    path.write_bytes(b"one")
    found = VectorFile.of(path)
    assert (found.path, found.name) == (path, name)
    path.write_bytes(b"another")
    assert VectorFile.of(path).digest != found.digest


def test_a_file_of_another_kind_is_refused_with_its_setting(tmp_path):
    (tmp_path / "v.csv").write_text("id,vector")
    with pytest.raises(BadSettingError, match=r"ASTRO_VECTORS_FILE names .*v\.csv, which is no"):
        VectorFile.of(tmp_path / "v.csv")
