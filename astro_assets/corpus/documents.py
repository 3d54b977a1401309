"""Whole documents out of a release's streams, chosen by what their categories allow.

Streams are read by offsets, one at a time; nothing is tokenised. What does not belong here: which
fields are measured or replayed (fields), and how blocks are cut from streams (blocks).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astro_assets.corpus.categories import has_role
from astro_assets.corpus.fields import Role

Tokens = NDArray[np.integer]


@dataclass(frozen=True)
class DocumentPlaces:
    """Where some documents lie; the arrays have shape (n_documents,)."""

    folders: tuple[Path, ...]
    """The streams."""
    stream: NDArray[np.int64]
    """Number of each document's stream."""
    begin: NDArray[np.int64]
    """Its [BOS] in the stream."""
    n_tokens: NDArray[np.int64]
    """[BOS] and [EOS] included."""

    def __len__(self) -> int:
        return len(self.stream)

    def at(self, numbers: NDArray[np.int64]) -> DocumentPlaces:
        """Return these documents in this order."""
        return DocumentPlaces(
            self.folders, self.stream[numbers], self.begin[numbers], self.n_tokens[numbers]
        )

    def read(self) -> Tokens:
        """Return the documents end to end, in their order and in the streams' own type."""
        ends = np.cumsum(self.n_tokens)
        flat: Tokens = np.empty(int(ends[-1]) if len(ends) else 0, dtype=np.uint16)
        for number in np.unique(self.stream):  # a map open at a time: there are hundreds of streams
            tokens = np.load(self.folders[number] / "tokens.npy", mmap_mode="r", allow_pickle=False)
            flat = flat.astype(np.result_type(flat, tokens), copy=False)
            for own in np.flatnonzero(self.stream == number):
                begin, n_tokens = self.begin[own], self.n_tokens[own]
                flat[ends[own] - n_tokens : ends[own]] = tokens[begin : begin + n_tokens]
        return flat


def find_documents(
    facts: Mapping[str, Any], folder: Path, *, field: str, side: str, role: Role
) -> DocumentPlaces:
    """Return the documents of one field, side and role in the streams' order: month, then id.

    Args:
        facts: What ``build_token_blocks`` returned.
        folder: Of the streams.
        field: ``astro`` or ``general``.
        side: ``train`` or ``test``.
        role: What all their categories must allow.
    """
    folders = tuple(
        folder / stream["name"]
        for stream in facts["streams"]
        if stream["field"] == field and stream["side"] == side
    )
    none = np.empty(0, dtype=np.int64)
    streams, begins, lengths = [none], [none], [none]
    for number, stream in enumerate(folders):
        offsets = np.load(stream / "offsets.npy", allow_pickle=False)
        categories = np.load(stream / "categories.npy", allow_pickle=False)
        own = np.flatnonzero(has_role(categories, role))
        streams.append(np.full(len(own), number, dtype=np.int64))
        begins.append(offsets[own])
        lengths.append(np.diff(offsets)[own])
    return DocumentPlaces(folders, *map(np.concatenate, (streams, begins, lengths)))


class DocumentBlocks:
    """Blocks cut from documents end to end, held in memory: for a side that is only measured."""

    def __init__(self, tokens: Tokens, *, block_length: int) -> None:
        """Cut ``tokens``, 1-D, at multiples of the block length; the tail is dropped."""
        self.block_length = block_length
        self._tokens = tokens

    def __len__(self) -> int:
        return len(self._tokens) // self.block_length

    def __getitem__(self, index: int) -> NDArray[np.int64]:
        """Return block ``index``: int64 ids of shape (block_length,)."""
        if not 0 <= index < len(self):
            raise IndexError(f"block {index} of {len(self)}")
        begin = index * self.block_length
        return self._tokens[begin : begin + self.block_length].astype(np.int64)


def measured_blocks(facts: Mapping[str, Any], folder: Path) -> DocumentBlocks:
    """Return packed blocks of the general test documents that forgetting is measured on."""
    documents = find_documents(facts, folder, field="general", side="test", role="measured")
    return DocumentBlocks(documents.read(), block_length=facts["block_length"])
