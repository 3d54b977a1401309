"""What rotted after it was checked is not trained on."""

import os
from pathlib import Path

import pytest

from tests.e2e.world import RELEASE, World, make_world

pytestmark = pytest.mark.slow

BLOCKS = (
    "arxiv_snapshot", "arxiv_updates", "snapshot_papers", "astro_ph_papers", "general_papers",
    "base_model", "token_blocks",
)  # fmt: skip


@pytest.fixture(scope="module")
def world(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    made = make_world(tmp_path_factory.mktemp("damage"), tiny_base)
    ended = made.run(*BLOCKS)
    assert ended.success, ended.errors
    return made


def test_a_bit_that_flipped_unseen_in_a_stream_stops_training_and_is_mended(world: World):
    blocks = world.store.require("token_blocks", RELEASE)
    name = next(file for file in blocks.files if "train" in file and file.endswith("tokens.npy"))
    path = world.store.path_of(blocks) / name
    before, times = path.read_bytes(), path.stat()
    path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    ended = world.run("lora_checkpoint")
    assert not ended.success
    (error,) = ended.errors
    assert path.name in error and f"Materialise token_blocks, release {RELEASE} again" in error
    assert world.store.current("lora_checkpoint", RELEASE) is None
    assert world.run("token_blocks").success
    assert path.read_bytes() == before
