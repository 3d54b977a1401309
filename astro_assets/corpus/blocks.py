"""Blocks: every ``block_length`` consecutive tokens of a release's streams, by number.

Exactly the common concatenate-and-cut: streams in month order end to end, cut at multiples of the
block length, one tail shorter than a block dropped (arXiv:2309.06126, section 2.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from astro_assets.artifacts import fingerprint


@dataclass(frozen=True)
class Stream:
    """One flat token file."""

    path: Path
    n_tokens: int
    sha256: str = ""
    """Of the file; empty where nobody asks which data this is."""


class TokenBlocks:
    """Random access to blocks over memory-mapped streams; nothing is read before it is needed."""

    def __init__(self, streams: Sequence[Stream], *, block_length: int) -> None:
        """Lay the streams end to end; empty ones take no room."""
        self.block_length = block_length
        self._streams = [stream for stream in streams if stream.n_tokens]
        self._starts = np.cumsum([0, *(stream.n_tokens for stream in self._streams)])
        self._open: dict[int, NDArray[np.integer]] = {}

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The files, in order; empty ones are left out."""
        return tuple(self._streams)

    @property
    def n_tokens(self) -> int:
        """All tokens, the dropped tail included."""
        return int(self._starts[-1])

    @property
    def fingerprint(self) -> str:
        """The sha256 of which streams these are, in what order and cut how."""
        listed = [[stream.sha256, stream.n_tokens] for stream in self._streams]
        return fingerprint.of_value([listed, self.block_length])

    def __len__(self) -> int:
        return self.n_tokens // self.block_length

    def __getitem__(self, index: int) -> NDArray[np.int64]:
        """Return block ``index``: int64 ids of shape (block_length,)."""
        if not 0 <= index < len(self):
            raise IndexError(f"block {index} of {len(self)}")
        begin = index * self.block_length
        block = np.empty(self.block_length, dtype=np.int64)
        filled = 0
        number = int(np.searchsorted(self._starts, begin, side="right")) - 1
        while filled < self.block_length:
            offset = begin + filled - int(self._starts[number])
            part = self._tokens(number)[offset : offset + self.block_length - filled]
            block[filled : filled + len(part)] = part
            filled += len(part)
            number += 1
        return block

    def _tokens(self, number: int) -> NDArray[np.integer]:
        if number not in self._open:
            tokens = np.load(self._streams[number].path, mmap_mode="r", allow_pickle=False)
            self._open[number] = tokens
        return self._open[number]
