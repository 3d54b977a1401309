"""Vectors of texts from causal models: what embeddings are made of.

The vector of a text is the mean of the model's last hidden states over all tokens but [BOS]
(arXiv:2309.06126, figure 3). Arrays out, nothing written: it runs where only the model's own
libraries are. What does not belong here: which texts (selection) and the baseline's own vectors
(baseline).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadModelError
from astro_assets.evaluation.embeddings.batches import even_batches
from astro_assets.evaluation.embeddings.folder import Kind, Vectors
from astro_assets.models.handle import ModelHandle
from astro_assets.models.scoring import CausalParts, suited_budget
from astro_assets.models.together import each_loaded
from astro_assets.progress import Progress


@dataclass(frozen=True)
class Embedded:
    """What one model makes of the texts, one row per text."""

    label: str
    vectors: dict[Kind, Vectors]
    n_cut: int
    """Abstracts that were cut to the model's context."""


def embed(
    model: Any,
    documents: Sequence[Sequence[int]],
    *,
    bos_id: int,
    token_budget: int | None = None,
    advance: Callable[[float], None] = lambda _n: None,
) -> Vectors:
    """Return (n, d) float32: the mean of last hidden states over the text tokens of each document.

    The input is [BOS] and as many text tokens as the model's context holds. A document without
    tokens gets the zero vector.

    Args:
        model: A causal language model in eval mode.
        documents: Text token ids, no [BOS].
        bos_id: The tokenizer's [BOS].
        token_budget: Tokens per batch; changes speed and memory, not the result (to 1e-5). Default:
            what suits the device.
        advance: Told the number of tokens read.

    Raises:
        BadModelError: a vector is not finite.
    """
    parts = CausalParts.of(model)
    budget = token_budget or suited_budget(parts.device)
    inputs = [[bos_id, *document[: parts.max_positions - 1]] for document in documents]
    # A document without tokens has no state to take the mean of.
    read = [index for index, ids in enumerate(inputs) if len(ids) > 1]
    with torch.inference_mode():
        width = parts.hidden([[bos_id]]).shape[-1]
        vectors = np.zeros((len(inputs), width), dtype=np.float32)
        for batch in even_batches([len(inputs[index]) for index in read], budget):
            chosen = [read[place] for place in batch]
            hidden = parts.hidden([inputs[index] for index in chosen])
            means = [
                states[1 : len(inputs[index])].float().mean(dim=0)
                for states, index in zip(hidden, chosen, strict=True)
            ]
            vectors[chosen] = torch.stack(means).cpu().numpy()
            advance(sum(len(inputs[index]) for index in chosen))
    if not np.isfinite(vectors).all():
        raise BadModelError(
            "The model's hidden states are not finite.",
            expected="finite numbers.",
            do="Look at its learning curve: weights that have become NaN or infinite do this.",
        )
    return vectors


def each_embedded(
    models: Mapping[str, ModelHandle], texts: Mapping[Kind, Sequence[str]], *, progress: Progress
) -> Iterator[Embedded]:
    """Yield what each model makes of the same texts; every model is loaded once.

    The order is that of ``each_loaded``. Each model reads with its own tokenizer.

    Args:
        models: Label -> model.
        texts: Kind -> texts; abstracts among them.
        progress: Told per token.

    Raises:
        BadModelError: a model cannot be loaded, or a vector is not finite.
    """
    read: tuple[Path, Tokenizer, dict[Kind, list[list[int]]]] | None = None
    for label, model in each_loaded(models):
        folder = models[label].base_folder
        if read is None or read[0] != folder:
            tokenizer = Tokenizer.load(folder)
            ids = {kind: tokenizer.encode_batch(given) for kind, given in texts.items()}
            read = folder, tokenizer, ids
        _, tokenizer, ids = read
        room = CausalParts.of(model).max_positions - 1
        made: dict[Kind, Vectors] = {}
        for kind, documents in ids.items():
            total = float(sum(min(len(one), room) + 1 for one in documents if one))
            with progress.task(f"embed {kind}, {label}", total=total, unit="tokens") as task:
                made[kind] = embed(model, documents, bos_id=tokenizer.bos_id, advance=task.advance)
        n_cut = sum(len(document) > room for document in ids["abstracts"])
        del model  # else it would stay in memory beside the next one
        yield Embedded(label, made, n_cut)
