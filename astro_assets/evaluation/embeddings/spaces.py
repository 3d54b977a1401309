"""Vectors of fixed test abstracts and of their titles: base, tuned, and a baseline encoder.

What does not belong here: how a model makes a vector (vectors), what the vectors are good for
(similarity, retrieval, embedding_report) and the baseline's own vectors (baseline).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from astro_assets.artifacts import atomic, fingerprint
from astro_assets.artifacts.manifest import Built
from astro_assets.evaluation.embeddings.baseline import encode_baseline
from astro_assets.evaluation.embeddings.vectors import embed_sample
from astro_assets.evaluation.selection import leave_out, take_papers
from astro_assets.models.handle import ModelHandle
from astro_assets.progress import Progress

SPACES = ("base", "tuned", "baseline")


def build_embeddings(
    models: Mapping[str, ModelHandle],
    texts: pl.DataFrame,
    *,
    baseline: str | Path | None,
    n_abstracts: int,
    out: Path,
    progress: Progress,
    near_copies: Collection[str] | None = None,
) -> Built:
    """Embed the same abstracts and titles with every model and save plain ``.npy`` files.

    Args:
        models: ``base`` and ``tuned``.
        texts: Test papers: columns id, title, text.
        baseline: Folder of a Hugging Face encoder (MiniLM and the like), or None for TF-IDF.
        n_abstracts: How many papers at most.
        out: Folder to make: ``<space>.npy`` and ``<space>_titles.npy`` for base, tuned, baseline
            (float32, one row per paper in the order of ids.json), ids.json.
        progress: Told per token.
        near_copies: Ids of papers to leave out; None leaves none out.

    Raises:
        EmptyCorpusError: there is no paper.
        BadModelError: a model or the encoder folder cannot be used.
    """
    papers, n_left_out = leave_out(texts, near_copies)
    sample = take_papers(papers, n_abstracts, what="astro test papers")
    n_cut = {}
    with atomic.new_folder(out) as folder:
        for label in ("base", "tuned"):
            made = embed_sample(models[label], sample, label=label, progress=progress)
            np.save(folder / f"{label}.npy", made.abstracts, allow_pickle=False)
            np.save(folder / f"{label}_titles.npy", made.titles, allow_pickle=False)
            n_cut[label] = made.n_cut
        encoded = encode_baseline(sample, baseline, progress=progress)
        np.save(folder / "baseline.npy", encoded.abstracts, allow_pickle=False)
        np.save(folder / "baseline_titles.npy", encoded.titles, allow_pickle=False)
        about = {
            "ids": sample.ids,
            "baseline": encoded.name,
            "n_cut": n_cut,
            "near_copies_left_out": n_left_out,
        }
        (folder / "ids.json").write_text(json.dumps(about, indent=1) + "\n")
    files = fingerprint.of_folder(out)
    return Built(
        fingerprint=fingerprint.of_value(files),
        path=out,
        counts={"n_abstracts": len(sample), **{f"n_cut_{k}": n for k, n in n_cut.items()}},
        files=files,
        facts={"baseline": encoded.name},
    )
