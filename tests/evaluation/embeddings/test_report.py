import json

import numpy as np
import polars as pl
import pytest

from astro_assets.errors import DamagedArtifactError, EmptyCorpusError, MissingArtifactError
from astro_assets.evaluation.embeddings.paper_pairs import PAPER_PAIRS, find_pairs
from astro_assets.evaluation.embeddings.report import build_embedding_report
from astro_assets.progress import NO_PROGRESS
from tests.evaluation.embeddings.folders import paper, write_folder

N = 40
N_PAIRS = N * (N - 1) // 2
NO_TITLES = pl.DataFrame(schema={"id": pl.String, "title": pl.String})


def arrays(abstracts, n_train=40):
    """All kinds of one space; titles lie on their abstracts."""
    train = np.random.default_rng(9).normal(size=(n_train, np.shape(abstracts)[1]))
    return {"abstracts": abstracts, "titles": abstracts, "masked": abstracts, "train": train}


def folder_of(path, n=N, titles=None, labels=("base", "tuned"), **spaces):
    """An embeddings folder: spaces given by name, the others random."""
    draw = np.random.default_rng(0)
    made = {
        name: arrays(spaces.get(name, draw.normal(size=(n, 6)))) for name in (*labels, "baseline")
    }
    for space, given in made.items():
        given |= spaces.get(f"{space}_arrays", {})
    named = titles or {}
    listed = [paper(f"2307.{i:05d}", title=named.get(i, f"On {i}")) for i in range(n)]
    return write_folder(path, listed, made).path


def build(folder, out, texts=NO_TITLES):
    built = build_embedding_report(folder, texts, out=out, progress=NO_PROGRESS)
    return built, built.facts["report"]


def test_every_figure_counts_every_pair(tmp_path):
    built, report = build(folder_of(tmp_path / "in"), tmp_path / "out")
    assert (report["n_abstracts"], report["n_pairs"]) == (N, N_PAIRS)
    assert report["models"] == ["base", "tuned"] and report["baseline"] == "planted"
    assert sum(one["n_pairs"] for one in report["bins"]) == N_PAIRS
    for bins in report["bins_by_model"].values():
        assert sum(one["n_pairs"] for one in bins) == N_PAIRS
        assert {"mean", "std", "q05", "q25", "q50", "q75", "q95"} == set(bins[0]["baseline"])
    for kind in ("raw", "centred", "whitened"):
        assert set(report["histograms"][kind]) == {"base", "tuned", "baseline"}
        for space, histogram in report["histograms"][kind].items():
            assert sum(histogram["counts"]) == N_PAIRS
            low, high = histogram["edges"][0], histogram["edges"][-1]
            assert low <= report["spread"][kind][space]["mean"] <= high
    assert json.loads((built.path / "report.json").read_text()) == report


def test_the_bins_are_those_of_the_whole_matrices(tmp_path):
    draw = np.random.default_rng(4)
    spaces = {name: draw.normal(size=(N, 6)) for name in ("base", "baseline")}
    _, report = build(folder_of(tmp_path / "in", **spaces), tmp_path / "out")
    upper = np.triu_indices(N, k=1)
    cosines = {}
    for name, vectors in spaces.items():
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        cosines[name] = (unit @ unit.T)[upper]
    for bins, by, of, key in (
        (report["bins"], "baseline", "base", "base"),
        (report["bins_by_model"]["base"], "base", "baseline", "baseline"),
    ):
        fifth = bins[4]
        inside = cosines[of][(cosines[by] >= fifth["low"]) & (cosines[by] < fifth["high"])]
        assert fifth["n_pairs"] == len(inside)
        assert fifth[key]["mean"] == pytest.approx(inside.mean(), abs=1e-6)
        assert fifth[key]["std"] == pytest.approx(inside.std(), abs=1e-6)


def test_centring_and_whitening_are_fitted_on_train_papers(tmp_path):
    draw = np.random.default_rng(5)
    wide = np.array([10, 1, 1, 1, 1, 1])
    test, train = (draw.normal(size=(n, 6)) * wide + 50 for n in (N, 400))
    folder = folder_of(
        tmp_path / "in", tuned=test, **{
            f"{space}_arrays": {"train": train} for space in ("tuned", "base", "baseline")
        },
    )  # fmt: skip
    _, report = build(folder, tmp_path / "out")
    raw, centred, white = (report["spread"][k]["tuned"] for k in ("raw", "centred", "whitened"))
    assert raw["mean"] > 0.95, "one direction carries nearly all"
    assert abs(centred["mean"]) < 0.1 and centred["std"] > 0.7, "one axis decides the sign"
    assert abs(white["mean"]) < 0.1 and white["std"] == pytest.approx(6**-0.5, abs=0.05)
    unit = test - train.mean(axis=0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    plain = (unit @ unit.T)[np.triu_indices(N, k=1)]
    assert centred["mean"] == pytest.approx(plain.mean(), abs=1e-5)
    assert report["whitening"] == {
        "n_train": 400, "n_components": {"base": 6, "tuned": 6, "baseline": 6}
    }  # fmt: skip


def test_a_space_that_orders_pairs_like_the_baseline_correlates_fully(tmp_path):
    angles = np.random.default_rng(2).uniform(0, 1, N)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    spaces = {"baseline": points, "base": 3 * points, "tuned": np.ones((N, 2))}
    _, report = build(folder_of(tmp_path / "in", **spaces), tmp_path / "out")
    assert report["spearman"]["base"] == pytest.approx(1, abs=1e-3)
    assert report["spread"]["raw"]["tuned"]["std"] == pytest.approx(0, abs=1e-6)
    assert report["n_sampled_pairs"] == N_PAIRS


def test_the_examples_are_the_pairs_whose_rank_moved_most(tmp_path):
    base = np.random.default_rng(3).normal(size=(N, 30)).astype(np.float32)
    tuned = base.copy()
    base[0] = -base[1]
    tuned[0] = tuned[1]
    folder = folder_of(tmp_path / "in", base=base, tuned=tuned, titles={1: "x" * 900})
    now = pl.DataFrame({"id": ["2307.00000"], "title": ["A new title"]})
    _, report = build(folder, tmp_path / "out", now)
    pulled = report["examples"][0]
    assert pulled["titles"] == ["A new title", "x" * 300]
    assert pulled["ids"] == ["2307.00000", "2307.00001"]
    assert (pulled["base"], pulled["tuned"]) == pytest.approx((-1, 1))
    assert pulled["rank_difference"] == 1
    assert set(pulled) == {"ids", "titles", "base", "tuned", "baseline", "rank_difference"}
    assert len(report["examples"]) == 6
    assert report["examples"][-1]["rank_difference"] < 0


def test_one_model_is_compared_with_the_baseline(tmp_path):
    _, report = build(folder_of(tmp_path / "in", labels=("model",)), tmp_path / "out")
    assert report["models"] == ["model"]
    assert list(report["spearman"]) == list(report["bins_by_model"]) == ["model"]
    assert "model" in report["bins"][0]
    one = report["examples"][0]
    assert one["model"] > one["baseline"] and one["rank_difference"] > 0.5


def test_the_papers_pairs_stand_beside_ours_where_both_papers_are_there(tmp_path):
    titles = dict(enumerate(PAPER_PAIRS[1].titles)) | {2: PAPER_PAIRS[0].titles[0]}
    base = np.eye(N, 6)
    base[1] = [1, 1, 0, 0, 0, 0]
    _, report = build(folder_of(tmp_path / "in", titles=titles, base=base), tmp_path / "out")
    first, second = report["paper_pairs"]
    assert first["paper"] == {"ada-002": 0.785, "AstroLLaMA": 0.363}
    assert first["ids"] is None and first["ours"] is None, "one of the two is not there"
    assert second["paper"] == {"ada-002": 0.824, "AstroLLaMA": 0.928}
    assert second["ids"] == ["2307.00000", "2307.00001"]
    assert second["ours"]["base"] == pytest.approx(0.5**0.5)
    assert set(second["ours"]) == {"base", "tuned", "baseline"}


def test_the_papers_pairs_are_found_by_id_and_by_titles_spelt_otherwise():
    second = "Comment on: modified Coulomb law in a strongly  magnetized vacuum."
    assert find_pairs(["x", "0704.0044"], [second, "Renamed"])[0] == (1, 0)
    assert find_pairs(["x"], [second])[0] == (None, 0)
    assert find_pairs([], []) == [(None, None), (None, None)]


def test_a_baseline_without_train_vectors_has_raw_figures_only(tmp_path):
    folder = folder_of(tmp_path / "in")
    for kind in ("titles", "masked", "train"):
        (folder / f"baseline_{kind}.npy").unlink()
    _, report = build(folder, tmp_path / "out")
    assert set(report["spread"]["raw"]) == {"base", "tuned", "baseline"}
    assert set(report["spread"]["whitened"]) == set(report["histograms"]["centred"])
    assert "baseline" not in report["spread"]["whitened"]
    assert "baseline" not in report["retrieval"]["title"]


def test_retrieval_of_titles_that_lie_on_their_abstracts_is_in_the_report(tmp_path):
    _, report = build(folder_of(tmp_path / "in"), tmp_path / "out")
    assert report["retrieval"]["title"]["tuned"]["recall_at_1"] == 1


def test_a_file_of_vectors_stands_beside_models_and_baseline(tmp_path):
    """Its vectors are the tuned model's, without titles and train papers: so are its figures."""
    draw = np.random.default_rng(6)
    titles = dict(enumerate(PAPER_PAIRS[1].titles))
    tuned = draw.normal(size=(N, 6))
    rows = [paper(f"2307.{i:05d}", title=titles.get(i, f"On {i}")) for i in range(N)]
    spaces = {
        "base": arrays(draw.normal(size=(N, 6))),
        "tuned": arrays(tuned),
        "vectors": {"abstracts": 3 * tuned},
        "baseline": arrays(draw.normal(size=(N, 6))),
    }
    folder = write_folder(tmp_path / "in", rows, spaces)
    about = json.loads((folder.path / "ids.json").read_text()) | {"n_without_vectors": 7}
    (folder.path / "ids.json").write_text(json.dumps(about))
    _, report = build(folder.path, tmp_path / "out")
    assert report["models"] == ["base", "tuned"]
    assert (report["vectors"], report["n_without_vectors"]) == ("ada-002", 7)
    assert report["spearman"]["vectors"] == pytest.approx(report["spearman"]["tuned"], abs=1e-4)
    for one in report["bins"]:
        assert one["vectors"]["mean"] == pytest.approx(one["tuned"]["mean"], abs=1e-6)
    back = report["bins_by_model"]
    assert sum(one["n_pairs"] for one in back["vectors"]) == N_PAIRS
    assert back["vectors"][0].keys() == {"low", "high", "n_pairs", "baseline"}
    for name in ("histograms", "spread"):
        assert ["vectors" in report[name][kind] for kind in ("raw", "centred", "whitened")] == [
            True, False, False
        ]  # fmt: skip
    for pair in report["examples"]:
        assert pair["vectors"] == pytest.approx(pair["tuned"], abs=1e-6)
    ours = report["paper_pairs"][1]["ours"]
    assert ours["vectors"] == pytest.approx(ours["tuned"], abs=1e-6)
    assert "vectors" in report["retrieval"]["subfield"]
    assert "vectors" not in report["retrieval"]["title"]
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_a_folder_from_before_has_no_such_space(tmp_path):
    _, report = build(folder_of(tmp_path / "in"), tmp_path / "out")
    assert report["vectors"] is report["n_without_vectors"] is None
    assert "vectors" not in report["spearman"] and "vectors" not in report["bins"][0]


def test_what_the_vectors_left_out_is_told(tmp_path):
    folder = folder_of(tmp_path / "in")
    about = json.loads((folder / "ids.json").read_text())
    told = {"near_copies_left_out": 4, "share": 0.15, "n_cut": {"base": 1}, "n_without_baseline": 2}
    (folder / "ids.json").write_text(json.dumps({**about, **told}))
    report = build(folder, tmp_path / "out")[1]
    assert {name: report[name] for name in told} == told


def test_the_same_vectors_give_the_same_report(tmp_path):
    folder = folder_of(tmp_path / "in")
    first, again = build(folder, tmp_path / "a")[0], build(folder, tmp_path / "b")[0]
    assert (first.fingerprint, first.files) == (again.fingerprint, again.files)


def test_one_abstract_has_no_pair(tmp_path):
    with pytest.raises(EmptyCorpusError, match="no pair"):
        build(folder_of(tmp_path / "in", n=1), tmp_path / "out")


def test_arrays_that_do_not_belong_together_are_refused(tmp_path):
    folder = folder_of(tmp_path / "in")
    np.save(folder / "tuned.npy", np.zeros((N - 1, 6), dtype=np.float32))
    with pytest.raises(DamagedArtifactError, match="40 rows of float32"):
        build(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_embeddings_are_a_named_error(tmp_path):
    with pytest.raises(MissingArtifactError, match="no embeddings"):
        build(tmp_path, tmp_path / "out")
