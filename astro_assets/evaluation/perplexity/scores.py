"""Token-weighted perplexity of one model on given tokens: per document, and over packed blocks.

Two measures, because they answer two questions. Per document: a fresh [BOS], then the text's own
tokens, each scored, nothing else; comparable across tokenizers by its UTF-8 bytes. Over packed
blocks: what training minimises (arXiv:2309.06126), [BOS] and [EOS] scored like any token.

What does not belong here: which texts are measured (``sets``) and how models are compared
(``report``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from astro_assets.models.scoring import score_sequences, sum_by_owner
from astro_assets.progress import Progress


class Blocks(Protocol):
    """Packed blocks of ids by number, on disk or in memory (corpus)."""

    @property
    def block_length(self) -> int:
        """Return tokens per block."""
        ...

    def __len__(self) -> int:
        """Return how many whole blocks there are."""
        ...

    def __getitem__(self, index: int, /) -> NDArray[np.int64]:
        """Return block ``index``: ids of shape (block_length,)."""
        ...


@dataclass(frozen=True)
class DocumentScores:
    """How probable a model finds each document; all arrays have shape (n_documents,)."""

    nll_nats: NDArray[np.float64]
    """Summed over the document's text tokens."""
    n_tokens: NDArray[np.int64]
    """Text tokens, all of them scored; [BOS] is not one."""
    n_bytes: NDArray[np.int64]
    """UTF-8 bytes of the text."""
    n_windows: NDArray[np.int64]
    """1, or more where a text is longer than the model's context; 0 for an empty text."""

    @classmethod
    def joined(cls, parts: Sequence[DocumentScores]) -> DocumentScores:
        """Return the scores of several sets of documents, one after the other."""
        return cls(
            *(
                np.concatenate([getattr(part, field.name) for part in parts])
                for field in fields(cls)
            )
        )

    def take(self, rows: Sequence[int] | NDArray[np.bool_]) -> DocumentScores:
        """Return the scores of these documents, by number or by mask."""
        chosen = np.asarray(rows, dtype=None if len(rows) else np.int64)
        return DocumentScores(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def summary(self) -> dict[str, float | int]:
        """Return the figures of a report: every mean is token- or byte-weighted."""
        nll, n_tokens = float(self.nll_nats.sum()), int(self.n_tokens.sum())
        n_bytes = int(self.n_bytes.sum())
        return {
            "nll_nats_per_token": nll / n_tokens,
            "perplexity": perplexity_of(nll / n_tokens),
            "nats_per_byte": nll / n_bytes,
            "bits_per_byte": nll / n_bytes / math.log(2),
            "n_tokens": n_tokens,
            "n_bytes": n_bytes,
            "n_documents": len(self.nll_nats),
            "n_split_documents": int((self.n_windows > 1).sum()),
        }


@dataclass(frozen=True)
class BlockScores:
    """How probable a model finds packed blocks."""

    nll_nats: NDArray[np.float64]
    """(n_blocks,) summed over positions 1 to block_length - 1."""
    block_length: int

    def summary(self) -> dict[str, float | int]:
        """Return the figures of a report."""
        n_tokens = len(self.nll_nats) * (self.block_length - 1)
        nll = float(self.nll_nats.sum()) / n_tokens
        return {
            "nll_nats_per_token": nll,
            "perplexity": perplexity_of(nll),
            "n_tokens": n_tokens,
            "n_blocks": len(self.nll_nats),
        }


def perplexity_of(nll_nats_per_token: float) -> float:
    """Return exp of a mean nll; beyond 700 nats a model is as bad as a number can say.

    >>> perplexity_of(0.0), perplexity_of(1e6) == perplexity_of(700.0)
    (1.0, True)
    """
    return math.exp(min(nll_nats_per_token, 700.0))


def windows_of(document: Sequence[int], *, bos_id: int, max_positions: int) -> list[list[int]]:
    """Cut a document into windows a model can read, each with a fresh [BOS].

    >>> windows_of([5, 6, 7], bos_id=1, max_positions=3)
    [[1, 5, 6], [1, 7]]
    """
    step = max_positions - 1
    return [[bos_id, *document[begin : begin + step]] for begin in range(0, len(document), step)]


def score_documents(
    model: Any,
    documents: Sequence[Sequence[int]],
    n_bytes: Sequence[int],
    *,
    bos_id: int,
    max_positions: int,
    progress: Progress,
    token_budget: int | None = None,
    name: str = "perplexity",
) -> DocumentScores:
    """Score every text token of every document after a fresh [BOS].

    Args:
        model: A causal language model in eval mode.
        documents: Text token ids, no [BOS], no [EOS].
        n_bytes: UTF-8 bytes of each text.
        bos_id: The tokenizer's [BOS].
        max_positions: The model's context; longer documents are read in consecutive windows.
        progress: Told per token.
        token_budget: Tokens per batch; default: what suits the device.
        name: What the progress display calls this.

    Raises:
        BadModelError: see ``score_sequences``.
    """
    windows: list[list[int]] = []
    owners: list[int] = []
    for owner, document in enumerate(documents):
        own = windows_of(document, bos_id=bos_id, max_positions=max_positions)
        windows += own
        owners += [owner] * len(own)
    n_read = sum(map(len, windows))
    with progress.task(name, total=float(n_read), unit="tokens") as task:
        nll_nats = score_sequences(
            model, windows, [1] * len(windows), token_budget=token_budget, advance=task.advance
        )
    owner_of = np.asarray(owners, dtype=np.int64)
    return DocumentScores(
        nll_nats=sum_by_owner(nll_nats, owner_of, len(documents)),
        n_tokens=np.asarray([len(document) for document in documents], dtype=np.int64),
        n_bytes=np.asarray(n_bytes, dtype=np.int64),
        n_windows=np.bincount(owner_of, minlength=len(documents)).astype(np.int64),
    )


def score_blocks(
    model: Any,
    blocks: Blocks,
    *,
    max_tokens: int,
    progress: Progress,
    token_budget: int | None = None,
    name: str = "perplexity, packed",
) -> BlockScores | None:
    """Score packed blocks as they were cut, from position 1 on; None where there is no whole block.

    At most ``max_tokens`` are read, in blocks spread evenly over all: the first ones would be the
    oldest papers only.

    Raises:
        BadModelError: see ``score_sequences``.
    """
    n_wanted = min(len(blocks), max(1, max_tokens // blocks.block_length))
    if n_wanted == 0:
        return None
    chosen = [blocks[(i * len(blocks)) // n_wanted].tolist() for i in range(n_wanted)]
    total = float(n_wanted * blocks.block_length)
    with progress.task(name, total=total, unit="tokens") as task:
        nll_nats = score_sequences(
            model, chosen, [1] * n_wanted, token_budget=token_budget, advance=task.advance
        )
    return BlockScores(nll_nats=nll_nats, block_length=blocks.block_length)
