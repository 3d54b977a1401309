"""Runs of 13 words: which texts share any, found by index, and how much of a text they cover.

Thirteen words are what GPT-3's authors took for copied (arXiv:2005.14165, appendix C); counting the
share of a text that lies in shared runs is Llama 2's way (arXiv:2307.09288, appendix A.6). Changing
one word of a long text then costs a few words, not a third of them.

A text of fewer than 13 words is one run: it is shared only by a text of exactly these words.

What does not belong here: which texts are compared (near_copies) and where words come from (words).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from astro_assets.corpus.words import MonthWords, Words

RUN_WORDS = 13

_BASE = 0x9E3779B97F4A7C15
_PLACE_BITS = 25
_LOW = np.uint64((1 << _PLACE_BITS) - 1)
_MOST_TABLE_BITS = 29
_AT_ONCE = 2_000_000
_TEXTS_AT_ONCE = 2_000

Numbers = NDArray[np.int64]


def hash_runs(month: MonthWords) -> tuple[NDArray[np.uint64], Numbers]:
    """Return the hash of every run of every text, and the place of its first word in the month.

    Places count the words of all texts end to end; the runs of a text follow one another, in order.
    Equal runs have equal hashes. Others may, as the index keeps them once in 2^39, so what it finds
    is compared word by word.
    """
    parts = [
        _hash_texts(month, begin, min(begin + _TEXTS_AT_ONCE, len(month)))
        for begin in range(0, len(month), _TEXTS_AT_ONCE)
    ]
    hashes, places = [np.empty(0, dtype=np.uint64)], [np.empty(0, dtype=np.int64)]
    return (
        np.concatenate([*hashes, *(part[0] for part in parts)]),
        np.concatenate([*places, *(part[1] for part in parts)]),
    )


def _hash_texts(month: MonthWords, begin: int, end: int) -> tuple[NDArray[np.uint64], Numbers]:
    starts = month.starts[begin : end + 1] - month.starts[begin]
    lengths = np.diff(starts)
    n_runs = np.maximum(lengths - RUN_WORDS + 1, 0)
    # The n-th run of a text stands n words after the text's first.
    places = np.repeat(starts[:-1] - (np.cumsum(n_runs) - n_runs), n_runs)
    places += np.arange(len(places))
    hashes = _rolled(month.texts(begin, end))[places]
    short = np.flatnonzero((lengths > 0) & (lengths < RUN_WORDS))
    whole = np.array([_hash_short(month.text(begin + int(n))) for n in short], dtype=np.uint64)
    places = np.concatenate([places, starts[short]]) + month.starts[begin]
    return np.concatenate([hashes, whole]), places


def covered(text: Words, other: Words) -> int:
    """Return how many words of ``text`` lie in runs that also stand in ``other``, word for word.

    >>> words = np.arange(20, dtype=np.uint64)
    >>> covered(words, words[4:]), covered(words, words[9:]), covered(words[:5], words)
    (16, 0, 0)
    """
    if len(text) < RUN_WORDS:
        return len(text) if np.array_equal(text, other) else 0
    width = RUN_WORDS * text.itemsize
    theirs, ours = other.tobytes(), text.tobytes()
    runs = {theirs[at : at + width] for at in range(0, len(theirs) - width + 1, text.itemsize)}
    shared = np.zeros(len(text), dtype=bool)
    for number in range(len(text) - RUN_WORDS + 1):
        at = number * text.itemsize
        if ours[at : at + width] in runs:
            shared[number : number + RUN_WORDS] = True
    return int(shared.sum())


@dataclass(frozen=True)
class _Beginnings:
    """A set of the first bits of numbers, a bit each."""

    table: NDArray[np.uint8]
    shift: np.uint64

    @classmethod
    def of(cls, numbers: NDArray[np.uint64]) -> _Beginnings:
        """Keep so many bits that few other numbers begin like one of these."""
        bits = min(_MOST_TABLE_BITS, max(10, 5 + len(numbers).bit_length()))
        made = cls(np.zeros(1 << (bits - 3), dtype=np.uint8), np.uint64(64 - bits))
        for begin in range(0, len(numbers), _AT_ONCE):
            places, masks = made._bits(numbers[begin : begin + _AT_ONCE])
            np.bitwise_or.at(made.table, places, masks)
        return made

    def contain(self, numbers: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Tell of each number whether any in the set begins like it."""
        places, masks = self._bits(numbers)
        found: NDArray[np.bool_] = (self.table[places] & masks) != 0
        return found

    def _bits(self, numbers: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
        first = numbers >> self.shift
        return first >> np.uint64(3), np.uint8(1) << (first & np.uint64(7)).astype(np.uint8)


@dataclass(frozen=True)
class RunIndex:
    """The runs of some texts, to be looked up by those of others."""

    keys: NDArray[np.uint64]
    """Sorted: 39 bits of a run's hash, then the place of its first word. 8 bytes a run."""
    starts: Numbers
    """(texts + 1,): the place where each text begins, all texts end to end."""
    seen: _Beginnings
    """Which first bits any key has: spares nearly all look-ups."""

    @classmethod
    def of(cls, months: Sequence[MonthWords]) -> RunIndex:
        """Index months of texts, numbered through in their order.

        Raises:
            ValueError: more words than can be numbered (33 million).
        """
        n_words = sum(int(month.starts[-1]) for month in months)
        if n_words > int(_LOW) + 1:
            raise ValueError(f"{n_words:,} words are more than an index of runs can number")
        # Filled in place: at the size of arXiv every copy would be 130 MB.
        keys = np.empty(sum(map(_n_runs, months)), dtype=np.uint64)
        starts = [np.zeros(1, dtype=np.int64)]
        n_keys = n_before = 0
        for month in months:
            hashes, places = hash_runs(month)
            places += n_before
            keys[n_keys : n_keys + len(hashes)] = (hashes & ~_LOW) | places.astype(np.uint64)
            n_keys += len(hashes)
            starts.append(month.starts[1:] + n_before)
            n_before += int(month.starts[-1])
        keys.sort()
        return cls(keys, np.concatenate(starts), _Beginnings.of(keys))

    def sharing(self, month: MonthWords, n_needed: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        """Return the pairs that share runs: number in ``month``, number in the index, how much.

        How much is the number of words of the indexed text that lie in shared runs; more only where
        other runs agree in their hashes. ``n_needed`` (texts,) is how much a pair must share to be
        returned: boilerplate makes millions of pairs that share little.
        """
        hashes, texts, first = self._found(month)
        n_found = np.searchsorted(self.keys, hashes | _LOW, side="right") - first
        # Cut between texts: what a pair shares is counted in one part.
        cuts = np.append(np.flatnonzero(np.diff(texts, prepend=-1)), len(texts))
        ends = np.append(0, np.cumsum(n_found))[cuts]
        pairs = [np.empty((3, 0), dtype=np.int64)]
        begin = 0
        while begin < len(cuts) - 1:
            most = int(np.searchsorted(ends, ends[begin] + _AT_ONCE, side="right")) - 1
            end = max(begin + 1, most)
            part = slice(cuts[begin], cuts[end])
            found = self._pairs(first[part], n_found[part], texts[part])
            pairs.append(found[:, found[2] >= n_needed[found[1]]])
            begin = end
        theirs, ours, n_covered = np.concatenate(pairs, axis=1)
        order = np.lexsort((ours, theirs))
        return theirs[order], ours[order], n_covered[order]

    def _found(self, month: MonthWords) -> tuple[NDArray[np.uint64], Numbers, Numbers]:
        """Return the runs of a month that are indexed: hash, number of the text, first key."""
        hashes, places = hash_runs(month)
        likely = self.seen.contain(hashes)
        hashes, places = hashes[likely], places[likely]
        first = np.searchsorted(self.keys, hashes & ~_LOW, side="left")
        inside = first < len(self.keys)
        inside[inside] = (self.keys[first[inside]] ^ hashes[inside]) <= _LOW
        return hashes[inside], _text_at(month.starts, places[inside]), first[inside]

    def _pairs(self, first: Numbers, n_found: Numbers, texts: Numbers) -> Numbers:
        """Return (3, n): both numbers of each pair, and how many words it shares."""
        offsets = np.arange(int(n_found.sum())) - np.repeat(np.cumsum(n_found) - n_found, n_found)
        places = (self.keys[np.repeat(first, n_found) + offsets] & _LOW).astype(np.int64)
        places |= np.repeat(texts, n_found) << _PLACE_BITS
        places.sort()  # np.unique takes ten times as long, and what stands twice adds nothing
        theirs, places = places >> _PLACE_BITS, places & int(_LOW)
        ours = _text_at(self.starts, places)
        begins = np.flatnonzero(np.diff(theirs, prepend=-1) | np.diff(ours, prepend=-1))
        # A run adds the words up to where the pair's next one begins, and 13 at most.
        n_new = np.diff(places, append=0)
        lasts = np.append(begins[1:], len(places)) - 1
        n_new[lasts] = self.starts[ours[lasts] + 1] - self.starts[ours[lasts]]
        n_covered = np.add.reduceat(np.minimum(n_new, RUN_WORDS), begins)
        return np.stack([theirs[begins], ours[begins], n_covered])


def _text_at(starts: Numbers, places: Numbers) -> Numbers:
    """Return the number of the text each place lies in; empty texts have no place."""
    texts: Numbers = np.searchsorted(starts, places, side="right") - 1
    return texts


def _n_runs(month: MonthWords) -> int:
    lengths = np.diff(month.starts)
    return int(np.maximum(lengths - RUN_WORDS + 1, lengths > 0).sum())


def _rolled(words: Words) -> NDArray[np.uint64]:
    """Return (n - 12,) hashes of every 13 consecutive words: sum of word[i] * base^(12 - i), mixed.

    Put together from runs of 2, 4, 8 and 12 words: five passes instead of thirteen.
    """
    if len(words) < RUN_WORDS:
        return words[:0]
    two = _joined(words, 1, words, 1)
    four = _joined(two, 2, two, 2)
    eight = _joined(four, 4, four, 4)
    twelve = _joined(eight, 8, four, 4)
    return _mixed(_joined(twelve, 12, words, 1))


def _joined(left: Words, n_left: int, right: Words, n_right: int) -> Words:
    """Return the sums over runs of n_left + n_right words, from those over the two parts."""
    factor = np.uint64(pow(_BASE, n_right, 1 << 64))
    n = len(right) - n_left
    joined = left[:n] * factor
    joined += right[n_left:]
    return joined


def _mixed(sums: Words) -> Words:
    """Spread a sum over all bits (Steele, Lea and Flood, OOPSLA 2014: SplitMix's finaliser)."""
    sums = (sums ^ (sums >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    sums = (sums ^ (sums >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return sums ^ (sums >> np.uint64(31))


def _hash_short(words: Words) -> int:
    """Return the hash of a text of fewer words than a run; its length goes in."""
    said = len(words).to_bytes(1, "big") + words.astype(">u8").tobytes()
    return int.from_bytes(hashlib.blake2b(said, digest_size=8).digest(), "big")
