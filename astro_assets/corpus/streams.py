"""Token streams: one flat file of ids per paper shard and side, with document offsets.

A stream is ``[BOS] text [EOS]`` of every paper of one submission month and side, in id order
(arXiv:2309.06126, section 2.1). It is named by what it was made from (paper shard, side, tokenizer,
rules of texts and of categories), so a month that did not change is never tokenised again, in
whatever release it stands. Of a month that did change only the new texts are: the others are copied
from its last stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from astro_assets.artifacts import fingerprint
from astro_assets.artifacts.manifest import Built
from astro_assets.artifacts.proofs import Proofs
from astro_assets.corpus import stream_files
from astro_assets.corpus.accelerator import Encoder, choose_encoder
from astro_assets.corpus.blocks import Stream, TokenBlocks
from astro_assets.corpus.categories import CATEGORY_RULES
from astro_assets.corpus.statistics import Documents, corpus_statistics
from astro_assets.corpus.stream_files import Texts
from astro_assets.corpus.texts import TEXT_RULES, Side
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import DamagedArtifactError, EmptyCorpusError
from astro_assets.progress import Progress

SIDES: tuple[Side, ...] = ("train", "test")


@dataclass(frozen=True)
class PaperShard:
    """One month of one paper table, as token streams need it."""

    field: str
    """``astro`` or ``general``."""
    month: str
    path: Path
    content: str
    """sha256 of its rows."""
    sha256: str
    """Of its bytes."""
    release: str = ""
    """The release that is made, to be named where the shard is damaged."""

    @property
    def made_by(self) -> str:
        """Return the asset, and the partition of it, that makes the shard again."""
        asset = {"astro": "astro_ph_papers", "general": "general_papers"}[self.field]
        return f"{asset}, release {self.release}" if self.release else f"{asset} of the release"


def paper_shards(tables: Mapping[str, Built], *, release: str = "") -> list[PaperShard]:
    """Return the shards of paper tables, ``field -> table``, in the tables' order."""
    return [
        PaperShard(
            field,
            shard["month"],
            table.path / shard["file"],
            shard["content"],
            table.files[shard["file"]],
            release,
        )
        for field, table in tables.items()
        for shard in table.facts["shards"]
    ]


def build_token_blocks(
    shards: Sequence[PaperShard],
    tokenizer: Tokenizer,
    out: Path,
    *,
    block_length: int,
    progress: Progress,
    proofs: Proofs | None = None,
) -> Built:
    """Tokenise what is new and list the streams of a release.

    Args:
        shards: All paper shards of the release, astro and general, in month order.
        tokenizer: The base model's.
        out: Folder of all streams; existing ones with the right name are used as they are.
        block_length: Tokens per block, for the counts.
        progress: Told per document.
        proofs: What is on record of ``out``; without it, existing streams are read to be believed.

    Returns:
        Counts per field and side (``astro_train_tokens`` …), facts ``streams`` in block order and
        ``statistics`` of the astro texts.

    Raises:
        EmptyCorpusError: no astro text is left on the train or on the test side.
        DamagedArtifactError: a shard that is to be tokenised is gone or its bytes changed.
        BadModelError: a faster encoder was found to give other ids than the tokenizer.
    """
    maker = _Maker(tokenizer, out, proofs or Proofs(out))
    streams: list[dict[str, Any]] = []
    with progress.task("tokenise", total=float(len(shards)), unit="months") as task:
        for shard in shards:
            made = maker.streams_of(shard)
            streams += [asdict(stream) for stream in made]
            n_tokens = sum(stream.n_tokens for stream in made)
            task.advance(1, n_tokens=n_tokens, month=shard.month, **maker.told())
    maker.proofs.save()
    counts = _counts(streams, block_length)
    for side in SIDES:
        if not counts[f"astro_{side}_blocks"]:
            raise EmptyCorpusError(
                f"The {side} side has {counts[f'astro_{side}_tokens']} astro tokens, less than one "
                f"block of {block_length}.",
                expected="at least one block on each side.",
                do="Give a larger snapshot, a later release or a shorter ASTRO_BLOCK_LENGTH.",
            )
    statistics = corpus_statistics(maker.astro)
    listed = [[s["field"], s["side"], s["month"], s["sha256"], s["n_tokens"]] for s in streams]
    return Built(
        fingerprint=fingerprint.of_value([listed, block_length, tokenizer.fingerprint]),
        path=out,
        counts=counts,
        files=dict(item for s in streams for item in s["files"].items()),
        facts={
            "streams": streams,
            "block_length": block_length,
            "tokenizer": tokenizer.fingerprint,
            "n_vocab": tokenizer.n_vocab,
            "median_tokens": statistics["all"]["median_tokens"],
            "statistics": statistics,
        },
    )


def open_blocks(facts: Mapping[str, Any], folder: Path, *, field: str, side: Side) -> TokenBlocks:
    """Open the blocks of one field and side from the facts ``build_token_blocks`` returned."""
    chosen = [s for s in facts["streams"] if s["field"] == field and s["side"] == side]
    return TokenBlocks(
        [Stream(folder / s["name"] / "tokens.npy", s["n_tokens"], s["sha256"]) for s in chosen],
        block_length=facts["block_length"],
    )


@dataclass(frozen=True)
class _StreamEntry:
    """One stream as the manifest lists it."""

    field: str
    side: str
    month: str
    name: str
    n_documents: int
    n_tokens: int
    sha256: str
    files: dict[str, str]


class _Maker:
    """Makes the streams of one tokenizer in one folder, and sums up what it saw."""

    def __init__(self, tokenizer: Tokenizer, out: Path, proofs: Proofs) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.proofs = proofs
        self._tokenizer, self._out = tokenizer, out
        self._made_with = fingerprint.of_value([tokenizer.fingerprint, TEXT_RULES])
        self.astro: list[Documents] = []
        self._encoder: Encoder | None = None
        self._earlier: dict[str, list[Path]] = {}
        for folder in out.iterdir():
            self._earlier.setdefault(folder.name.rpartition("-")[0], []).append(folder)

    def streams_of(self, shard: PaperShard) -> list[_StreamEntry]:
        """Return the two streams of a shard, made where they are not there or are damaged."""
        named = {side: self._name(shard, side) for side in SIDES}
        files = {side: self._intact(name) for side, name in named.items()}
        missing = [side for side in SIDES if files[side] is None]
        if missing:
            papers = _read_papers(shard)
            for side in missing:
                self._write(named[side], papers.filter(pl.col("side") == side))
                files[side] = self._intact(named[side])
        return [self._entry(shard, side, named[side], files[side]) for side in SIDES]

    def told(self) -> dict[str, str]:
        """Return who encodes, if anything was encoded."""
        return {} if self._encoder is None else {"encoder": self._encoder.name}

    def _name(self, shard: PaperShard, side: Side) -> str:
        """Return field, month, side, tokenizer, content; forerunners share all but the last."""
        content = fingerprint.of_value([shard.content, side, self._made_with, CATEGORY_RULES])
        return f"{shard.field}-{shard.month}-{side}-{self._made_with[:8]}-{content[:16]}"

    def _intact(self, name: str) -> dict[str, str] | None:
        return stream_files.intact_files(self.proofs, self._out, name)

    def _write(self, name: str, papers: pl.DataFrame) -> None:
        forerunners = self._earlier.get(name.rpartition("-")[0], [])
        newest_first = sorted(forerunners, key=lambda path: path.stat().st_mtime_ns, reverse=True)
        if self._encoder is None:  # first use: most refreshes make few streams, some none
            self._encoder = choose_encoder(self._tokenizer)
        stream_files.write_stream(
            self._out / name,
            self._tokenizer,
            Texts(*(papers[c].to_list() for c in ("abstract", "text_sha256", "categories"))),
            stream_files.read_documents(newest_first, self._tokenizer),
            encode=self._encoder.encode,
        )

    def _entry(
        self, shard: PaperShard, side: Side, name: str, files: dict[str, str] | None
    ) -> _StreamEntry:
        assert files is not None, f"{name} is not whole right after it was written"
        offsets = np.load(self._out / name / "offsets.npy", allow_pickle=False)
        if shard.field == "astro":
            categories = np.load(self._out / name / "categories.npy", allow_pickle=False)
            self.astro.append(Documents(shard.month, side, np.diff(offsets) - 2, categories))
        return _StreamEntry(
            field=shard.field,
            side=side,
            month=shard.month,
            name=name,
            n_documents=len(offsets) - 1,
            n_tokens=int(offsets[-1]),
            sha256=files["tokens.npy"],
            files={f"{name}/{file}": digest for file, digest in files.items()},
        )


def _read_papers(shard: PaperShard) -> pl.DataFrame:
    """Return side, abstract, categories and text hash of the papers no rule excludes, in id order.

    Raises:
        DamagedArtifactError: the shard is gone or its bytes changed: a text that rotted must not
            become tokens that look whole.
    """
    path = shard.path
    if not path.is_file() or fingerprint.of_file(path) != shard.sha256:
        raise DamagedArtifactError(
            f"{path} is missing or has other bytes than when it was made.",
            do=f"Materialise {shard.made_by} again; the damaged file will be replaced.",
        )
    columns = ["id", "side", "abstract", "categories", "text_sha256"]
    papers = pl.read_parquet(path, columns=[*columns, "excluded_because"])
    return papers.filter(pl.col("excluded_because").is_null()).sort("id")


def _counts(streams: Sequence[Mapping[str, Any]], block_length: int) -> dict[str, int]:
    """Count documents, tokens, blocks and the dropped tail per field and side."""
    counts: dict[str, int] = {}
    for field in ("astro", "general"):
        for side in SIDES:
            chosen = [s for s in streams if s["field"] == field and s["side"] == side]
            n_tokens = sum(s["n_tokens"] for s in chosen)
            counts[f"{field}_{side}_documents"] = sum(s["n_documents"] for s in chosen)
            counts[f"{field}_{side}_tokens"] = n_tokens
            counts[f"{field}_{side}_blocks"] = n_tokens // block_length
            counts[f"{field}_{side}_tail_tokens"] = n_tokens % block_length
    return counts
