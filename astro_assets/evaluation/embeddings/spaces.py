"""Vectors of fixed test abstracts in every space: each model's, a baseline's, and a file's.

What does not belong here: which papers (selection), how a text becomes a vector (vectors, baseline)
and what the vectors are good for (report).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
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
    VECTORS,
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
from astro_assets.evaluation.embeddings.vector_files import (
    BASELINE_SETTING,
    VECTORS_SETTING,
    VectorFile,
    read_vector_file,
)
from astro_assets.evaluation.embeddings.vectors import each_embedded
from astro_assets.evaluation.selection import leave_out
from astro_assets.models.handle import ModelHandle
from astro_assets.progress import Progress

_COLUMNS = ("id", "title", "submission_month", "categories", "subfield", "comments", "text")


@dataclass(frozen=True)
class _Files:
    """Files of vectors: only papers in all of them are compared."""

    baseline: Baseline | None
    """In the baseline's place."""
    vectors: VectorFile | None
    """A space of its own."""

    def read(self, ids: Collection[str]) -> Iterator[tuple[str, str, dict[str, Vectors]]]:
        """Yield of each file its space, its name, and id -> vector for those of the papers.

        Raises:
            BadSettingError: a file cannot be used; says which setting names it.
        """
        if self.baseline is not None and self.baseline.path is not None:
            rows = read_vector_file(self.baseline.path, ids, setting=BASELINE_SETTING)
            yield BASELINE, self.baseline.name, rows
        if self.vectors is not None:
            rows = read_vector_file(self.vectors.path, ids, setting=VECTORS_SETTING)
            yield VECTORS, self.vectors.name, rows


@dataclass(frozen=True)
class _Chosen:
    """The papers, and what each kind of their texts is."""

    papers: pl.DataFrame
    """The figure's papers, then the extra ones."""
    n_figure: int
    given: dict[str, dict[str, Vectors]]
    """Space -> id -> vector, where a file gives them: ``baseline``, ``vectors``."""
    n_without: dict[str, int]
    """Space -> selected papers that are not compared because its file lacks them; a paper that
    both files lack counts for the baseline's."""
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
    vectors: VectorFile | None = None,
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
        vectors: Another model's vectors of the abstracts, saved beside; only papers in it are
            compared. None: there are none.

    Raises:
        EmptyCorpusError: no paper is selected, or fewer than two are in all files of vectors.
        BadModelError: a model or the encoder cannot be used.
        BadSettingError: a file of vectors cannot be used.
    """
    left, n_left_out = leave_out(texts, near_copies)
    files = _Files(baseline if baseline.kind == "vectors" else None, vectors)
    chosen = _choose(left, train, files, n_abstracts=n_abstracts, share=share)
    n_cut: dict[str, int] = {}
    with atomic.new_folder(out) as folder:
        for made in each_embedded(models, chosen.texts, progress=progress):
            _save(folder, made.label, made.vectors)
            n_cut[made.label] = made.n_cut
        for space, rows in chosen.given.items():
            _save(folder, space, {"abstracts": np.stack([rows[id] for id in chosen.papers["id"]])})
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
            "n_without_baseline": chosen.n_without.get(BASELINE, 0),
            **_told_of_vectors(vectors, chosen),
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
        facts={name: about[name] for name in ("baseline", VECTORS) if name in about},
    )


def _told_of_vectors(vectors: VectorFile | None, chosen: _Chosen) -> dict[str, Any]:
    # Without a file nothing is said: the folder stays, byte for byte, what it was.
    if vectors is None:
        return {}
    return {VECTORS: vectors.name, "n_without_vectors": chosen.n_without[VECTORS]}


def _choose(
    texts: pl.DataFrame,
    train: pl.DataFrame,
    files: _Files,
    *,
    n_abstracts: int,
    share: float,
) -> _Chosen:
    figure = select_embedded(texts, share=share, n=n_abstracts)
    extra, n_selected = select_extra(texts, train, figure), len(figure)
    given: dict[str, dict[str, Vectors]] = {}
    n_without: dict[str, int] = {}
    for space, name, rows in files.read([*figure["id"], *extra["id"]]):
        n_before, given[space] = len(figure), rows
        figure, extra = (one.filter(pl.col("id").is_in(list(rows))) for one in (figure, extra))
        n_without[space] = n_before - len(figure)
        _check_enough(len(figure), n_selected, name, is_second=len(given) > 1)
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
        n_without=n_without,
        texts={
            "abstracts": abstracts,
            "titles": titles[:n],
            "masked": masked,
            "train": select_train(train, n_compared=n)["text"].to_list(),
        },
    )


def _save_baseline(folder: Path, baseline: Baseline, chosen: _Chosen, progress: Progress) -> str:
    """Save the baseline's vectors, where no file gave them, and return its name."""
    if BASELINE in chosen.given:
        return baseline.name
    name, vectors = encode_baseline(baseline, chosen.texts, progress=progress)
    _save(folder, BASELINE, vectors)
    return name


def _save(folder: Path, space: str, vectors: Mapping[Kind, Vectors]) -> None:
    for kind, rows in vectors.items():
        np.save(folder / file_name(space, kind), rows, allow_pickle=False)


def _check_enough(n: int, n_selected: int, name: str, *, is_second: bool) -> None:
    if n < 2:
        both = " and the baseline's file have" if is_second else " has"
        raise EmptyCorpusError(
            f"The file of vectors {name}{both} {n} of the {n_selected:,} papers that are compared.",
            expected="vectors of at least two of them, under their arXiv ids.",
            do="Make vectors of the papers in papers.parquet of embeddings without such a file.",
        )
