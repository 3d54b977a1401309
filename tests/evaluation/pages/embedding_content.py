"""A planted embedding report, every key as the evaluation writes it."""

from typing import Any


def bell(mean: float, width: float) -> dict[str, Any]:
    edges = [i / 40 for i in range(-40, 41)]
    heights = [max(0.0, 1 - ((edge + 0.0125 - mean) / width) ** 2) for edge in edges[:-1]]
    return {"edges": edges, "counts": [int(1000 * height) for height in heights]}


def embedding_report() -> dict[str, Any]:
    def summary(mean: float, std: float) -> dict[str, float]:
        return {"mean": mean, "std": std, "q05": mean - std, "q95": mean + std}

    def edges(i: int) -> dict[str, Any]:
        return {"low": i / 10, "high": (i + 1) / 10, "n_pairs": 0 if i == 9 else 1000}

    return {
        "baseline": "TF-IDF, 4,096 words",
        "vectors": None,
        "n_without_baseline": 0,
        "n_without_vectors": None,
        "models": ["base", "tuned"],
        "n_abstracts": 500,
        "n_pairs": 124_750,
        "n_cut": {"base": 0, "tuned": 0},
        "near_copies_left_out": 12,
        "share": 0.5,
        "bins": [
            {**edges(i), "base": summary(0.9 + i / 100, 0.03), "tuned": summary(0.55 + i / 25, 0.1)}
            for i in range(10)
        ],
        "bins_by_model": {
            label: [edges(i) | {"baseline": summary(0.02 + i / k, 0.05)} for i in range(3, 10)]
            for label, k in (("base", 40), ("tuned", 20))
        },
        "histograms": {
            "raw": {"base": bell(0.92, 0.07), "tuned": bell(0.7, 0.22), "baseline": bell(0.1, 0.2)},
            "centred": {
                "base": bell(0.0, 0.3), "tuned": bell(0.0, 0.4), "baseline": bell(0.0, 0.2)
            },
            "whitened": {
                "base": bell(0.0, 0.2), "tuned": bell(0.0, 0.21), "baseline": bell(0.0, 0.19)
            },
        },
        "spread": {
            kind: {s: summary(0.5, 0.1) for s in ("base", "tuned", "baseline")}
            for kind in ("raw", "centred", "whitened")
        },
        "whitening": {"n_train": 2_000, "n_components": {"base": 250, "tuned": 250}},
        "spearman": {"base": 0.21, "tuned": 0.44},
        "n_sampled_pairs": 100_000,
        "examples": [
            {
                "ids": ["0704.0044", "0705.0001"],
                "titles": ["Kinetic and fluid cascades in plasma", "A modified Coulomb law"],
                "base": 0.91, "tuned": 0.363, "baseline": 0.02, "rank_difference": -0.71,
            }
        ],
        "paper_pairs": [
            {
                "titles": ["Kinetic Simulations of Strongly Magnetized Plasmas", "A Hairy Hole"],
                "ids": ["0704.0044", "0705.0001"],
                "paper": {"ada-002": 0.83, "AstroLLaMA": 0.36},
                "ours": {"base": 0.91, "tuned": 0.363, "baseline": 0.02},
            },
            {"titles": ["One", "Another"], "ids": None,
             "paper": {"ada-002": 0.84, "AstroLLaMA": 0.59}, "ours": None},
        ],
        "retrieval": retrieval(),
    }  # fmt: skip


def with_vectors(name: str = "ada-002") -> dict[str, Any]:
    """The report with a file of vectors as one more space, that has abstracts only."""
    report = embedding_report() | {"vectors": name, "n_without_vectors": 7}
    for one in report["bins"]:
        one["vectors"] = dict(one["tuned"])
    report["bins_by_model"]["vectors"] = report["bins_by_model"]["tuned"]
    report["spearman"]["vectors"] = 0.66
    for whole in (report["histograms"], report["spread"]):
        whole["raw"]["vectors"] = whole["raw"]["tuned"]
    report["examples"][0]["vectors"] = report["paper_pairs"][0]["ours"]["vectors"] = 0.812
    for task in ("subfield", "comments"):
        found = report["retrieval"][task]
        found["vectors"] = dict(found["tuned"])
    return report


def retrieval() -> dict[str, Any]:
    return tasks(0.0, gain=0.19) | {"centred": tasks(0.1, gain=0.25)}


def tasks(more: float, *, gain: float) -> dict[str, Any]:
    """Figures of one view, so much more than raw."""
    bm25 = {"bm25": 0.49} if not more else {}
    spaces = {"base": 0.12 + more, "tuned": 0.31 + more, "baseline": 0.55 + more, **bm25}

    def found(score: float) -> dict[str, Any]:
        return {"recall_at_1": score, "recall_at_10": score + 0.2, "mrr": score + 0.05, "n": 500,
                "interval": [score, score + 0.1]}  # fmt: skip

    ends = {"low": gain - 0.04, "high": gain + 0.04}
    difference = {"mrr": gain, **ends, "n": 500}
    return {
        "title": {space: found(score + 0.1) for space, score in spaces.items()},
        "title_masked": {
            space: found(score) | {"n_candidates": 331.4, "chance_mrr": 0.018}
            for space, score in spaces.items() if space != "bm25"
        },
        "subfield": {
            space: {"knn_accuracy": score + 0.3, "map": score + 0.1, "n": 480, "k": 10,
                    "majority": 0.27, "interval": [score + 0.26, score + 0.34],
                    "map_interval": [score + 0.08, score + 0.12]}
            for space, score in spaces.items() if space != "bm25"
        },
        "comments": {
            space: {"recall_at_10": score, "mrr": score / 2, "n_pairs": 31, "n_queries": 29,
                    "interval": [score / 3, score]}
            for space, score in spaces.items()
        },
        "tuned_minus_base": {
            **{task: difference for task in ("title", "title_masked", "comments")},
            "subfield": {"knn_accuracy": {"value": gain, **ends}, "map": {"value": gain, **ends},
                         "n": 480},
        },
    }  # fmt: skip
