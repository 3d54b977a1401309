"""Vectors of texts from one causal model: what embeddings are made of.

The vector of a text is the mean of the model's last hidden states over all tokens but [BOS]
(arXiv:2309.06126, figure 3). Arrays out, nothing written: it runs where only the model's own
libraries are. What does not belong here: which texts (embeddings) and the baseline's own vectors
(baseline).
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadModelError
from astro_assets.evaluation.samples import Sample
from astro_assets.models.handle import ModelHandle
from astro_assets.models.scoring import TOKEN_BUDGET, CausalParts, token_budget_batches
from astro_assets.progress import Progress

Vectors = NDArray[np.float32]
"""(n, d), one row per text."""


@dataclass(frozen=True)
class SampleVectors:
    """What one model makes of a sample, one row per paper."""

    abstracts: Vectors
    titles: Vectors
    n_cut: int
    """Abstracts that were cut to the model's context."""


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


def embed_sample(
    handle: ModelHandle, sample: Sample, *, label: str, progress: Progress
) -> SampleVectors:
    """Load one model, embed the abstracts and titles of a sample, and let it go again.

    Args:
        handle: The model.
        sample: The papers.
        label: What the progress display calls the model.
        progress: Told per token.

    Raises:
        BadModelError: see ``embed``.
    """
    tokenizer = Tokenizer.load(handle.base_folder)
    model = handle.load()
    room = CausalParts.of(model).max_positions - 1
    abstracts = tokenizer.encode_batch(sample.texts)
    titles = tokenizer.encode_batch(sample.titles)
    made: list[Vectors] = []
    for name, ids in ((label, abstracts), (f"{label} titles", titles)):
        total = float(sum(min(len(document), room) + 1 for document in ids))
        with progress.task(f"embed {name}", total=total, unit="tokens") as task:
            made.append(embed(model, ids, bos_id=tokenizer.bos_id, advance=task.advance))
    del model
    gc.collect()
    n_cut = sum(len(document) > room for document in abstracts)
    return SampleVectors(abstracts=made[0], titles=made[1], n_cut=n_cut)
