"""What one model scores on every field: per document, and over packed blocks where it has them.

Arrays and plain numbers out, no table and no report: it runs where only the model's own libraries
are. What does not belong here: which papers are measured (selection) and how models are compared
(perplexity_report).
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadModelError
from astro_assets.evaluation.perplexity.scores import (
    Blocks,
    BlockScores,
    DocumentScores,
    score_blocks,
    score_documents,
)
from astro_assets.evaluation.samples import Sample
from astro_assets.models.handle import ModelHandle
from astro_assets.models.scoring import CausalParts
from astro_assets.progress import Progress


@dataclass(frozen=True)
class FieldScores:
    """What one model scores on one field."""

    documents: DocumentScores
    blocks: BlockScores | None

    def summary(self) -> dict[str, Any]:
        """Return the figures of both measures; packed is None where it could not be taken."""
        return {
            "per_document": self.documents.summary(),
            "packed_blocks": self.blocks.summary() if self.blocks else None,
        }


def score_model(
    handle: ModelHandle,
    tokenizer: Tokenizer,
    samples: Mapping[str, Sample],
    *,
    blocks: Mapping[str, Blocks],
    max_tokens: int,
    progress: Progress,
) -> dict[str, FieldScores]:
    """Load one model, score every field, and let it go again.

    Args:
        handle: The model.
        tokenizer: Its own.
        samples: Field -> papers, each scored after a fresh [BOS].
        blocks: Field -> packed blocks cut with this tokenizer, where there are any.
        max_tokens: Tokens of packed blocks per field that are read.
        progress: Told per token.

    Raises:
        BadModelError: no finite likelihood, or a tokenizer that makes no tokens.
    """
    model = handle.load()
    max_positions = CausalParts.of(model).max_positions
    scores = {}
    for field, sample in samples.items():
        name = f"perplexity of {handle.label} on {field}"
        documents = tokenizer.encode_batch(sample.texts)
        if not any(documents):
            raise BadModelError(f"The tokenizer of {handle.label} makes no tokens of the texts.")
        scores[field] = FieldScores(
            documents=score_documents(
                model,
                documents,
                sample.n_bytes,
                bos_id=tokenizer.bos_id,
                max_positions=max_positions,
                progress=progress,
                name=name,
            ),
            blocks=_score_packed(
                model,
                blocks.get(field),
                max_positions,
                max_tokens=max_tokens,
                progress=progress,
                name=f"{name}, packed",
            ),
        )
    del model
    gc.collect()
    return scores


def _score_packed(
    model: Any,
    blocks: Blocks | None,
    max_positions: int,
    *,
    max_tokens: int,
    progress: Progress,
    name: str,
) -> BlockScores | None:
    if blocks is None or blocks.block_length > max_positions:
        return None
    return score_blocks(model, blocks, max_tokens=max_tokens, progress=progress, name=name)
