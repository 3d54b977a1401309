"""The embedding report: how alike abstracts are to each model, and what that is good for.

The paper's figure 3 (arXiv:2309.06126), with what it leaves open beside it: rank
correlation with the baseline, the spread left after the common direction is taken off, and
retrieval, the one figure here that can be called better or worse.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from astro_assets.artifacts import atomic
from astro_assets.artifacts.manifest import Built
from astro_assets.errors import DamagedArtifactError, EmptyCorpusError
from astro_assets.evaluation.embeddings.pairs import (
    EDGES,
    N_BINS,
    Tally,
    by_baseline,
    tally_pairs,
    unit_rows,
)
from astro_assets.evaluation.embeddings.retrieval import retrieval_of
from astro_assets.evaluation.embeddings.spaces import SPACES
from astro_assets.evaluation.embeddings.vectors import Vectors
from astro_assets.evaluation.reports import built_report, write_report
from astro_assets.progress import Progress

MODELS = ("base", "tuned")
_HISTOGRAM_BINS = 100
_SAMPLED_PAIRS = 100_000
_SEED = 20230912
_N_EXAMPLES = 3
_TITLE_CHARACTERS = 300


def build_embedding_report(
    embeddings_folder: Path, texts: pl.DataFrame, *, out: Path, progress: Progress
) -> Built:
    """Compare the spaces that ``build_embeddings`` saved and write the report.

    Args:
        embeddings_folder: ``build_embeddings``' output.
        texts: Test papers with columns id and title, for the pairs shown.
        out: Folder to make: report.json.
        progress: Told per step.

    Raises:
        DamagedArtifactError: the folder's arrays do not belong together.
        EmptyCorpusError: fewer than two abstracts, so no pair.
    """
    about = json.loads((embeddings_folder / "ids.json").read_text())
    raw = {name: _load(embeddings_folder, name, len(about["ids"])) for name in SPACES}
    titles = {
        name: _load(embeddings_folder, f"{name}_titles", len(about["ids"])) for name in SPACES
    }
    if len(about["ids"]) < 2:
        raise EmptyCorpusError(
            "One abstract has no pair to be compared with.",
            expected="at least two test abstracts.",
            do="Give a larger snapshot or a later release.",
        )
    with progress.task("compare embeddings", total=3, unit="steps") as task:
        report = {"baseline": about["baseline"], **_similarities(raw)}
        report |= {name: about[name] for name in ("near_copies_left_out",) if name in about}
        task.advance(1)
        report |= _sampled_pairs(raw, about["ids"], texts)
        task.advance(1)
        report["retrieval"] = {
            name: asdict(retrieval_of(unit_rows(titles[name]), unit_rows(raw[name])))
            for name in SPACES
        }
        task.advance(1)
    with atomic.new_folder(out) as folder:
        report = write_report(folder, report)
    return built_report(out, report, {"n_abstracts": len(about["ids"])})


def _similarities(raw: Mapping[str, Vectors]) -> dict[str, Any]:
    """Return what all pairs tell: histograms, spreads, and the bins of figure 3."""
    unit = {name: unit_rows(vectors) for name, vectors in raw.items()}
    tallies = {name: tally_pairs(vectors) for name, vectors in unit.items()}
    centred = {name: tally_pairs(unit_rows(raw[name], centred=True)) for name in SPACES}
    bins = by_baseline(unit["baseline"], {label: unit[label] for label in MODELS})
    n_abstracts = len(raw["base"])
    return {
        "n_abstracts": n_abstracts,
        "n_pairs": n_abstracts * (n_abstracts - 1) // 2,
        "bins": [
            {
                "low": one.low,
                "high": one.high,
                "n_pairs": one.models["base"].n_pairs,
                **{label: spread.figures() for label, spread in one.models.items()},
            }
            for one in bins
        ],
        "histograms": {name: _histogram(tally) for name, tally in tallies.items()},
        "spread": {
            "raw": {name: tally.spread().figures() for name, tally in tallies.items()},
            "centred": {name: tally.spread().figures() for name, tally in centred.items()},
        },
    }


def _histogram(tally: Tally) -> dict[str, list[float] | list[int]]:
    """Return edges (n + 1) and counts (n), n at most 100, over what the space's pairs occupy.

    Every space has bins of its own width, so figures must show densities.
    """
    occupied = np.flatnonzero(tally.counts)
    step = -(-int(occupied[-1] + 1 - occupied[0]) // _HISTOGRAM_BINS)
    starts = np.arange(occupied[0], occupied[-1] + 1, step)
    ends = np.minimum(np.append(starts, starts[-1] + step), N_BINS)
    return {
        "edges": EDGES[ends].tolist(),
        "counts": np.add.reduceat(tally.counts[: occupied[-1] + 1], starts).tolist(),
    }


def _sampled_pairs(
    raw: Mapping[str, Vectors], ids: list[str], texts: pl.DataFrame
) -> dict[str, Any]:
    """Return rank correlations with the baseline and the pairs training moved most (sampled)."""
    first, second = _draw_pairs(len(ids))
    similarity = {
        name: _cosines(unit_rows(vectors), first, second) for name, vectors in raw.items()
    }
    ranks = {name: _ranks(values) for name, values in similarity.items()}
    titles = dict(zip(texts["id"].to_list(), texts["title"].to_list(), strict=True))
    moved = np.argsort(ranks["tuned"] - ranks["base"], kind="stable")
    shown = [*moved[:_N_EXAMPLES], *moved[::-1][:_N_EXAMPLES]]
    return {
        "spearman": {label: _correlation(ranks[label], ranks["baseline"]) for label in MODELS},
        "n_sampled_pairs": len(first),
        "examples": [
            {
                "ids": [ids[first[i]], ids[second[i]]],
                "titles": [_title(titles, ids[j]) for j in (first[i], second[i])],
                **{name: float(similarity[name][i]) for name in SPACES},
            }
            for i in dict.fromkeys(int(index) for index in shown)
        ],
    }


def _draw_pairs(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all pairs i < j where they are few, else 100,000 different ones, drawn by seed."""
    n_pairs = n * (n - 1) // 2
    if n_pairs <= _SAMPLED_PAIRS:
        first, second = np.triu_indices(n, k=1)
        return first, second
    drawn = np.random.default_rng(_SEED).integers(0, n, size=(2 * _SAMPLED_PAIRS, 2))
    low, high = drawn.min(axis=1), drawn.max(axis=1)
    codes = np.unique((low * n + high)[low < high])
    chosen = np.random.default_rng(_SEED).permutation(codes)[:_SAMPLED_PAIRS]
    return chosen // n, chosen % n


def _cosines(
    unit: Vectors, first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return (m,) cosines of given pairs, a few thousand at a time: their rows are copied."""
    parts = [
        np.einsum("ij,ij->i", unit[first[part]], unit[second[part]])
        for part in np.array_split(np.arange(len(first)), -(-len(first) // 2_000))
    ]
    return np.concatenate(parts)


def _ranks(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return ranks from 1, ties sharing their mean rank."""
    ranks: NDArray[np.float64] = pl.Series(values).rank("average").to_numpy()
    return ranks


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    """Return Pearson's r, None where one side does not vary."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def _title(titles: Mapping[str, str | None], paper: str) -> str:
    return (titles.get(paper) or "")[:_TITLE_CHARACTERS]


def _load(folder: Path, name: str, n: int) -> Vectors:
    vectors: Vectors = np.load(folder / f"{name}.npy", allow_pickle=False)
    if vectors.ndim != 2 or len(vectors) != n or vectors.dtype != np.float32:
        raise DamagedArtifactError(
            f"{folder / name}.npy holds {vectors.dtype} of shape {vectors.shape}.",
            expected=f"{n} rows of float32.",
            do="Materialise embeddings again.",
        )
    return vectors
