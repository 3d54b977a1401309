import json

import numpy as np
import pytest

from astro_assets.errors import DamagedArtifactError, EmptyCorpusError
from astro_assets.evaluation.embeddings.report import build_embedding_report
from astro_assets.progress import NO_PROGRESS
from tests.evaluation.planted import papers

N = 40


def folder_of(folder, n=N, **spaces):
    """An embeddings folder: spaces given by name, the others random."""
    draw = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for name in ("base", "tuned", "baseline"):
        vectors = spaces.get(name, draw.normal(size=(n, 6))).astype(np.float32)
        np.save(folder / f"{name}.npy", vectors)
        np.save(folder / f"{name}_titles.npy", vectors)
    about = {"ids": papers(n)["id"].to_list(), "baseline": "TF-IDF of 6 words"}
    (folder / "ids.json").write_text(json.dumps(about))
    return folder


def test_the_report_says_how_many_near_copies_the_vectors_left_out(tmp_path):
    folder = folder_of(tmp_path / "in")
    assert "near_copies_left_out" not in build(folder, tmp_path / "before")[1]
    about = json.loads((folder / "ids.json").read_text())
    (folder / "ids.json").write_text(json.dumps({**about, "near_copies_left_out": 4}))
    assert build(folder, tmp_path / "out")[1]["near_copies_left_out"] == 4


def build(folder, out, n=N):
    built = build_embedding_report(folder, papers(n), out=out, progress=NO_PROGRESS)
    return built, built.facts["report"]


def test_every_figure_counts_every_pair(tmp_path):
    built, report = build(folder_of(tmp_path / "in"), tmp_path / "out")
    n_pairs = N * (N - 1) // 2
    assert (report["n_abstracts"], report["n_pairs"]) == (N, n_pairs)
    assert sum(one["n_pairs"] for one in report["bins"]) == n_pairs
    for histogram in report["histograms"].values():
        assert sum(histogram["counts"]) == n_pairs
        assert len(histogram["edges"]) == len(histogram["counts"]) + 1
        assert len(histogram["counts"]) <= 100
        assert np.all(np.diff(histogram["edges"]) > 0)
    assert json.loads((built.path / "report.json").read_text()) == report


def test_histogram_edges_enclose_all_similarities(tmp_path):
    vectors = np.random.default_rng(1).normal(5, 0.1, (N, 6)).astype(np.float32)
    _, report = build(folder_of(tmp_path / "in", base=vectors), tmp_path / "out")
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = (unit @ unit.T)[np.triu_indices(N, k=1)]
    edges, counts = (np.array(report["histograms"]["base"][name]) for name in ("edges", "counts"))
    assert edges[0] <= pairs.min() + 1e-6
    assert pairs.max() - 1e-6 <= edges[-1]
    inside = ((pairs >= edges[3]) & (pairs < edges[4])).sum()
    assert abs(int(inside) - counts[3]) <= 1


def test_a_space_that_orders_pairs_like_the_baseline_correlates_fully(tmp_path):
    angles = np.random.default_rng(2).uniform(0, 1, N)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    spaces = {"baseline": points, "base": 3 * points, "tuned": np.ones((N, 2))}
    _, report = build(folder_of(tmp_path / "in", **spaces), tmp_path / "out")
    assert report["spearman"]["base"] == pytest.approx(1, abs=1e-3)
    assert report["spread"]["raw"]["tuned"]["std"] == pytest.approx(0, abs=1e-3)


def test_titles_that_lie_on_their_abstracts_are_all_found(tmp_path):
    _, report = build(folder_of(tmp_path / "in"), tmp_path / "out")
    assert report["retrieval"]["tuned"] == {"recall_at_1": 1, "recall_at_10": 1, "mrr": 1}


def test_the_examples_are_the_pairs_that_moved_most(tmp_path):
    base = np.random.default_rng(3).normal(size=(N, 30)).astype(np.float32)
    tuned = base.copy()
    tuned[1] = tuned[0]
    folder = folder_of(tmp_path / "in", base=base, tuned=tuned)
    _, report = build(folder, tmp_path / "out")
    pulled = max(report["examples"], key=lambda one: one["tuned"] - one["base"])
    assert pulled["titles"] == ["On galaxies number 0", "On galaxies number 1"]
    assert pulled["tuned"] == pytest.approx(1)


def test_the_same_vectors_give_the_same_report(tmp_path):
    folder = folder_of(tmp_path / "in")
    first, again = build(folder, tmp_path / "a")[0], build(folder, tmp_path / "b")[0]
    assert (first.fingerprint, first.files) == (again.fingerprint, again.files)


def test_one_abstract_has_no_pair(tmp_path):
    with pytest.raises(EmptyCorpusError, match="no pair"):
        build(folder_of(tmp_path / "in", n=1), tmp_path / "out", n=1)


def test_arrays_that_do_not_belong_together_are_refused(tmp_path):
    folder = folder_of(tmp_path / "in")
    np.save(folder / "tuned.npy", np.zeros((N - 1, 6), dtype=np.float32))
    with pytest.raises(DamagedArtifactError, match="40 rows of float32"):
        build(folder, tmp_path / "out")
