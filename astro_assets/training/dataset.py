"""Blocks as torch examples, in the order training sees them.

What a block is belongs to ``corpus.blocks``, and an epoch's order to ``corpus.epochs``; here blocks
to train on and blocks to replay get their places. Nothing is remembered between two places, so a
training that is resumed at a place goes on as the uninterrupted one.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from astro_assets.corpus.epochs import number_at


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
    The others stand in the order of ``corpus.reader.BlockReader`` with the same seed.
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
        self._blocks, self._replay, self._seed = blocks, replay, seed
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
        # Two seeds (~s is never s): as many blocks to replay must not follow the others' order.
        if self._replay is not None and int((place + 1) * self._replay_fraction) > n_before:
            return self._replay, number_at(n_before, len(self._replay), seed=~self._seed)
        return self._blocks, number_at(place - n_before, len(self._blocks), seed=self._seed)
