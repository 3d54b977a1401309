"""Vectors of fixed test abstracts and of their titles: base, tuned, and a baseline encoder.

The vector of a text is the mean of the model's last hidden states over all tokens but [BOS]
(arXiv:2309.06126, figure 3). What does not belong here: what the vectors are good for
(similarity, retrieval, embedding_report) and the baseline's own vectors (baseline).
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from astro_assets.artifacts import atomic, fingerprint
from astro_assets.artifacts.manifest import Built
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadModelError
from astro_assets.evaluation.baseline import encode_baseline
from astro_assets.evaluation.samples import Sample, leave_out, take_papers, token_budget_batches
from astro_assets.evaluation.scoring import TOKEN_BUDGET, CausalParts
from astro_assets.models.handle import ModelHandle
from astro_assets.progress import Progress

Vectors = NDArray[np.float32]
"""(n, d), one row per text."""

SPACES = ("base", "tuned", "baseline")


def embed(
    model: Any,
    documents: Sequence[Sequence[int]],
    *,
    bos_id: int,
    token_budget: int = TOKEN_BUDGET,
    advance: Callable[[float], None] = lambda _n: None,
) -> Vectors:
    """Return (n, d) float32: the mean of last hidden states over the text tokens of each document.

    The input is [BOS] and as many text tokens as the model's context holds. A document without
    tokens gets the zero vector.

    Args:
        model: A causal language model in eval mode.
        documents: Text token ids, no [BOS].
        bos_id: The tokenizer's [BOS].
        token_budget: Tokens per batch; changes speed and memory, not the result (to 1e-5).
        advance: Told the number of tokens read.

    Raises:
        BadModelError: a vector is not finite.
    """
    parts = CausalParts.of(model)
    inputs = [[bos_id, *document[: parts.max_positions - 1]] for document in documents]
    rows: list[Vectors] = [np.zeros(0, dtype=np.float32)] * len(inputs)
    with torch.inference_mode():
        for batch in token_budget_batches([len(ids) for ids in inputs], token_budget):
            hidden = parts.hidden([inputs[i] for i in batch])
            for row, index in enumerate(batch):
                n_tokens = len(inputs[index]) - 1
                total = hidden[row, 1 : n_tokens + 1].float().sum(dim=0)
                rows[index] = (total / max(n_tokens, 1)).cpu().numpy()
            advance(sum(len(inputs[i]) for i in batch))
    vectors = np.stack(rows)
    if not np.isfinite(vectors).all():
        raise BadModelError(
            "The model's hidden states are not finite.",
            expected="finite numbers.",
            do="Look at its learning curve: weights that have become NaN or infinite do this.",
        )
    return vectors


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
            n_cut[label] = _embed_sample(models[label], label, sample, folder, progress)
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


def _embed_sample(
    handle: ModelHandle, label: str, sample: Sample, folder: Path, progress: Progress
) -> int:
    """Save the vectors of one model and return how many abstracts were cut to its context."""
    tokenizer = Tokenizer.load(handle.base_folder)
    model = handle.load()
    room = CausalParts.of(model).max_positions - 1
    abstracts = tokenizer.encode_batch(sample.texts)
    titles = tokenizer.encode_batch(sample.titles)
    for name, ids in ((label, abstracts), (f"{label}_titles", titles)):
        total = float(sum(min(len(document), room) + 1 for document in ids))
        with progress.task(f"embed {name.replace('_', ' ')}", total=total, unit="tokens") as task:
            vectors = embed(model, ids, bos_id=tokenizer.bos_id, advance=task.advance)
        np.save(folder / f"{name}.npy", vectors, allow_pickle=False)
    del model
    gc.collect()
    return sum(len(document) > room for document in abstracts)
