"""Reads blocks in the order of the epochs, from any place, and goes on where another stopped.

What does not belong here: how an order is drawn (epochs.py) and what is done with a block.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astro_assets.corpus.blocks import TokenBlocks
from astro_assets.corpus.epochs import number_at
from astro_assets.errors import BadSettingError, EmptyCorpusError


class BlockReader(Iterator[NDArray[np.int64]]):
    """Blocks in seeded order, epoch after epoch, without an end.

    A training with this seed sees its blocks in this order (those it replays stand between them).
    ``reader.at(place)`` reads any place and moves nothing; ``next(reader)`` reads the next.
    """

    def __init__(self, blocks: TokenBlocks, *, seed: int, place: int = 0) -> None:
        """Stand before ``place``, counted from the first block of the first epoch.

        Raises:
            EmptyCorpusError: there is no block.
        """
        if not len(blocks):
            raise EmptyCorpusError(
                f"{blocks.n_tokens} tokens give no block of {blocks.block_length}.",
                expected="at least one block.",
            )
        self._blocks, self._seed = blocks, seed
        self.place = place

    def __next__(self) -> NDArray[np.int64]:
        """Return the block at ``place``, ids of shape (block_length,), and move on."""
        block = self.at(self.place)
        self.place += 1
        return block

    def at(self, place: int) -> NDArray[np.int64]:
        """Return the block at any place."""
        return self._blocks[number_at(place, len(self._blocks), seed=self._seed)]

    def state(self) -> dict[str, Any]:
        """Return where the reader stands and in what, as plain JSON values."""
        return {**self._data(), "place": self.place}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on where the reader stood that told this state.

        Raises:
            BadSettingError: it read other data, in another order or cut to another length.
        """
        for name, own in self._data().items():
            if state.get(name) != own:
                raise BadSettingError(
                    f"The reader stood in blocks whose {name} is {state.get(name)!r}; these have "
                    f"{own!r}.",
                    expected="the same blocks, cut and shuffled alike.",
                    do="Open the token blocks that were being read, or begin anew.",
                )
        self.place = int(state["place"])

    def _data(self) -> dict[str, Any]:
        return {
            "fingerprint": self._blocks.fingerprint,
            "n_blocks": len(self._blocks),
            "block_length": self._blocks.block_length,
            "seed": self._seed,
        }
