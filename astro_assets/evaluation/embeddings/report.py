"""The embedding report: how alike abstracts are to each model, and what that is good for.

The paper's figure 3 (arXiv:2309.06126): all pairs, in ten bins of equal width by the baseline's
similarity. Then what it hides: binned the other way round, rank correlation, how the similarities
are spread as they are, mean-centred and whitened, pairs whose rank moved most; and retrieval, the
one figure here that can be called better or worse. What does not belong here: making the vectors
(spaces) and drawing the figures (figures).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from astro_assets.artifacts import atomic
from astro_assets.artifacts.manifest import Built
from astro_assets.errors import EmptyCorpusError
from astro_assets.evaluation.embeddings.folder import BASELINE, EmbeddingsFolder, Vectors
from astro_assets.evaluation.embeddings.pairs import Bin, bin_pairs, tally_pairs, unit_rows
from astro_assets.evaluation.embeddings.paper_pairs import PAPER_PAIRS, find_pairs
from astro_assets.evaluation.embeddings.quality import retrieval_quality
from astro_assets.evaluation.embeddings.sampled_pairs import SampledPairs, cosines
from astro_assets.evaluation.embeddings.tallies import Tally, histogram_of
from astro_assets.evaluation.embeddings.whitening import Whitening, fit_whitening
from astro_assets.evaluation.reports import built_report, write_report
from astro_assets.progress import Progress, Task

_TITLE_CHARACTERS = 300
_TOLD = (
    "baseline", "vectors", "n_cut", "near_copies_left_out", "share", "n_without_baseline",
    "n_without_vectors",
)  # fmt: skip


def build_embedding_report(
    embeddings_folder: Path, texts: pl.DataFrame, *, out: Path, progress: Progress
) -> Built:
    """Compare the spaces that ``build_embeddings`` saved and write the report.

    Args:
        embeddings_folder: ``build_embeddings``' output.
        texts: Papers with columns id and title: the present titles, where they are in it.
        out: Folder to make: report.json.
        progress: Told per step.

    Raises:
        MissingArtifactError: there are no embeddings.
        DamagedArtifactError: the folder's arrays do not belong together.
        EmptyCorpusError: fewer than two abstracts, so no pair.
    """
    folder = EmbeddingsFolder.open(embeddings_folder)
    if folder.n_figure < 2:
        raise EmptyCorpusError(
            "One abstract has no pair to be compared with.",
            expected="at least two test abstracts.",
            do="Give a larger snapshot or a later release.",
        )
    ids, titles = folder.papers["id"].to_list(), _titles(folder, texts)
    n_steps = float(3 * len(folder.spaces) + 2)
    with progress.task("compare embeddings", total=n_steps, unit="steps") as task:
        raw = {space: unit_rows(folder.figure(space)) for space in folder.spaces}
        report = {
            "models": list(folder.labels),
            **{name: folder.about.get(name) for name in _TOLD},
            "n_abstracts": folder.n_figure,
            "n_pairs": folder.n_figure * (folder.n_figure - 1) // 2,
            **_all_pairs(folder, raw, task),
            **_some_pairs(raw, folder, ids, titles),
            "paper_pairs": _paper_pairs(folder, ids, titles),
        }
        task.advance(1)
    report["retrieval"] = retrieval_quality(folder, progress=progress)
    with atomic.new_folder(out) as made:
        report = write_report(made, report)
    return built_report(out, report, {"n_abstracts": folder.n_figure})


def _all_pairs(folder: EmbeddingsFolder, raw: Mapping[str, Vectors], task: Task) -> dict[str, Any]:
    """Return what all pairs tell: histograms, spreads, and the bins of figure 3 both ways."""
    tallies: dict[str, dict[str, Tally]] = {"raw": {}, "centred": {}, "whitened": {}}
    n_components: dict[str, int] = {}
    for space in folder.spaces:
        tallies["raw"][space] = tally_pairs(raw[space])
        task.advance(1)
        whitening = _whitening(folder, space)
        if whitening is not None:
            n_components[space] = whitening.n_components
            figure = folder.figure(space)
            tallies["centred"][space] = tally_pairs(unit_rows(whitening.centre(figure)))
            if whitening.n_components:
                tallies["whitened"][space] = tally_pairs(unit_rows(whitening.whiten(figure)))
        task.advance(2)
    there = [(BASELINE, space) for space in folder.compared]
    back = [(space, BASELINE) for space in folder.compared]
    bins = bin_pairs(raw, tallies["raw"], [*there, *back])
    task.advance(1)
    return {
        "bins": _figure_3({space: bins[BASELINE, space] for space in folder.compared}),
        "bins_by_model": {
            space: _figure_3({BASELINE: bins[space, BASELINE]}) for space in folder.compared
        },
        "histograms": {
            kind: {space: histogram_of(tally) for space, tally in some.items()}
            for kind, some in tallies.items()
        },
        "spread": {
            kind: {space: tally.spread().figures() for space, tally in some.items()}
            for kind, some in tallies.items()
        },
        "whitening": {"n_train": folder.n_train, "n_components": n_components},
    }


def _whitening(folder: EmbeddingsFolder, space: str) -> Whitening | None:
    """Return what was fitted on the train papers; None where the space has too few or none."""
    train = folder.vectors(space, "train")
    return None if train is None else fit_whitening(train)


def _figure_3(spaces: Mapping[str, list[Bin]]) -> list[dict[str, Any]]:
    """Return one entry per bin, with the figures of each space in it."""
    return [
        {
            "low": alike[0].low,
            "high": alike[0].high,
            "n_pairs": alike[0].spread.n_pairs,
            **{name: one.spread.figures() for name, one in zip(spaces, alike, strict=True)},
        }
        for alike in zip(*spaces.values(), strict=True)
    ]


def _some_pairs(
    raw: Mapping[str, Vectors], folder: EmbeddingsFolder, ids: list[str], titles: list[str]
) -> dict[str, Any]:
    """Return rank correlations with the baseline, and telling pairs: where training moved most.

    Tuned against base where both are; else the first model against the baseline.
    """
    sampled, labels = SampledPairs.of(raw), folder.labels
    compared = ("tuned", "base") if {"tuned", "base"} <= set(labels) else (labels[0], BASELINE)
    return {
        "spearman": {space: sampled.spearman(space) for space in folder.compared},
        "n_sampled_pairs": len(sampled.first),
        "examples": [
            {
                "ids": [ids[row] for row in rows],
                "titles": [titles[row] for row in rows],
                **{space: float(of[number]) for space, of in sampled.similarity.items()},
                "rank_difference": difference,
            }
            for number, difference in sampled.telling(*compared)
            for rows in [(int(sampled.first[number]), int(sampled.second[number]))]
        ],
    }


def _paper_pairs(
    folder: EmbeddingsFolder, ids: list[str], titles: list[str]
) -> list[dict[str, Any]]:
    """Return the paper's two pairs with its figures, and ours where both papers are there."""
    shown = []
    for pair, (first, second) in zip(PAPER_PAIRS, find_pairs(ids, titles), strict=True):
        rows = None if first is None or second is None else [first, second]
        shown.append(
            {
                "titles": list(pair.titles),
                "ids": [ids[row] for row in rows] if rows else None,
                "paper": dict(pair.similarity),
                "ours": _cosines_of(folder, rows) if rows else None,
            }
        )
    return shown


def _cosines_of(folder: EmbeddingsFolder, rows: list[int]) -> dict[str, float]:
    """Return the cosine of two papers in every space; they may stand behind the figure's."""
    found = {}
    for space in folder.spaces:
        vectors = folder.vectors(space, "abstracts")
        if vectors is not None:
            found[space] = float(cosines(unit_rows(vectors[rows]), [0], [1])[0])
    return found


def _titles(folder: EmbeddingsFolder, texts: pl.DataFrame) -> list[str]:
    """Return a title per row, as the papers have it now, else as it was; bounded."""
    now = dict(texts.select("id", "title").rows())
    then = folder.papers.select("id", "title").rows()
    return [(now.get(paper) or title or "")[:_TITLE_CHARACTERS] for paper, title in then]
