import json

import numpy as np
import pytest

from astro_assets.evaluation.embeddings.masking import mask_shared
from astro_assets.evaluation.embeddings.quality import TASKS, retrieval_quality
from tests.evaluation.embeddings.folders import paper, write_folder

N = 24
N_CANDIDATES = 18
"""The subject of a title stands in the masked abstracts of six papers, of the subject before."""
SUBJECTS = ["galaxies", "pulsars", "comets", "quasars"]


def papers(n_extra=1):
    """Four subfields by turns; paper 0 names paper 5, which names it back, and the last, extra."""
    made = []
    for i in range(N + n_extra):
        title = f"Survey number{i} of {SUBJECTS[i % 4]}"
        text = f"We count {SUBJECTS[i % 4]} in survey number{i} by {SUBJECTS[(i + 1) % 4]}."
        made.append(
            paper(
                f"2301.{i:05d}",
                title=title,
                text=text,
                masked=mask_shared(title, text) if i < N else None,
                subfield=f"astro-ph.{i % 4}",
            )
        )
    made[0]["comments"] = f"with arXiv:2301.00005v2 and arXiv:2301.{N:05d}"
    made[5]["comments"] = "see 2301.00000"
    return made


def known(n_extra=1):
    """Every title on its abstract, subfields apart, 0 and its named ones nearest to each other."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(N + n_extra, 16)) * 0.1
    rows[np.arange(len(rows)), np.arange(len(rows)) % 4] += 1
    rows[[5, N]] = rows[0] + 0.01 * random.normal(size=(2, 16))
    return {
        "abstracts": rows,
        "titles": rows[:N],
        "masked": rows[:N],
        "train": random.normal(size=(30, 16)),
    }


def one_point(n_extra=1):
    same = np.full((N + n_extra, 8), 0.7)
    return {
        "abstracts": same,
        "titles": same[:N],
        "masked": same[:N],
        "train": np.full((30, 8), 0.7),
    }


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quality") / "vectors"
    spaces = {
        "base": one_point(),
        "tuned": known(),
        "champion": known(),
        "baseline": {"abstracts": np.eye(N + 1)},
    }
    return retrieval_quality(write_folder(folder, papers(), spaces, n_extra=1))


def test_known_neighbours_score_one(found):
    for view in (found, found["centred"]):
        for task in ("title", "title_masked"):
            figures = view[task]["tuned"]
            assert {name: figures[name] for name in ("recall_at_1", "recall_at_10", "mrr")} == {
                "recall_at_1": 1,
                "recall_at_10": 1,
                "mrr": 1,
            }
            assert (figures["n"], figures["interval"]) == (N, [1, 1])
        assert view["title_masked"]["tuned"]["n_candidates"] == N_CANDIDATES
        assert view["comments"]["tuned"] == {
            "recall_at_10": 1,
            "mrr": 1,
            "n_pairs": 2,
            "n_queries": 1,
            "interval": None,
        }


def test_one_point_finds_nothing(found):
    for view in (found, found["centred"]):
        for task, n in (("title", N), ("title_masked", N_CANDIDATES)):
            assert view[task]["base"]["recall_at_10"] == 0
            assert view[task]["base"]["mrr"] == pytest.approx(1 / n)
        # 25 rows without the paper itself and the other it names: the last of 23.
        assert view["comments"]["base"]["mrr"] == pytest.approx(1 / 23)
        assert view["subfield"]["base"]["knn_accuracy"] == 0


def test_words_find_titles_as_they_are(found):
    assert found["title"]["bm25"]["recall_at_1"] == 1
    assert found["subfield"]["bm25"]["map"] > 0.9


def test_tuned_minus_base_is_paired_by_query(found):
    for view in (found, found["centred"]):
        gains = view["tuned_minus_base"]
        # The planted space is right everywhere, one point always last: no query differs.
        least = {"title": (N, 1 / N), "title_masked": (N, 1 / N_CANDIDATES)}
        assert set(gains) == {*least, "subfield"}, "one paper's comments are too few"
        for task, (n, by_one_point) in least.items():
            figures = [gains[task][key] for key in ("low", "mrr", "high")]
            assert figures == pytest.approx([1 - by_one_point] * 3)
            assert gains[task]["n"] == n


def test_tuned_minus_champion_is_nothing_where_both_are_one(found):
    for view in (found, found["centred"]):
        gains = view["tuned_minus_champion"]
        assert set(gains) == {"title", "title_masked", "subfield"}
        for task in ("title", "title_masked"):
            gain = gains[task]
            assert (gain["mrr"], gain["low"], gain["high"]) == (0, 0, 0)
        assert gains["subfield"]["map"] == {"value": 0, "low": 0, "high": 0}
        accuracy = gains["subfield"]["knn_accuracy"]
        assert accuracy["value"] == 0 and accuracy["low"] < 0 < accuracy["high"]


def test_the_gain_in_subfields_is_paired_by_paper(found):
    for view in (found, found["centred"]):
        tuned, base = (view["subfield"][label] for label in ("tuned", "base"))
        gain = view["tuned_minus_base"]["subfield"]
        assert gain["n"] == N
        for key in ("knn_accuracy", "map"):
            one = gain[key]
            assert one["value"] == pytest.approx(tuned[key] - base[key])
            assert 0 < one["low"] <= one["value"] <= one["high"] <= 1


def test_eight_papers_that_name_others_are_enough(tmp_path):
    """Papers 0 to 7, then 0 to 6, each name the one twelve behind: of the same subfield."""
    for n, is_enough in ((8, True), (7, False)):
        rows = papers()
        for i in range(n):
            rows[i]["comments"] = f"with arXiv:2301.{i + 12:05d}"
        spaces = {"base": one_point(), "tuned": known()} | baseline()
        found = retrieval_quality(write_folder(tmp_path / str(n), rows, spaces, n_extra=1))
        for label in ("base", "tuned"):
            figures = found["comments"][label]
            assert (figures["n_queries"], figures["n_pairs"]) == (n, n)
            assert (figures["interval"] is not None) == is_enough
            assert figures["mrr"] > 0
        assert ("comments" in found["tuned_minus_base"]) == is_enough


def test_a_file_of_vectors_is_asked_what_needs_abstracts_only(tmp_path):
    spaces = {"base": one_point(), "tuned": known(), "vectors": {"abstracts": known()["abstracts"]}}
    folder = write_folder(tmp_path / "v", papers(), spaces | baseline(), n_extra=1)
    found = retrieval_quality(folder)
    assert {task for task in TASKS if "vectors" in found[task]} == {"subfield", "comments"}
    for task in ("subfield", "comments"):
        assert found[task]["vectors"] == found[task]["tuned"], "the same vectors"
    assert all("vectors" not in found["centred"][task] for task in TASKS), "no train vectors"


def test_the_accuracy_of_subfields_has_wilsons_interval(found):
    z2 = 1.959963984540054**2
    none_right = found["subfield"]["base"]
    assert none_right["knn_accuracy"] == 0
    assert none_right["interval"] == pytest.approx([0, z2 / (N + z2)], abs=1e-9)


def test_subfields_of_the_figure_papers_only(found):
    figures = found["subfield"]["tuned"]
    assert (figures["n"], figures["k"], figures["majority"]) == (N, 10, 0.25)
    # Paper 5 lies among those of paper 0's subfield, so no space can be right on all.
    assert 0.9 < figures["map"] < 1


def test_spaces_without_the_vectors_a_task_needs_are_not_in_it(found):
    models = {"base", "tuned", "champion"}
    everywhere = models | {"bm25"}
    assert {task: set(found[task]) for task in TASKS} == {
        "title": everywhere,
        "title_masked": models,
        "subfield": everywhere | {"baseline"},
        "comments": everywhere | {"baseline"},
    }
    assert all(set(found["centred"][task]) == models for task in TASKS)


def test_two_runs_give_equal_json(tmp_path):
    folder = write_folder(tmp_path / "v", papers(), {"model": known()} | baseline(), n_extra=1)
    assert json.dumps(retrieval_quality(folder)) == json.dumps(retrieval_quality(folder))


def baseline():
    return {"baseline": {"abstracts": np.eye(N + 1)}}


def test_no_pair_and_no_shared_subfield(tmp_path):
    """Of three papers one has no subfield, and the others' differ: nothing can be asked."""
    some = [paper("a", subfield=None), paper("b", subfield="x"), paper("c", subfield="y")]
    rows = np.eye(3)
    arrays = {"abstracts": rows, "titles": rows, "masked": rows, "train": rows[:0]}
    folder = write_folder(tmp_path / "v", some, {"model": arrays, "baseline": {"abstracts": rows}})
    found = retrieval_quality(folder)
    assert (found["subfield"], found["comments"]) == ({}, None)
    assert found["title"]["model"]["mrr"] == 1
    assert found["centred"]["title"] == {}, "no train paper, no mean"
    assert found["title_masked"] == {}, "no title has ten abstracts to be ranked among"
    assert found["tuned_minus_base"] is None
