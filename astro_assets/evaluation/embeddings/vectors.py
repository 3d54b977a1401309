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
from astro_assets.models.scoring import CausalParts
from astro_assets.models.together import each_loaded
from astro_assets.progress import Progress

_TOKEN_BUDGET = 8_192
"""Tokens per batch, on a CPU too: no logits are made here, and they are what makes small batches
faster there (models.scoring)."""


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
    token_budget: int = _TOKEN_BUDGET,
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
    # A document without tokens has no state to take the mean of.
    read = [index for index, ids in enumerate(inputs) if len(ids) > 1]
    with torch.inference_mode():
        width = parts.hidden([[bos_id]]).shape[-1]
        vectors = np.zeros((len(inputs), width), dtype=np.float32)
        for batch in even_batches([len(inputs[index]) for index in read], token_budget):
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
        reader = _Reader(model, label, tokenizer.bos_id, progress)
        made = reader.read(texts, ids)
        n_cut = sum(len(document) > reader.room for document in ids["abstracts"])
        del model, reader  # else it would stay in memory beside the next one
        yield Embedded(label, made, n_cut)


@dataclass(frozen=True)
class _Reader:
    """A loaded model that reads all kinds of texts."""

    model: Any
    label: str
    bos_id: int
    progress: Progress

    @property
    def room(self) -> int:
        """Return how many text tokens the context holds."""
        return CausalParts.of(self.model).max_positions - 1

    def read(
        self, texts: Mapping[Kind, Sequence[str]], ids: Mapping[Kind, Sequence[Sequence[int]]]
    ) -> dict[Kind, Vectors]:
        """Return vectors per kind; a text of an earlier kind, as nothing masked, is copied."""
        made: dict[Kind, Vectors] = {}
        place: dict[str, tuple[Kind, int]] = {}
        for kind, documents in ids.items():
            new = [row for row, text in enumerate(texts[kind]) if text not in place]
            read = self._embed(kind, [documents[row] for row in new])
            vectors = np.empty((len(documents), read.shape[1]), dtype=np.float32)
            vectors[new] = read
            for row in set(range(len(documents))).difference(new):
                before, same = place[texts[kind][row]]
                vectors[row] = made[before][same]
            made[kind] = vectors
            place |= {texts[kind][row]: (kind, row) for row in new}
        return made

    def _embed(self, kind: Kind, documents: Sequence[Sequence[int]]) -> Vectors:
        total = float(sum(min(len(one), self.room) + 1 for one in documents if one))
        with self.progress.task(f"embed {kind}, {self.label}", total=total, unit="tokens") as task:
            return embed(self.model, documents, bos_id=self.bos_id, advance=task.advance)
