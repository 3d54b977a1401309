import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from astro_assets.artifacts import fingerprint
from astro_assets.artifacts.proofs import Proofs
from astro_assets.corpus import accelerator, streams
from astro_assets.corpus.streams import PaperShard, build_token_blocks, open_blocks
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import DamagedArtifactError, EmptyCorpusError
from astro_assets.progress import NO_PROGRESS


@pytest.fixture(autouse=True)
def _no_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count what the tokenizer is given, whatever is installed."""
    monkeypatch.setattr(accelerator, "gigatoken_encode", lambda tokenizer: None)


ROWS = [
    ("1", "We present a survey of galaxies.", "train", None),
    ("2", "The star formation rate is high.", "train", None),
    ("3", "This paper has been withdrawn", "train", "withdrawn"),
    ("4", "The spectrum at low energy.", "test", None),
]


def paper_shard(
    folder: Path, month: str = "2020-01", rows=ROWS, field: str = "astro"
) -> PaperShard:
    path = folder / f"{field}-{month}.parquet"
    columns = ("id", "abstract", "side", "excluded_because")
    pl.DataFrame(
        {name: [row[n] for row in rows] for n, name in enumerate(columns)}
        | {"categories": ["astro-ph.GA"] * len(rows)}
        | {"text_sha256": [hashlib.sha256(row[1].encode()).hexdigest() for row in rows]}
    ).write_parquet(path)
    digest = fingerprint.of_file(path)
    return PaperShard(field, month, path, content=digest, sha256=digest)


def build(shards, tokenizer, out, block_length=8):
    return build_token_blocks(
        shards,
        tokenizer,
        out,
        block_length=block_length,
        progress=NO_PROGRESS,
        proofs=proofs_of(out),
    )


def proofs_of(out: Path) -> Proofs:
    return Proofs(out, out.with_name(f"{out.name}.json"))


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


@pytest.mark.parametrize("block_length", [1, 7, 129, 512, 2048])
def test_tokens_in_are_tokens_in_blocks_and_one_tail(tiny_base, tmp_path, block_length: int):
    """Of any block length, the 70B recipe's 2,048 and odd ones."""
    many = [(f"{n:03d}", f"{ROWS[0][1]} {n}", ROWS[n % 4][2], None) for n in range(900)]
    months = [paper_shard(tmp_path, f"2020-{m + 1:02d}", many[m * 300 :][:300]) for m in range(3)]
    tokenizer = Tokenizer.load(tiny_base)
    built = build(months, tokenizer, tmp_path / "tokens", block_length)
    for side in ("train", "test"):
        flat = np.concatenate(
            [np.load(built.path / s["name"] / "tokens.npy") for s in built.facts["streams"]
             if s["field"] == "astro" and s["side"] == side]
        )  # fmt: skip
        blocks = open_blocks(built.facts, built.path, field="astro", side=side)
        n_tail = built.counts[f"astro_{side}_tail_tokens"]
        assert 0 <= n_tail < block_length
        assert built.counts[f"astro_{side}_tokens"] == len(flat) == blocks.n_tokens
        assert len(blocks) == built.counts[f"astro_{side}_blocks"] > 0
        assert len(blocks) * block_length + n_tail == len(flat)
        joined = np.concatenate([blocks[n] for n in range(len(blocks))])
        assert np.array_equal(joined, flat[: len(flat) - n_tail])


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
    assert built.facts["statistics"]["all"] == {
        "papers": 3, "papers_first": 3, "tokens": sum(lengths),
        "mean_tokens": sum(lengths) / 3, "median_tokens": float(np.median(lengths)),
    }  # fmt: skip
    assert built.facts["statistics"]["train"]["tokens"] == sum(lengths[:2])
    assert list(built.facts["statistics"]["by_subfield"]) == ["astro-ph.GA"]


def test_general_texts_are_not_in_the_statistics(tiny_base: Path, tmp_path: Path):
    shards = [paper_shard(tmp_path), paper_shard(tmp_path, field="general")]
    built = build(shards, Tokenizer.load(tiny_base), tmp_path / "tokens")
    assert built.counts["general_train_documents"] == 2
    assert built.facts["statistics"]["all"]["papers"] == 3


def test_new_categories_of_an_old_text_are_counted_and_nothing_is_tokenised(tiny_base, tmp_path):
    tokenizer = counting(Tokenizer.load(tiny_base))
    first = paper_shard(tmp_path)
    build([first], tokenizer, tmp_path / "tokens")
    frame = pl.read_parquet(first.path).with_columns(categories=pl.lit("gr-qc astro-ph.HE"))
    frame.write_parquet(first.path)
    digest = fingerprint.of_file(first.path)
    tokenizer.fast.texts.clear()
    moved = replace(first, content=digest, sha256=digest)
    built = build([moved], tokenizer, tmp_path / "tokens")
    assert tokenizer.fast.texts == []
    assert built.facts["statistics"]["by_subfield"]["astro-ph.HE"]["papers"] == 3
    assert built.facts["statistics"]["all"]["papers_first"] == 0


def test_other_category_rules_make_other_streams_and_tokenise_nothing(
    tiny_base, tmp_path, monkeypatch: pytest.MonkeyPatch
):
    tokenizer = counting(Tokenizer.load(tiny_base))
    before = build([paper_shard(tmp_path)], tokenizer, tmp_path / "tokens")
    tokenizer.fast.texts.clear()
    monkeypatch.setattr(streams, "CATEGORY_RULES", "later")
    after = build([paper_shard(tmp_path)], tokenizer, tmp_path / "tokens")
    names = [{s["name"] for s in built.facts["streams"]} for built in (before, after)]
    assert names[0].isdisjoint(names[1])
    assert tokenizer.fast.texts == []


class Counting:
    """A tokenizer's library half that remembers what it was given."""

    def __init__(self, fast) -> None:
        self.fast, self.texts = fast, []

    def encode_batch_fast(self, texts, add_special_tokens):
        self.texts += texts
        return self.fast.encode_batch_fast(texts, add_special_tokens=add_special_tokens)


def counting(tokenizer: Tokenizer) -> Tokenizer:
    return replace(tokenizer, fast=Counting(tokenizer.fast))


EDITED = [
    ("0", "A new paper came first.", "train", None),
    ROWS[0],
    ("2", "The star formation rate is low.", "train", None),
    ("3", "It came back.", "train", None),
    ROWS[3],
]


def test_of_a_month_that_changed_only_new_texts_are_tokenised(tiny_base: Path, tmp_path: Path):
    tokenizer = counting(Tokenizer.load(tiny_base))
    build([paper_shard(tmp_path)], tokenizer, tmp_path / "tokens")
    tokenizer.fast.texts.clear()
    build([paper_shard(tmp_path, rows=EDITED)], tokenizer, tmp_path / "tokens")
    assert tokenizer.fast.texts == [EDITED[n][1] for n in (0, 2, 3)]


def test_copied_documents_give_the_bytes_of_a_fresh_folder(tiny_base: Path, tmp_path: Path):
    tokenizer = Tokenizer.load(tiny_base)
    build([paper_shard(tmp_path)], tokenizer, tmp_path / "tokens")
    edited = paper_shard(tmp_path, rows=EDITED)
    copied = build([edited], tokenizer, tmp_path / "tokens")
    fresh = build([edited], tokenizer, tmp_path / "fresh")
    assert copied.files == fresh.files and copied.fingerprint == fresh.fingerprint
    for name, digest in fresh.files.items():
        assert fingerprint.of_file(tmp_path / "tokens" / name) == digest


def test_another_tokenizer_copies_nothing(tiny_base: Path, tmp_path: Path):
    tokenizer = Tokenizer.load(tiny_base)
    build([paper_shard(tmp_path)], tokenizer, tmp_path / "tokens")
    other = counting(replace(tokenizer, fingerprint="other"))
    build([paper_shard(tmp_path)], other, tmp_path / "tokens")
    assert len(other.fast.texts) == 3


def rot(built, file: str) -> None:
    """Change a byte and have the note say that this is how it was: only reading can tell."""
    path = built.path / next(name for name in built.files if name.endswith(file))
    good = fingerprint.of_file(path)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    proofs = proofs_of(built.path)
    bad = proofs.prove(path.relative_to(built.path).as_posix())
    proofs.save()
    note = built.path.with_name(f"{built.path.name}.json")
    note.write_text(note.read_text().replace(bad, good))


@pytest.mark.parametrize("file", ["tokens.npy", "offsets.npy", "texts.npy"])
def test_what_rotted_is_not_copied_into_another_stream(tiny_base: Path, tmp_path: Path, file: str):
    tokenizer = Tokenizer.load(tiny_base)
    rot(build([paper_shard(tmp_path)], tokenizer, tmp_path / "tokens"), file)
    edited = paper_shard(tmp_path, rows=EDITED)
    after = build([edited], tokenizer, tmp_path / "tokens")
    assert after.files == build([edited], tokenizer, tmp_path / "fresh").files


def test_a_rotten_stream_is_made_again_once_its_folder_is_doubted(tiny_base: Path, tmp_path: Path):
    tokenizer = Tokenizer.load(tiny_base)
    built = build([paper_shard(tmp_path)], tokenizer, tmp_path / "tokens")
    rot(built, "tokens.npy")

    def bytes_are_right() -> bool:
        return all(fingerprint.of_file(built.path / n) == d for n, d in built.files.items())

    build([paper_shard(tmp_path)], tokenizer, tmp_path / "tokens")
    assert not bytes_are_right(), "taken as proven; the checksums check reads it"
    proofs = proofs_of(built.path)
    proofs.doubt()
    proofs.save()
    build([paper_shard(tmp_path)], tokenizer, tmp_path / "tokens")
    assert bytes_are_right()


@pytest.mark.parametrize("damage", ["flipped", "gone"])
def test_a_shard_whose_bytes_changed_does_not_become_tokens(tiny_base, tmp_path, damage):
    shard = paper_shard(tmp_path)
    data = bytearray(shard.path.read_bytes())
    data[len(data) // 2] ^= 1
    shard.path.unlink() if damage == "gone" else shard.path.write_bytes(data)
    with pytest.raises(DamagedArtifactError, match="Materialise astro_ph_papers"):
        build([shard], Tokenizer.load(tiny_base), tmp_path / "tokens")
    assert not list((tmp_path / "tokens").glob("astro-*"))
