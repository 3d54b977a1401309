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
    step has a full batch and training may stop inside an epoch ("nearly three epochs"). Blocks
    to replay stand evenly between: ``replay_fraction`` of any n places in a row, to within one.
    """

    def __init__(
        self,
        blocks: Blocks,
        *,
        n_examples: int,
        seed: int,
        replay: Blocks | None = None,
        replay_fraction: float = 0.0,
    ) -> None:
        """Plan ``n_examples`` (may be more or fewer than there are blocks)."""
        if replay_fraction and (replay is None or len(replay) == 0):
            raise ValueError("a share to replay needs blocks to replay")
        self._shuffled = _Shuffled(blocks, seed=2 * seed)
        self._replay = _Shuffled(replay, seed=2 * seed + 1) if replay is not None else None
        self._n_examples, self._replay_fraction = n_examples, replay_fraction

    def __len__(self) -> int:
        return self._n_examples

    def __getitem__(self, place: int) -> dict[str, torch.Tensor]:
        """Return ``input_ids`` and ``labels``, int64 (block_length,); the model shifts them."""
        source, number = self.block_at(place)
        tokens = torch.from_numpy(np.array(source[number], dtype=np.int64))
        return {"input_ids": tokens, "labels": tokens}

    def block_at(self, place: int) -> tuple[Blocks, int]:
        """Return which blocks stand at ``place`` of the plan, and the number of the block."""
        if not 0 <= place < self._n_examples:
            raise IndexError(f"place {place} of {self._n_examples}")
        n_before = int(place * self._replay_fraction)
        if self._replay is not None and int((place + 1) * self._replay_fraction) > n_before:
            return self._replay.blocks, self._replay.number_at(n_before)
        return self._shuffled.blocks, self._shuffled.number_at(place - n_before)


class _Shuffled:
    """Blocks in a new seeded order each epoch."""

    def __init__(self, blocks: Blocks, *, seed: int) -> None:
        self.blocks, self._seed = blocks, seed
        self._orders: dict[int, list[int]] = {}

    def number_at(self, place: int) -> int:
        epoch, offset = divmod(place, len(self.blocks))
        if epoch not in self._orders:
            generator = torch.Generator().manual_seed(self._seed * 1_000_003 + epoch)
            self._orders = {epoch: torch.randperm(len(self.blocks), generator=generator).tolist()}
        return self._orders[epoch][offset]
