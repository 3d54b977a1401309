"""Tokens that embedding computes for every real one, and the time: our batches and the named ways.

Run ``python -m bench.embeddings MODEL_FOLDER TEXTS [--n 2000] [--texts-per-batch 32]``. TEXTS is a
JSONL file with an ``abstract`` or ``text`` per line, or Parquet with a column ``text``. What each
way does:

- arrival: so many texts a batch, as they come;
- sorted: as many, longest first;
- ours: ``batches.even_batches``, by a budget of tokens and a bound on padding.

Computed tokens are exact counts and need no model; times are of the first ``--timed`` texts, the
least of three rounds in turn, one round of each way not counted. Vectors of all ways are compared
to 1e-5, else the command ends with an error. Token counts are those of the model's context.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from astro_assets.corpus.texts import clean_abstract
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.evaluation.embeddings.batches import even_batches
from astro_assets.models.loading import load_model
from astro_assets.models.scoring import TOKEN_BUDGET, CausalParts

Batches = list[list[int]]
ROUNDS = 3


def in_groups(order: Sequence[int], size: int) -> Batches:
    """Cut an order into batches of so many."""
    return [list(order[begin : begin + size]) for begin in range(0, len(order), size)]


def ways(size: int) -> dict[str, Callable[[Sequence[int]], Batches]]:
    """Return how each way makes batches of lengths."""
    return {
        "arrival": lambda lengths: in_groups(range(len(lengths)), size),
        "sorted": lambda lengths: in_groups(
            sorted(range(len(lengths)), key=lambda i: -lengths[i]), size
        ),
        "ours": lambda lengths: even_batches(lengths, TOKEN_BUDGET),
    }


def read_texts(path: Path, n: int) -> list[str]:
    """Return the first n texts."""
    if path.suffix == ".parquet":
        return pl.scan_parquet(path).select("text").head(n).collect()["text"].to_list()
    with path.open(encoding="utf-8") as lines:
        records = [json.loads(line) for line in islice(lines, n)]
    return [clean_abstract(one.get("abstract") or one["text"]) for one in records]


def computed_share(lengths: Sequence[int], batches: Batches) -> float:
    """Return padded over real tokens."""
    return sum(len(b) * max(lengths[i] for i in b) for b in batches) / sum(lengths)


def means(parts: CausalParts, inputs: Sequence[list[int]], batches: Batches) -> NDArray[Any]:
    """Return the vectors of all inputs, made in these batches."""
    made: dict[int, Any] = {}
    with torch.inference_mode():
        for batch in batches:
            hidden = parts.hidden([inputs[i] for i in batch])
            for row, i in zip(hidden, batch, strict=True):
                made[i] = row[1 : len(inputs[i])].float().mean(dim=0).cpu().numpy()
    return np.stack([made[i] for i in range(len(inputs))])


def main(arguments: list[str] | None = None) -> int:
    """Count, time, compare, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--n", type=int, default=2_000)
    parser.add_argument("--timed", type=int, default=300)
    parser.add_argument("--texts-per-batch", type=int, default=32)
    given = parser.parse_args(arguments)
    tokenizer, parts = Tokenizer.load(given.model), CausalParts.of(load_model(given.model))
    encoded = tokenizer.encode_batch(read_texts(given.texts, given.n))
    room = parts.max_positions - 1
    inputs = [[tokenizer.bos_id, *ids[:room]] for ids in encoded if ids]
    # What the context cuts is no longer unlike: whole lengths are told too.
    lengths, whole = [len(ids) for ids in inputs], [len(ids) + 1 for ids in encoded if ids]
    print(f"{len(inputs):,} texts of {np.mean(whole):.0f} tokens; context {parts.max_positions:,}")
    timed = inputs[: given.timed]
    seconds: dict[str, list[float]] = {}
    vectors: dict[str, NDArray[Any]] = {}
    for _ in range(ROUNDS + 1):
        for name, make in ways(given.texts_per_batch).items():
            began = time.perf_counter()
            vectors[name] = means(parts, timed, make([len(ids) for ids in timed]))
            seconds.setdefault(name, []).append(time.perf_counter() - began)
    for name, make in ways(given.texts_per_batch).items():
        print(
            f"{name:>8}: {computed_share(lengths, make(lengths)):.3f} computed per real token, "
            f"{computed_share(whole, make(whole)):.3f} without the cut; "
            f"{min(seconds[name][1:]):.2f} s for {len(timed)} texts"
        )
        if not np.allclose(vectors[name], vectors["ours"], rtol=1e-4, atol=1e-5):
            sys.exit(f"{name} gives other vectors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
