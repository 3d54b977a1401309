from pathlib import Path

import numpy as np
import pytest

from astro_assets.artifacts import fingerprint
from astro_assets.corpus.streams import PaperShard, build_token_blocks, open_blocks
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import EmptyCorpusError
from astro_assets.progress import NO_PROGRESS
from tests.corpus.test_texts import shard

ROWS = [
    ("1", "We present a survey of galaxies.", "train", None),
    ("2", "The star formation rate is high.", "train", None),
    ("3", "This paper has been withdrawn", "train", "withdrawn"),
    ("4", "The spectrum at low energy.", "test", None),
]


def paper_shard(
    folder: Path, month: str = "2020-01", rows=ROWS, field: str = "astro"
) -> PaperShard:
    path = shard(folder / f"{field}-{month}.parquet", rows)
    return PaperShard(field, month, path, fingerprint.of_file(path))


def build(shards, tokenizer, out, block_length=8):
    return build_token_blocks(
        shards, tokenizer, out, block_length=block_length, progress=NO_PROGRESS
    )


def test_blocks_equal_the_common_recipe(tiny_base: Path, tmp_path: Path):
    tokenizer = Tokenizer.load(tiny_base)
    months = [paper_shard(tmp_path, month) for month in ("2020-01", "2020-02")]
    built = build(months, tokenizer, tmp_path / "tokens")
    flat: list[int] = []
    for _ in months:
        for text in (ROWS[0][1], ROWS[1][1]):
            flat += [1, *tokenizer.encode_batch([text])[0], 2]
    blocks = open_blocks(built.facts, built.path, field="astro", side="train")
    found = np.concatenate([blocks[i] for i in range(len(blocks))])
    assert found.tolist() == flat[: len(flat) // 8 * 8]
    assert built.counts["astro_train_tokens"] == len(flat)
    assert built.counts["astro_train_tail_tokens"] == len(flat) % 8
    assert built.counts["astro_train_documents"] == 4


def test_an_unchanged_month_is_not_written_again(tiny_base: Path, tmp_path: Path):
    tokenizer = Tokenizer.load(tiny_base)
    first = paper_shard(tmp_path)
    built = build([first], tokenizer, tmp_path / "tokens")
    path = built.path / next(name for name in built.files if name.endswith("tokens.npy"))
    before = path.stat().st_mtime_ns
    again = build([first, paper_shard(tmp_path, "2020-02")], tokenizer, tmp_path / "tokens")
    assert path.stat().st_mtime_ns == before
    assert set(built.files) < set(again.files)
    assert built.fingerprint != again.fingerprint


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_stream_is_made_again(tiny_base: Path, tmp_path: Path, damage: str):
    tokenizer = Tokenizer.load(tiny_base)
    built = build([paper_shard(tmp_path)], tokenizer, tmp_path / "tokens")
    path = built.path / next(name for name in built.files if name.endswith("tokens.npy"))
    good = path.read_bytes()
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(good[:-1] if damage == "cut" else good[:-1] + bytes([good[-1] ^ 1]))
    again = build([paper_shard(tmp_path)], tokenizer, tmp_path / "tokens")
    assert path.read_bytes() == good
    assert again.fingerprint == built.fingerprint


def test_two_fresh_folders_hold_the_same_bytes(tiny_base: Path, tmp_path: Path):
    tokenizer = Tokenizer.load(tiny_base)
    one, two = (build([paper_shard(tmp_path)], tokenizer, tmp_path / name) for name in "ab")
    assert one.fingerprint == two.fingerprint
    assert fingerprint.of_folder(tmp_path / "a") == fingerprint.of_folder(tmp_path / "b")


def test_a_side_without_a_block_is_refused(tiny_base: Path, tmp_path: Path):
    tokenizer = Tokenizer.load(tiny_base)
    with pytest.raises(EmptyCorpusError, match="test side"):
        build([paper_shard(tmp_path, rows=ROWS[:3])], tokenizer, tmp_path / "tokens")


def test_median_counts_text_tokens_only(tiny_base: Path, tmp_path: Path):
    tokenizer = Tokenizer.load(tiny_base)
    built = build([paper_shard(tmp_path)], tokenizer, tmp_path / "tokens")
    lengths = [len(ids) for ids in tokenizer.encode_batch([ROWS[i][1] for i in (0, 1, 3)])]
    assert built.facts["median_tokens"] == float(np.median(lengths))
