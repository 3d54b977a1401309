"""Cosines of all pairs of vectors and their histogram, ours beside the named ways, in one run.

Run ``python -m bench.pairs [--n 10000] [--d 4096] [--rounds 3] [--ways ours,...]``. Every way gets
the same unit vectors in float32 and counts all pairs i < j in 20,000 bins. What each way does:

- gemm: the product of all vectors with all, in one call, float32, and nothing made of it;
- symmetric: the product with their own transpose, of which NumPy computes half (syrk): the floor
  below the floor;
- ours: ``pairs.tally_pairs``, which also gives mean, standard deviation and both ends;
- blockwise: 256 whole rows at a time, what lies behind the diagonal cut out, ``np.bincount``;
- triu: the whole product, ``np.triu_indices`` of it, ``np.histogram``.

Times are the least of the rounds, in turn, as ratios to gemm. Processor time stands beside wall
time: on a machine with other work it is the steadier one. Memory is what a way needed at its peak
beyond its input (NumPy's own allocations). Counts of all ways are
compared: pairs that lie within rounding of an edge may differ, more end the command with an error.
What bfloat16 would move is told too. Threads: as the library finds them (OMP_NUM_THREADS).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from astro_assets.evaluation.embeddings.pairs import bin_pairs, tally_pairs, unit_rows
from astro_assets.evaluation.embeddings.tallies import N_BINS

Vectors = NDArray[np.float32]
Counts = NDArray[np.int64]
EDGES = np.linspace(-1, 1, N_BINS + 1)
_ROWS = 256
MOST_MOVED = 1e-3
"""Share of the pairs that may lie in a neighbouring bin: the bins are 0.0001 wide, sums of 4,096
products in float32 are good to a thousandth of that."""


def gemm(unit: Vectors) -> None:
    """Multiply, and make nothing of it."""
    # All rows but the last with all but the first: NumPy does not see the same numbers twice.
    np.matmul(unit[:-1], unit[1:].T)


def symmetric(unit: Vectors) -> None:
    """Multiply with the same array's transpose, which NumPy sees."""
    np.matmul(unit, unit.T)


def ours(unit: Vectors) -> Counts:
    """Count as the report does."""
    counts: Counts = tally_pairs(unit).counts[0]
    return counts


def blockwise(unit: Vectors) -> Counts:
    """Cut the triangle out of whole rows by a mask, and bincount."""
    n = len(unit)
    counts = np.zeros(N_BINS, dtype=np.int64)
    columns = np.arange(n)
    for begin in range(0, n, _ROWS):
        product = unit[begin : begin + _ROWS] @ unit.T
        cosines = product[columns[None, :] > np.arange(begin, begin + len(product))[:, None]]
        numbers = ((cosines + 1) * (N_BINS / 2)).astype(np.int64)
        counts += np.bincount(np.clip(numbers, 0, N_BINS - 1), minlength=N_BINS)
    return counts


def triu(unit: Vectors) -> Counts:
    """Make the whole matrix, take its upper triangle, and a histogram."""
    cosines = (unit @ unit.T)[np.triu_indices(len(unit), k=1)]
    return np.histogram(np.clip(cosines, -1, 1), bins=N_BINS, range=(-1, 1))[0].astype(np.int64)


def in_bfloat16(unit: Vectors) -> Counts:
    """Count what bfloat16 vectors would give, multiplied exactly: never published."""
    return ours(torch.from_numpy(unit).bfloat16().float().numpy())


WAYS: dict[str, Callable[[Vectors], Counts | None]] = {
    "gemm": gemm,
    "symmetric": symmetric,
    "ours": ours,
    "blockwise": blockwise,
    "triu": triu,
}


def planted(n: int, d: int) -> Vectors:
    """Vectors that share a direction, as those of causal models do."""
    draw = np.random.default_rng(0)
    shared = draw.normal(size=(1, d)).astype(np.float32)
    own = draw.standard_normal((n, d), dtype=np.float32)
    own += shared
    return unit_rows(own)


def cost_of(way: Callable[[Vectors], Counts | None], unit: Vectors) -> tuple[float, float, int]:
    """Return wall seconds, processor seconds, and peak bytes beyond the input.

    Tracing costs next to nothing here: allocations are few and large.
    """
    tracemalloc.start()
    wall, processor = time.perf_counter(), time.process_time()
    way(unit)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return wall, processor, peak


def moved_share(found: Counts, expected: Counts) -> float:
    """Return the share of pairs that stand in another bin, at least."""
    return float(np.abs(found - expected).sum()) / 2 / float(expected.sum())


def main(arguments: list[str] | None = None) -> int:
    """Run the ways in turn and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--d", type=int, default=4_096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways", default=",".join(WAYS))
    given = parser.parse_args(arguments)
    unit, names = planted(given.n, given.d), given.ways.split(",")
    gemm(unit)
    print(f"{given.n:,} vectors of {given.d:,}; load {os.getloadavg()[0]:.1f}")
    cost = {name: (float("inf"), float("inf"), 0) for name in names}
    for _ in range(given.rounds):
        for name in names:
            found = cost_of(WAYS[name], unit)
            cost[name] = (min(cost[name][0], found[0]), min(cost[name][1], found[1]), found[2])
    wall, processor, _ = cost.get("gemm", (1.0, 1.0, 0))
    for name, (of_wall, of_processor, peak) in cost.items():
        print(
            f"{name:>10}: wall {of_wall:7.2f} s {of_wall / wall:5.2f} x, processor "
            f"{of_processor:7.2f} s {of_processor / processor:5.2f} x, input + {peak / 1e6:,.0f} MB"
        )
    check(unit, names)
    time_two_spaces(unit)
    return 0


def check(unit: Vectors, names: Sequence[str]) -> None:
    """Compare all counts, and tell what bfloat16 would move; end on other counts."""
    expected = ours(unit)
    for name in names:
        counts = WAYS[name](unit)
        if counts is not None and moved_share(counts, expected) > MOST_MOVED:
            sys.exit(f"{name} counts otherwise: {moved_share(counts, expected):.2%} moved")
    print(f"bfloat16 moves at least {moved_share(in_bfloat16(unit), expected):.2%} of the pairs")


def time_two_spaces(unit: Vectors) -> None:
    """Tell how long the whole figure takes for two spaces."""
    began = time.perf_counter()
    spaces = {"baseline": unit, "tuned": unit_rows(unit[:, : max(1, unit.shape[1] // 2)])}
    tallies = {name: tally_pairs(vectors) for name, vectors in spaces.items()}
    bin_pairs(spaces, tallies, [("baseline", "tuned"), ("tuned", "baseline")])
    print(f"two spaces, tallied and binned by each other: {time.perf_counter() - began:.2f} s")


if __name__ == "__main__":
    sys.exit(main())
