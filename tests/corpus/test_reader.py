import json
from pathlib import Path

import numpy as np
import pytest

from astro_assets.artifacts import fingerprint
from astro_assets.corpus.blocks import Stream, TokenBlocks
from astro_assets.corpus.reader import BlockReader
from astro_assets.errors import BadSettingError, EmptyCorpusError


def blocks(folder: Path, *parts: list[int], block_length: int = 4) -> TokenBlocks:
    folder.mkdir(exist_ok=True)
    streams = []
    for number, part in enumerate(parts):
        path = folder / f"{number}.npy"
        np.save(path, np.array(part, dtype=np.uint16))
        streams.append(Stream(path, len(part), fingerprint.of_file(path)))
    return TokenBlocks(streams, block_length=block_length)


def seven(folder: Path) -> TokenBlocks:
    return blocks(folder, list(range(13)), list(range(13, 30)))


def firsts(reader: BlockReader, n: int) -> list[int]:
    return [int(next(reader)[0]) // 4 for _ in range(n)]


def test_each_epoch_reads_every_block_once(tmp_path: Path) -> None:
    reader = BlockReader(seven(tmp_path), seed=1)
    first, second = firsts(reader, 7), firsts(reader, 7)
    assert sorted(first) == sorted(second) == list(range(7))
    assert first != second


def test_any_place_can_be_read_without_moving(tmp_path: Path) -> None:
    reader = BlockReader(seven(tmp_path), seed=1)
    backwards = [int(reader.at(place)[0]) // 4 for place in reversed(range(20))]
    assert reader.place == 0
    assert firsts(reader, 20) == backwards[::-1]


@pytest.mark.parametrize("stop", [0, 3, 7, 12])
def test_a_resumed_reader_goes_on_as_the_uninterrupted_one(tmp_path: Path, stop: int) -> None:
    uninterrupted = firsts(BlockReader(seven(tmp_path), seed=5), 20)
    stopped = BlockReader(seven(tmp_path), seed=5)
    seen = firsts(stopped, stop)
    state = json.loads(json.dumps(stopped.state()))
    resumed = BlockReader(seven(tmp_path), seed=5)
    resumed.resume(state)
    assert seen + firsts(resumed, 20 - stop) == uninterrupted


@pytest.mark.parametrize(
    ("other", "seed", "told"),
    [
        (lambda folder: seven(folder), 6, "seed"),
        (lambda folder: blocks(folder, list(range(13)), list(range(14, 31))), 5, "fingerprint"),
        (lambda folder: blocks(folder, list(range(13)), list(range(13, 40))), 5, "fingerprint"),
        (lambda folder: blocks(folder, list(range(30)), block_length=3), 5, "fingerprint"),
    ],
)
def test_the_state_of_another_reading_is_refused(tmp_path: Path, other, seed, told) -> None:
    state = BlockReader(seven(tmp_path / "own"), seed=5).state()
    reader = BlockReader(other(tmp_path / "other"), seed=seed)
    with pytest.raises(BadSettingError, match=f"whose {told} is"):
        reader.resume(state)
    assert reader.place == 0


def test_a_state_that_lacks_something_is_refused(tmp_path: Path) -> None:
    reader = BlockReader(seven(tmp_path), seed=5)
    with pytest.raises(BadSettingError, match="fingerprint is None"):
        reader.resume({"place": 3})


def test_no_block_no_reader(tmp_path: Path) -> None:
    with pytest.raises(EmptyCorpusError, match="3 tokens give no block of 4"):
        BlockReader(blocks(tmp_path, [1, 2, 3]), seed=0)


def test_the_fingerprint_is_the_datas_and_not_the_places(tmp_path: Path) -> None:
    assert seven(tmp_path / "a").fingerprint == seven(tmp_path / "b").fingerprint
    longer = blocks(tmp_path / "c", list(range(13)), list(range(13, 30)), block_length=5)
    assert longer.fingerprint != seven(tmp_path / "a").fingerprint
