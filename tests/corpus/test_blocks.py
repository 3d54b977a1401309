from pathlib import Path

import numpy as np
import pytest

from astro_assets.corpus.blocks import Stream, TokenBlocks


def streams(folder: Path, *parts: list[int]) -> list[Stream]:
    made = []
    for number, part in enumerate(parts):
        np.save(folder / f"{number}.npy", np.array(part, dtype=np.uint16))
        made.append(Stream(folder / f"{number}.npy", len(part)))
    return made


def test_blocks_are_the_streams_end_to_end(tmp_path: Path):
    blocks = TokenBlocks(
        streams(tmp_path, list(range(5)), [], list(range(5, 6)), list(range(6, 17))), block_length=4
    )
    assert len(blocks) == 4
    assert blocks.n_tokens == 17
    assert np.concatenate([blocks[i] for i in range(4)]).tolist() == list(range(16))
    assert blocks[1].dtype == np.int64


def test_a_block_may_be_asked_for_in_any_order(tmp_path: Path):
    blocks = TokenBlocks(streams(tmp_path, list(range(9))), block_length=3)
    assert blocks[2].tolist() == [6, 7, 8]
    assert blocks[0].tolist() == [0, 1, 2]


def test_the_tail_is_no_block(tmp_path: Path):
    blocks = TokenBlocks(streams(tmp_path, list(range(5))), block_length=3)
    with pytest.raises(IndexError):
        blocks[1]


def test_no_streams_no_blocks():
    assert len(TokenBlocks([], block_length=512)) == 0
