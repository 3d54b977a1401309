import hashlib

import numpy as np
import polars as pl
import pytest

from astro_assets.artifacts import fingerprint
from astro_assets.corpus.blocks import TokenBlocks
from astro_assets.corpus.documents import DocumentBlocks, find_documents, measured_blocks
from astro_assets.corpus.replay import write_replay
from astro_assets.corpus.streams import PaperShard, build_token_blocks
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import EmptyCorpusError
from astro_assets.progress import NO_PROGRESS

MONTHS = [f"2020-{month:02d}" for month in range(1, 7)]
CATEGORIES = ("math.AG", "cs.LG", "hep-th gr-qc", "math.PR cs.IT")
PER_MONTH = 24


def text_of(month: str, number: int) -> str:
    return f"We prove a theorem of month {month} and number {number}. " * (1 + number % 3)


def shard(folder, field, month, categories):
    """Twenty-four papers of a month, every fourth on the test side, categories in turn."""
    path = folder / f"{field}-{month}.parquet"
    texts = [text_of(month, number) for number in range(PER_MONTH)]
    pl.DataFrame(
        {
            "id": [f"{month}-{number:02d}" for number in range(PER_MONTH)],
            "abstract": texts,
            "side": ["test" if number // 4 % 4 == 3 else "train" for number in range(PER_MONTH)],
            "excluded_because": pl.Series([None] * PER_MONTH, dtype=pl.String),
            "categories": [categories[number % len(categories)] for number in range(PER_MONTH)],
            "text_sha256": [hashlib.sha256(text.encode()).hexdigest() for text in texts],
        }
    ).write_parquet(path)
    digest = fingerprint.of_file(path)
    return PaperShard(field, month, path, content=digest, sha256=digest)


def tokens_of(tiny_base, folder, categories=CATEGORIES):
    shards = [
        shard(folder, field, month, listed)
        for field, listed in (("astro", ("astro-ph.GA",)), ("general", categories))
        for month in MONTHS
    ]
    return build_token_blocks(
        shards, Tokenizer.load(tiny_base), folder / "tokens", block_length=16, progress=NO_PROGRESS
    )


@pytest.fixture(scope="module")
def built(tiny_base, tmp_path_factory):
    return tokens_of(tiny_base, tmp_path_factory.mktemp("replay"))


def documents_in(flat, tokenizer):
    """Cut at every [BOS]; each must end with [EOS]."""
    begins = np.flatnonzero(flat == tokenizer.bos_id)
    cut = np.split(flat, begins[1:])
    assert begins[0] == 0 and all(part[-1] == tokenizer.eos_id for part in cut)
    return [tokenizer.decode(part[1:-1].tolist()) for part in cut]


def replayable():
    """Train side, categories 0 and 2 of four: the text of each paper and its month."""
    return {
        text_of(month, number).strip(): month
        for month in MONTHS
        for number in range(PER_MONTH)
        if number // 4 % 4 != 3 and number % 2 == 0
    }


def test_all_and_only_whole_replayable_train_documents(built, tiny_base, tmp_path):
    out = tmp_path / "replay.npy"
    stream = write_replay(built.facts, built.path, out, n_tokens=10**9, seed=1)
    flat = np.load(out, allow_pickle=False)
    texts = documents_in(flat, Tokenizer.load(tiny_base))
    # The generated texts end in a blank, which cleaning takes off.
    assert sorted(texts) == sorted(replayable())
    assert (stream.path, stream.n_tokens) == (out, len(flat))
    assert stream.sha256 == fingerprint.of_file(out)
    assert flat.dtype == np.uint16 and flat.ndim == 1
    assert len(TokenBlocks([stream], block_length=16)) == len(flat) // 16


def test_a_part_is_drawn_from_all_months_and_just_enough(built, tiny_base, tmp_path):
    n_all = write_replay(built.facts, built.path, tmp_path / "all.npy", n_tokens=10**9, seed=1)
    wanted = n_all.n_tokens // 3
    stream = write_replay(built.facts, built.path, tmp_path / "part.npy", n_tokens=wanted, seed=1)
    texts = documents_in(np.load(stream.path), Tokenizer.load(tiny_base))
    longest = max(len(Tokenizer.load(tiny_base).encode_batch([text])[0]) + 2 for text in texts)
    assert wanted <= stream.n_tokens < wanted + longest
    months = [replayable()[text] for text in texts]
    assert set(months) == set(MONTHS)
    assert months != sorted(months)
    everything = documents_in(np.load(n_all.path), Tokenizer.load(tiny_base))
    assert everything[: len(texts)] == texts, "a larger stream begins with a smaller one"


def test_the_same_seed_gives_the_same_bytes_and_another_others(built, tmp_path):
    one, two, other = (
        write_replay(built.facts, built.path, tmp_path / f"{n}.npy", n_tokens=300, seed=seed)
        for n, seed in enumerate((5, 5, 6))
    )
    assert one.sha256 == two.sha256 != other.sha256


def test_a_bound_below_a_block_still_gives_one(built, tmp_path):
    stream = write_replay(built.facts, built.path, tmp_path / "r.npy", n_tokens=1, seed=0)
    assert len(TokenBlocks([stream], block_length=16)) >= 1


def test_nothing_to_replay_is_a_named_error_and_writes_nothing(tiny_base, tmp_path):
    built = tokens_of(tiny_base, tmp_path, categories=("cs.LG", "math.PR cs.IT"))
    with pytest.raises(EmptyCorpusError, match="The 0 general train papers"):
        write_replay(built.facts, built.path, tmp_path / "made" / "r.npy", n_tokens=99, seed=0)
    assert not (tmp_path / "made").exists()


def test_measured_blocks_are_test_documents_of_measured_fields_in_corpus_order(built, tiny_base):
    blocks = measured_blocks(built.facts, built.path)
    tokenizer = Tokenizer.load(tiny_base)
    texts = [
        text_of(month, number).strip()
        for month in MONTHS
        for number in range(PER_MONTH)
        if number // 4 % 4 == 3 and number % 4 == 1
    ]
    flat = [i for ids in tokenizer.encode_batch(texts) for i in (1, *ids, 2)]
    assert (
        np.concatenate([blocks[i] for i in range(len(blocks))]).tolist()
        == (flat[: len(flat) // 16 * 16])
    )
    assert blocks.block_length == 16 and blocks[0].dtype == np.int64
    with pytest.raises(IndexError):
        blocks[len(blocks)]


def test_no_document_is_on_both_sides(built):
    found = {
        role: find_documents(built.facts, built.path, field="general", side="train", role=role)
        for role in ("measured", "replayed")
    }
    places = {
        role: set(zip(one.stream.tolist(), one.begin.tolist(), strict=True))
        for role, one in found.items()
    }
    assert places["measured"] and places["replayed"]
    assert not places["measured"] & places["replayed"]


def test_wide_ids_stay_wide(tmp_path):
    """A vocabulary above 65,536 has streams of uint32."""
    folder = tmp_path / "one"
    folder.mkdir()
    np.save(folder / "tokens.npy", np.array([1, 70_000, 2, 1, 5, 2], dtype=np.uint32))
    np.save(folder / "offsets.npy", np.array([0, 3, 6]))
    np.save(folder / "categories.npy", np.array([0x2000, 0x1000], dtype=np.uint16))
    facts = {
        "block_length": 2,
        "streams": [{"name": "one", "field": "general", "side": "train"}],
    }
    stream = write_replay(facts, tmp_path, tmp_path / "r.npy", n_tokens=10, seed=0)
    assert np.load(stream.path).tolist() == [1, 70_000, 2]
    assert np.load(stream.path).dtype == np.uint32


def test_blocks_of_no_documents_are_none():
    assert len(DocumentBlocks(np.empty(0, dtype=np.uint16), block_length=4)) == 0
