"""Vectors of fixed test abstracts in every space: each model's, and a baseline's.

What does not belong here: which papers (selection), how a text becomes a vector (vectors, baseline)
and what the vectors are good for (report).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from astro_assets.artifacts import atomic, fingerprint
from astro_assets.artifacts.manifest import Built
from astro_assets.errors import EmptyCorpusError
from astro_assets.evaluation.embeddings.baseline import Baseline, encode_baseline
from astro_assets.evaluation.embeddings.folder import (
    BASELINE,
    IDS,
    PAPERS,
    Kind,
    Vectors,
    file_name,
)
from astro_assets.evaluation.embeddings.masking import mask_shared
from astro_assets.evaluation.embeddings.selection import (
    select_embedded,
    select_extra,
    select_train,
    with_subfield,
)
from astro_assets.evaluation.embeddings.vector_files import read_vector_file
from astro_assets.evaluation.embeddings.vectors import each_embedded
from astro_assets.evaluation.selection import leave_out
from astro_assets.models.handle import ModelHandle
from astro_assets.progress import Progress

_COLUMNS = ("id", "title", "submission_month", "categories", "subfield", "comments", "text")


@dataclass(frozen=True)
class _Chosen:
    """The papers, and what each kind of their texts is."""

    papers: pl.DataFrame
    """The figure's papers, then the extra ones."""
    n_figure: int
    given: dict[str, Vectors] | None
    """id -> baseline vector, where a file gives them."""
    n_without_baseline: int
    """Papers of the figure that the file does not have."""
    texts: dict[Kind, list[str]]


def build_embeddings(  # noqa: PLR0913
    models: Mapping[str, ModelHandle],
    texts: pl.DataFrame,
    *,
    train: pl.DataFrame,
    baseline: Baseline,
    n_abstracts: int,
    share: float,
    out: Path,
    progress: Progress,
    near_copies: Collection[str] | None = None,
) -> Built:
    """Embed the same texts with every model and the baseline, and save plain ``.npy`` files.

    Args:
        models: Label -> model, at least one; each is loaded once.
        texts: Test papers, columns of ``read_texts``.
        train: Train papers, likewise.
        baseline: What ``choose_baseline`` gave. From a file only papers in it are compared.
        n_abstracts: How many papers at most.
        share: Threshold of the hash that papers are selected by, 1 for all.
        out: Folder to make: see ``folder``.
        progress: Told per token.
        near_copies: Ids of papers to leave out; None leaves none out.

    Raises:
        EmptyCorpusError: no paper is selected, or fewer than two are in the baseline's file.
        BadModelError: a model or the encoder cannot be used.
        BadSettingError: the file of vectors cannot be used.
    """
    left, n_left_out = leave_out(texts, near_copies)
    chosen = _choose(left, train, baseline, n_abstracts=n_abstracts, share=share)
    n_cut: dict[str, int] = {}
    with atomic.new_folder(out) as folder:
        for made in each_embedded(models, chosen.texts, progress=progress):
            _save(folder, made.label, made.vectors)
            n_cut[made.label] = made.n_cut
        name = _save_baseline(folder, baseline, chosen, progress)
        about = {
            "n_figure": chosen.n_figure,
            "n_extra": len(chosen.papers) - chosen.n_figure,
            "n_train": len(chosen.texts["train"]),
            "labels": list(models),
            "baseline": name,
            "share": share,
            "n_cut": {label: n_cut[label] for label in models},
            "near_copies_left_out": n_left_out,
            "n_without_baseline": chosen.n_without_baseline,
            "ids": chosen.papers["id"].to_list(),
        }
        chosen.papers.write_parquet(folder / PAPERS, compression="zstd", statistics=False)
        (folder / IDS).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return _built(out, about)


def _built(out: Path, about: Mapping[str, Any]) -> Built:
    files = fingerprint.of_folder(out)
    n_cut = {f"n_cut_{label}": n for label, n in about["n_cut"].items()}
    return Built(
        fingerprint=fingerprint.of_value(files),
        path=out,
        counts={"n_abstracts": about["n_figure"], "n_extra": about["n_extra"], **n_cut},
        files=files,
        facts={"baseline": about["baseline"]},
    )


def _choose(
    texts: pl.DataFrame,
    train: pl.DataFrame,
    baseline: Baseline,
    *,
    n_abstracts: int,
    share: float,
) -> _Chosen:
    figure = select_embedded(texts, share=share, n=n_abstracts)
    extra, n_selected, given = select_extra(texts, train, figure), len(figure), None
    if baseline.kind == "vectors" and baseline.path is not None:
        given = read_vector_file(baseline.path, [*figure["id"], *extra["id"]])
        figure, extra = (one.filter(pl.col("id").is_in(list(given))) for one in (figure, extra))
        _check_enough(len(figure), n_selected, baseline)
    papers = with_subfield(
        pl.concat([figure, extra]).with_columns(pl.col("title").fill_null(""))
    ).select(_COLUMNS)
    n = len(figure)
    titles, abstracts = papers["title"].to_list(), papers["text"].to_list()
    masked = [mask_shared(*pair) for pair in zip(titles[:n], abstracts[:n], strict=True)]
    column = pl.Series("masked", [*masked, *[None] * len(extra)], dtype=pl.String)
    return _Chosen(
        papers=papers.with_columns(column),
        n_figure=n,
        given=given,
        n_without_baseline=n_selected - n,
        texts={
            "abstracts": abstracts,
            "titles": titles[:n],
            "masked": masked,
            "train": select_train(train, n_compared=n)["text"].to_list(),
        },
    )


def _save_baseline(folder: Path, baseline: Baseline, chosen: _Chosen, progress: Progress) -> str:
    """Save the baseline's vectors and return its name."""
    if chosen.given is not None:
        rows = [chosen.given[paper] for paper in chosen.papers["id"]]
        _save(folder, BASELINE, {"abstracts": np.stack(rows)})
        return baseline.name
    name, vectors = encode_baseline(baseline, chosen.texts, progress=progress)
    _save(folder, BASELINE, vectors)
    return name


def _save(folder: Path, space: str, vectors: Mapping[Kind, Vectors]) -> None:
    for kind, rows in vectors.items():
        np.save(folder / file_name(space, kind), rows, allow_pickle=False)


def _check_enough(n: int, n_selected: int, baseline: Baseline) -> None:
    if n < 2:
        raise EmptyCorpusError(
            f"The file of vectors {baseline.name} has {n} of the {n_selected:,} papers that are "
            "compared.",
            expected="vectors of at least two of them, under their arXiv ids.",
            do="Make vectors of the papers in papers.parquet of embeddings with another baseline.",
        )
