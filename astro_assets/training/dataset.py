"""Blocks as torch examples, in the order training sees them.

What a block is belongs to ``corpus.blocks``; here it only gets a place in the order.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset


class Blocks(Protocol):
    """Token blocks by number, as ``corpus.blocks.TokenBlocks`` and arrays have them."""

    def __len__(self) -> int:
        """Return how many blocks there are."""
        ...

    def __getitem__(self, index: int, /) -> NDArray[np.int64]:
        """Return block ``index``: token ids of shape (block_length,)."""
        ...


class PlannedBlocks(Dataset[dict[str, torch.Tensor]]):
    """The ``n_examples`` blocks a training sees, first to last.

    Each epoch is its own seeded permutation of all blocks; the next begins where one ends, so every
    step has a full batch and training may stop inside an epoch ("nearly three epochs").
    """

    def __init__(self, blocks: Blocks, *, n_examples: int, seed: int) -> None:
        """Plan ``n_examples`` (may be more or fewer than there are blocks)."""
        self._blocks, self._n_examples, self._seed = blocks, n_examples, seed
        self._orders: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return self._n_examples

    def __getitem__(self, place: int) -> dict[str, torch.Tensor]:
        """Return ``input_ids`` and ``labels``, int64 (block_length,); the model shifts them."""
        tokens = torch.from_numpy(np.array(self._blocks[self.block_at(place)], dtype=np.int64))
        return {"input_ids": tokens, "labels": tokens}

    def block_at(self, place: int) -> int:
        """Return the number of the block that stands at ``place`` of the plan."""
        if not 0 <= place < self._n_examples:
            raise IndexError(f"place {place} of {self._n_examples}")
        epoch, offset = divmod(place, len(self._blocks))
        if epoch not in self._orders:
            generator = torch.Generator().manual_seed(self._seed * 1_000_003 + epoch)
            self._orders = {epoch: torch.randperm(len(self._blocks), generator=generator).tolist()}
        return self._orders[epoch][offset]
