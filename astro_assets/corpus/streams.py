"""Token streams: one flat file of ids per paper shard and side, with document offsets.

A stream is ``[BOS] text [EOS]`` of every paper of one submission month and side, in id order
(arXiv:2309.06126, section 2.1). It is named by what it was made from (paper shard, side, tokenizer,
text rules), so a month that did not change is never tokenised again, in whatever release it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from astro_assets.artifacts import atomic, fingerprint
from astro_assets.artifacts.manifest import Built
from astro_assets.corpus.blocks import Stream, TokenBlocks
from astro_assets.corpus.texts import TEXT_RULES, Side, read_texts
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import EmptyCorpusError
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


def build_token_blocks(
    shards: Sequence[PaperShard],
    tokenizer: Tokenizer,
    out: Path,
    *,
    block_length: int,
    progress: Progress,
) -> Built:
    """Tokenise what is new and list the streams of a release.

    Args:
        shards: All paper shards of the release, astro and general, in month order.
        tokenizer: The base model's.
        out: Folder of all streams; existing ones with the right name are used as they are.
        block_length: Tokens per block, for the counts.
        progress: Told per document.

    Returns:
        Counts per field and side (``astro_train_tokens`` …), facts ``streams`` in block order.

    Raises:
        EmptyCorpusError: no astro text is left on the train or on the test side.
    """
    streams: list[dict[str, Any]] = []
    with progress.task("tokenise", total=float(len(shards)), unit="months") as task:
        for shard in shards:
            made = [_stream(shard, side, tokenizer, out) for side in SIDES]
            streams += [asdict(stream) for stream in made]
            task.advance(1, n_tokens=sum(stream.n_tokens for stream in made), month=shard.month)
    counts = _counts(streams, block_length)
    for side in SIDES:
        if not counts[f"astro_{side}_blocks"]:
            raise EmptyCorpusError(
                f"The {side} side has {counts[f'astro_{side}_tokens']} astro tokens, less than one "
                f"block of {block_length}.",
                expected="at least one block on each side.",
                do="Give a larger snapshot, a later release or a shorter ASTRO_BLOCK_LENGTH.",
            )
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
            "median_tokens": _median_tokens(streams, out),
        },
    )


def open_blocks(facts: Mapping[str, Any], folder: Path, *, field: str, side: Side) -> TokenBlocks:
    """Open the blocks of one field and side from the facts ``build_token_blocks`` returned."""
    chosen = [s for s in facts["streams"] if s["field"] == field and s["side"] == side]
    return TokenBlocks(
        [Stream(folder / s["name"] / "tokens.npy", s["n_tokens"]) for s in chosen],
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


def _stream(shard: PaperShard, side: Side, tokenizer: Tokenizer, out: Path) -> _StreamEntry:
    """Return the stream of one shard and side, made if it is not there or is damaged."""
    made_from = [shard.content, side, tokenizer.fingerprint, TEXT_RULES]
    name = f"{shard.field}-{shard.month}-{side}-{fingerprint.of_value(made_from)[:16]}"
    folder = out / name
    files = _intact_files(folder)
    if files is None:
        texts = read_texts([shard.path], side=side)["text"].to_list()
        _write_stream(folder, tokenizer, texts)
        files = _intact_files(folder)
        assert files is not None, f"{folder} is not whole right after it was written"
    offsets = np.load(folder / "offsets.npy", allow_pickle=False)
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


def _write_stream(folder: Path, tokenizer: Tokenizer, texts: Sequence[str]) -> None:
    """Write tokens.npy (1-D, uint16 or uint32 by vocabulary), offsets.npy (int64) and checksums."""
    dtype = np.uint16 if tokenizer.n_vocab <= 1 << 16 else np.uint32
    documents = [
        [tokenizer.bos_id, *ids, tokenizer.eos_id] for ids in tokenizer.encode_batch(texts)
    ]
    lengths = [len(ids) for ids in documents]
    tokens = np.fromiter(_chained(documents), dtype=dtype, count=sum(lengths))
    with atomic.new_folder(folder) as temporary:
        np.save(temporary / "tokens.npy", tokens, allow_pickle=False)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        np.save(temporary / "offsets.npy", offsets, allow_pickle=False)
        sums = "".join(
            f"{digest}  {file}\n" for file, digest in fingerprint.of_folder(temporary).items()
        )
        (temporary / "sha256sums").write_text(sums)


def _chained(documents: Iterable[list[int]]) -> Iterable[int]:
    for document in documents:
        yield from document


def _intact_files(folder: Path) -> dict[str, str] | None:
    """Return file -> sha256 of a stream whose bytes match its own checksums, else None."""
    sums = folder / "sha256sums"
    if not sums.is_file():
        return None
    expected = {line[66:]: line[:64] for line in sums.read_text().splitlines()}
    if set(expected) != {"tokens.npy", "offsets.npy"}:
        return None
    for file, digest in expected.items():
        if not (folder / file).is_file() or fingerprint.of_file(folder / file) != digest:
            return None
    return expected


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


def _median_tokens(streams: Sequence[Mapping[str, Any]], folder: Path) -> float:
    """Return the median text tokens per astro abstract, [BOS] and [EOS] not counted."""
    lengths = [
        np.diff(np.load(folder / s["name"] / "offsets.npy", allow_pickle=False)) - 2
        for s in streams
        if s["field"] == "astro"
    ]
    return float(np.median(np.concatenate(lengths)))
