"""Our blocks are the common recipe's, id by id; a script that shares no code with us makes those.

A few hundred papers with all that can go wrong in a text by default; ``slow``: the real sample.
"""

import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from astro_assets.artifacts.manifest import Built
from astro_assets.corpus.streams import PaperShard, build_token_blocks, open_blocks
from astro_assets.corpus.texts import read_texts
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.ingest.records import Record, to_batch
from astro_assets.ingest.snapshot import read_batches
from astro_assets.months import Month
from astro_assets.progress import NO_PROGRESS
from astro_assets.training.scratch_tokenizer import train_tokenizer
from astro_assets.warehouse.papers import Rules, build_release_table, build_snapshot_papers
from tests.warehouse.tables import SALT, papers_of

TABLES = {"astro": "astro_ph_papers", "general": "general_papers"}
SCRIPT = Path(__file__).with_name("common_recipe.py")


@dataclass(frozen=True)
class Corpus:
    """Both tables of a release, each in a folder of its own."""

    tables: dict[str, Built]

    @property
    def shards(self) -> list[PaperShard]:
        return [
            PaperShard(
                field, s["month"], built.path / s["file"], s["content"], built.files[s["file"]]
            )
            for field, built in self.tables.items()
            for s in built.facts["shards"]
        ]


def make_corpus(batches, folder: Path) -> Corpus:
    sample = build_snapshot_papers(
        batches, folder / "snapshot", general_share=1.0, salt=SALT, progress=NO_PROGRESS
    )
    return Corpus(
        {
            field: build_release_table(
                table, papers_of(sample), [], release=Month(2026, 6), out=folder / table,
                rules=Rules(SALT, 1.0), progress=NO_PROGRESS,
            )
            for field, table in TABLES.items()
        }
    )  # fmt: skip


def scratch_tokenizer(corpus: Corpus, folder: Path) -> Path:
    """Train the scratch base's tokenizer on general texts, as the chain does."""
    general = [shard.path for shard in corpus.shards if shard.field == "general"]
    texts = read_texts(general, side="train")["text"].to_list()
    folder.mkdir()
    train_tokenizer(texts[:4_000], folder, n_vocab=2048, max_positions=1024)
    return folder


def common_recipe(
    tables: Iterable[Path], tokenizer: Path, block_length: int, out: Path
) -> dict[tuple[str, str], int]:
    """Run the script over all tables and sides; return how many tokens each gave."""
    out.mkdir()
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tokenizer), str(block_length), str(out),
         *map(str, tables)],
        capture_output=True, text=True, timeout=600, cwd=out,
        env={**os.environ, "PYTHONPATH": "", "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    return {(table, side): int(n_tokens) for table, side, n_tokens in lines}


def assert_equal_blocks(
    corpus: Corpus, tokenizer: Path, folder: Path, *, block_length: int = 512
) -> Built:
    tables = [built.path for built in corpus.tables.values()]
    n_tokens = common_recipe(tables, tokenizer, block_length, folder / "common")
    built = build_token_blocks(
        corpus.shards, Tokenizer.load(tokenizer), folder / "tokens",
        block_length=block_length, progress=NO_PROGRESS,
    )  # fmt: skip
    for (table, side), n in n_tokens.items():
        field = next(field for field, name in TABLES.items() if name == table)
        expected = np.load(folder / "common" / f"{table}-{side}.npy")
        blocks = open_blocks(built.facts, built.path, field=field, side=side)
        assert blocks.n_tokens == n
        assert len(blocks) == len(expected) == n // block_length > 0
        for number in range(len(blocks)):
            assert np.array_equal(blocks[number], expected[number]), (field, side, number)
    assert len(n_tokens) == 4
    return built


ODD_TEXTS = (
    "  A plain abstract,\n  broken in the old way\nand ended.\n",
    "<s> a text </s> that holds <unk> and <0x0A> and <pad>, said the model.",
    "Accents: Poincare\u0301, Poincar\u00e9, 1.5 \u212b, \u03b1 and \U0001d6fc; \u661f\u7cfb.",
    "Debris\x00of\x1ftransmission\x85, no\u00a0break, \u2028 and \u200b zero width.",
    "TeX: $\\Omega_{\\rm m}$ {\\it x}\\\\\n \\ 50% of 3\\,\\AA, e.g.\\\n  here$ and so on ~ 10^{3}",
    "A \u2581 a \u2581\u2581 lower one eighth block, as pieces write their blanks",
)
"""None begins with U+2581: there transformers' own Llama tokenizer and the same model's
``tokenizer.json`` differ by a blank, as they do for texts that begin with one."""


@pytest.fixture(scope="module")
def odd_corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """360 papers over four months, ids that sort otherwise than they came."""

    def paper(n: int) -> Record:
        month = 1 + n % 4
        return Record(
            id=f"20{month:02d}.{(7 * n) % 400:05d}",
            title="T",
            abstract=f"{ODD_TEXTS[n % len(ODD_TEXTS)]} Number {n}. "
            + "Galaxies rotate. " * (n % 9),
            categories="astro-ph.GA hep-ph" if n % 3 else "math.CO",
            update_date="2020-06-01",
        )

    batches: list[pa.RecordBatch] = [to_batch([paper(n) for n in range(360)])]
    return make_corpus(batches, tmp_path_factory.mktemp("odd"))


def test_odd_texts_with_the_scratch_tokenizer(odd_corpus: Corpus, tmp_path: Path) -> None:
    tokenizer = scratch_tokenizer(odd_corpus, tmp_path / "scratch")
    built = assert_equal_blocks(odd_corpus, tokenizer, tmp_path, block_length=128)
    assert built.counts["astro_train_documents"] + built.counts["astro_test_documents"] == 240


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llama2-tokenizer", "stories260K"])
def test_odd_texts_with_llama_tokenizers(
    odd_corpus: Corpus, shared: Path, tmp_path: Path, name: str
) -> None:
    assert_equal_blocks(odd_corpus, shared / "models" / name, tmp_path, block_length=127)


@pytest.fixture(scope="module")
def real_corpus(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    batches = read_batches(shared / "data" / "arxiv-sample.zip", progress=NO_PROGRESS)
    return make_corpus(batches, tmp_path_factory.mktemp("real"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llama2-tokenizer", "stories260K", "scratch"])
def test_real_records(real_corpus: Corpus, shared: Path, tmp_path: Path, name: str) -> None:
    tokenizer = shared / "models" / name
    if name == "scratch":
        tokenizer = scratch_tokenizer(real_corpus, tmp_path / "scratch")
    built = assert_equal_blocks(real_corpus, tokenizer, tmp_path)
    assert built.counts["astro_train_documents"] + built.counts["astro_test_documents"] == 25_717
