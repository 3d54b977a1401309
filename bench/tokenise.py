"""Tokenising and packing a corpus, ours beside the named ways, in one run.

Run ``python -m bench.tokenise SNAPSHOT TOKENIZER_FOLDER [--papers N] [--per-stream N]``. Every way
gets the same raw abstracts, a stream's worth at a time (a month of all arXiv brings about 1,000
papers on a side). What each way does:

- floor: ``tokenizers`` ``encode_batch_fast`` on clean texts, and nothing made of it. How many texts
  a call is given decides what the processor's cache holds, so several numbers are tried;
- ours: raw abstracts to streams on disk (clean, encode, pack, checksums, rename);
- ours, gigatoken: the same with the extra ``fast`` (installed only where the person asked for it);
- encode_batch: ``tokenizers`` with character offsets, packed into one array in memory;
- datasets.map: Hugging Face ``datasets``, batched map and then group_texts (extra ``bench``).

The ways take turns at each stream, ``--rounds`` times; a way's time is the sum over the streams of
the least it took for each, and the floor is the best ``encode_batch_fast``. ``datasets.map`` gets
all streams at once, as its start would weigh on each. Then it is told where our time goes. The ids
of all ways are compared: other ids end the command with an error.

Threads are off, so that CPU and wall time are comparable: all ways divide among threads alike.
"""

from __future__ import annotations

import os

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import argparse
import hashlib
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astro_assets.corpus.accelerator import Encode, choose_encoder
from astro_assets.corpus.stream_files import Texts, write_stream
from astro_assets.corpus.texts import clean_abstract
from astro_assets.corpus.tokenizer import TEXTS_AT_ONCE, Encoded, Tokenizer
from astro_assets.ingest.snapshot import read_batches
from astro_assets.progress import NO_PROGRESS

BLOCK_LENGTH = 512
AT_ONCE = tuple(sorted({TEXTS_AT_ONCE, 256, 1_000}))
"""Texts per call of the library."""

Ids = NDArray[Any]
Step = Callable[[], Ids | None]
"""One turn's work; returns all ids end to end, or None where it makes nothing of them."""


@dataclass
class Way:
    """One way to tokenise, and what it cost."""

    name: str
    steps: Sequence[Step]
    cpu_seconds: dict[int, float] = field(default_factory=dict)
    """Step -> the least it took."""
    wall_seconds: dict[int, float] = field(default_factory=dict)
    made: dict[int, Ids | None] = field(default_factory=dict)

    def take_turn(self, number: int) -> None:
        """Do a step and keep both times, where it was faster than before."""
        cpu, wall = time.process_time(), time.perf_counter()
        self.made[number] = self.steps[number]()
        for least, seconds in (
            (self.cpu_seconds, time.process_time() - cpu),
            (self.wall_seconds, time.perf_counter() - wall),
        ):
            least[number] = min(seconds, least.get(number, seconds))

    @property
    def cpu(self) -> float:
        """CPU seconds of all steps."""
        return sum(self.cpu_seconds.values())

    @property
    def wall(self) -> float:
        """Seconds of all steps."""
        return sum(self.wall_seconds.values())

    def ids(self) -> Ids | None:
        """All ids end to end, if it made any."""
        parts = [ids for _, ids in sorted(self.made.items()) if ids is not None]
        return np.concatenate(parts) if parts else None


@dataclass
class Part:
    """The abstracts of one stream."""

    raw: list[str]

    def __post_init__(self) -> None:
        self.clean = [clean_abstract(text) for text in self.raw]
        hashes = [hashlib.sha256(text.encode()).hexdigest() for text in self.clean]
        self.texts = Texts(self.raw, hashes, ["astro-ph.GA"] * len(self.raw))


def read_parts(snapshot: Path, n_papers: int, per_stream: int) -> list[Part]:
    """Return the first abstracts of a snapshot, in streams."""
    raw: list[str] = []
    for batch in read_batches(snapshot, progress=NO_PROGRESS):
        raw += [text for text in batch.column("abstract").to_pylist() if text]
        if len(raw) >= n_papers:
            break
    raw = raw[:n_papers]
    return [Part(raw[start : start + per_stream]) for start in range(0, len(raw), per_stream)]


def in_calls(texts: Sequence[str], at_once: int) -> Iterator[list[str]]:
    """Yield the texts, so many at once."""
    return (list(texts[start : start + at_once]) for start in range(0, len(texts), at_once))


def encode_and_forget(part: Part, tokenizer: Tokenizer, at_once: int) -> None:
    """Only what the library must do."""
    for texts in in_calls(part.clean, at_once):
        tokenizer.fast.encode_batch_fast(texts, add_special_tokens=False)


def fresh(folder: Path) -> Path:
    """Return a name that nothing in the folder has."""
    return folder / f"stream-{time.monotonic_ns()}"


def ours(part: Part, tokenizer: Tokenizer, out: Path, encode: Encode) -> Ids:
    """Write a stream as the package does; reading it back is little, and ours to pay."""
    write_stream(out, tokenizer, part.texts, {}, encode=encode)
    return np.load(out / "tokens.npy")


def encode_batch(part: Part, tokenizer: Tokenizer, at_once: int) -> Ids:
    """Call the library plainly and make one array in memory."""
    made = []
    for texts in in_calls([clean_abstract(text) for text in part.raw], at_once):
        for item in tokenizer.fast.encode_batch(texts, add_special_tokens=False):
            made.append(np.array([tokenizer.bos_id, *item.ids, tokenizer.eos_id], np.uint16))
    return np.concatenate(made)


def datasets_map(parts: Sequence[Part], tokenizer: Tokenizer, cache: Path) -> Ids:
    """Hugging Face's recipe: batched map, then group_texts, each written to Arrow files."""
    import datasets

    datasets.disable_progress_bars()

    def encode(batch: dict[str, list[str]]) -> dict[str, list[list[int]]]:
        texts = [clean_abstract(text) for text in batch["text"]]
        encoded = tokenizer.fast.encode_batch_fast(texts, add_special_tokens=False)
        return {"ids": [[tokenizer.bos_id, *item.ids, tokenizer.eos_id] for item in encoded]}

    def group(batch: dict[str, list[list[int]]]) -> dict[str, list[list[int]]]:
        flat = list(chain.from_iterable(batch["ids"]))
        return {"ids": [flat[i : i + BLOCK_LENGTH] for i in range(0, len(flat), BLOCK_LENGTH)]}

    cache.mkdir(exist_ok=True)
    names = {step: str(cache / f"{step}-{time.monotonic_ns()}.arrow") for step in ("map", "group")}
    texts = chain.from_iterable(part.raw for part in parts)
    table = datasets.Dataset.from_dict({"text": list(texts)})
    mapped = table.map(encode, batched=True, remove_columns=["text"], cache_file_name=names["map"])
    grouped = mapped.map(group, batched=True, cache_file_name=names["group"])
    ids: Ids = grouped.data.column("ids").combine_chunks().flatten().to_numpy()
    return ids


@dataclass
class Measured:
    """All ways over the same parts, and the pieces of ours."""

    floors: list[Way]
    ours: Way
    others: list[Way]
    cleaning: Way
    all_but_encoding: Way
    """Ours with the ids known beforehand."""

    @property
    def ways(self) -> list[Way]:
        """Everything that is timed."""
        return [*self.floors, self.ours, *self.others, self.cleaning, self.all_but_encoding]

    def take_turns(self, turn: int, step: int) -> None:
        """Let every way that has it do a step, in another order at each turn."""
        for way in random.Random(turn).sample(self.ways, len(self.ways)):
            if step < len(way.steps):
                way.take_turn(step)

    @property
    def floor(self) -> Way:
        """The fastest of the floors."""
        return min(self.floors, key=lambda way: way.cpu)


def prepare(parts: Sequence[Part], tokenizer: Tokenizer, folder: Path) -> Measured:
    """Return the ways that can be measured here, not yet measured."""

    def way(name: str, step: Callable[[Part], Ids | None]) -> Way:
        return Way(name, [lambda part=part: step(part) for part in parts])  # type: ignore[misc]

    def forget(at_once: int) -> Way:
        name = f"encode_batch_fast alone, {at_once:,} at once"
        return way(name, lambda part: encode_and_forget(part, tokenizer, at_once))

    def plain(at_once: int) -> Way:
        name = f"encode_batch, numpy, {at_once:,} at once"
        return way(name, lambda part: encode_batch(part, tokenizer, at_once))

    def written(name: str, encode: Callable[[Part], Encode]) -> Way:
        # A new folder each time: a stream that is there already would have to be removed first.
        return way(name, lambda part: ours(part, tokenizer, fresh(folder), encode(part)))

    def clean(part: Part) -> None:
        for text in part.raw:
            clean_abstract(text)

    known: dict[int, Encoded] = {id(part): tokenizer.encode_flat(part.clean) for part in parts}
    others = [plain(at_once) for at_once in AT_ONCE]
    chosen = choose_encoder(tokenizer)
    if chosen.name == "gigatoken":
        others.append(written("ours, gigatoken", lambda _part: chosen.encode))
    else:
        print(f"not measured: gigatoken (texts are encoded by {chosen.name})")
    if find_spec("datasets"):
        step = [lambda: datasets_map(parts, tokenizer, folder / "hf")]
        others.append(Way("datasets.map + group_texts", step))
    else:
        print("not measured: datasets.map (pip install 'astro-assets[bench]')")
    return Measured(
        floors=[forget(at_once) for at_once in AT_ONCE],
        ours=written("ours", lambda _part: tokenizer.encode_flat),
        others=others,
        cleaning=way("cleaning", clean),
        all_but_encoding=written("ids known", lambda part: lambda _texts: known[id(part)]),
    )


def report(measured: Measured, parts: Sequence[Part]) -> bool:
    """Print times, ratios to the floor and where our time goes; tell whether all ids are equal."""
    floor, reference = measured.floor, measured.ours.ids()
    assert reference is not None
    n_papers = sum(len(part.raw) for part in parts)
    print(f"{n_papers:,} papers, {len(parts):,} streams, {len(reference):,} tokens")
    print(f"{'way':40} {'CPU s':>7} {'ratio':>6} {'wall s':>7} {'ratio':>6}  same ids")
    all_same = True
    for way in (*measured.floors, measured.ours, *measured.others):
        ids = way.ids()
        same = ids is None or np.array_equal(ids, reference)
        all_same = all_same and same
        print(
            f"{way.name:40} {way.cpu:7.2f} {way.cpu / floor.cpu:6.3f} "
            f"{way.wall:7.2f} {way.wall / floor.wall:6.3f}  {'–' if ids is None else same}"
        )
    print(f"floor: {floor.name}; ours: {measured.ours.cpu / floor.cpu:.3f} times its CPU time")
    print("of ours:", ", ".join(f"{name} {share:.1%}" for name, share in shares(measured).items()))
    return all_same


def shares(measured: Measured) -> dict[str, float]:
    """Return which part of our CPU time goes where; floors and remainders are of this run."""
    own = next(way for way in measured.floors if f" {TEXTS_AT_ONCE:,} at" in way.name)
    total, rest = measured.ours.cpu, measured.all_but_encoding.cpu
    return {
        "cleaning": measured.cleaning.cpu / total,
        f"the library, {TEXTS_AT_ONCE:,} at once": own.cpu / total,
        "its ids into one array": (total - rest - own.cpu) / total,
        "packing, checksums and writing": (rest - measured.cleaning.cpu) / total,
    }


def main() -> None:
    """Measure every way and print the table; exit with 1 where ids differ."""
    parser = argparse.ArgumentParser(description="Tokenise and pack, beside the named ways.")
    parser.add_argument("snapshot", type=Path)
    parser.add_argument("tokenizer", type=Path, help="folder of a model")
    parser.add_argument("--papers", type=int, default=2_000)
    parser.add_argument("--per-stream", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args()
    parts = read_parts(given.snapshot, given.papers, given.per_stream)
    tokenizer = Tokenizer.load(given.tokenizer)
    with tempfile.TemporaryDirectory() as folder:
        measured = prepare(parts, tokenizer, Path(folder))
        for turn in range(given.rounds * len(parts)):
            measured.take_turns(turn, turn % len(parts))
        if not report(measured, parts):
            sys.exit("The ids of the ways differ.")


if __name__ == "__main__":
    main()
