"""Near copies: test texts of which half or more stands in one text of the train side.

A test text is a near copy if at least half of its words lie in runs of 13 words that also stand,
word for word, in one train text, of either table (``runs``). That holds for reposts, successive
versions under new ids, proceedings, and abstracts of a series that differ in a name; it does not
for texts that share a sentence. What is rewritten every few words is not found.

Of arXiv, such pairs are (share of the first text's words): cs/0409031 in cs/0506089 (100 %, a
report and its later version), astro-ph/9412075 in astro-ph/9404044 (89 %, a series), 1606.08448 in
1606.08926 (69 %, a paper and an essay on it), 1711.07966 in 1711.03121 (68 %, a letter and its long
form); 1902.02071 and 1910.03831 share 38 %, what introduces one spacecraft, and are no copies. Of
66 pairs among 75,000 real abstracts that have half of their 5-word runs in common (Jaccard), the
rule finds 65. By their titles all 48 pairs it finds between their test and train sides are such.

Nothing is taken from an earlier result: only each month's words are kept (``words``), and all runs
are looked up anew, so the result is that of a computation from scratch. What does not belong here:
equal texts, which the warehouse excludes, and leaving near copies out (evaluation).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from astro_assets.artifacts import atomic, fingerprint
from astro_assets.artifacts.manifest import Built
from astro_assets.artifacts.proofs import Proofs
from astro_assets.corpus.runs import RUN_WORDS, RunIndex, covered
from astro_assets.corpus.streams import PaperShard
from astro_assets.corpus.texts import TEXT_RULES
from astro_assets.corpus.words import (
    TABLES,
    WORD_RULES,
    MonthWords,
    WordFile,
    Words,
    read_words,
    write_words,
)
from astro_assets.errors import DamagedArtifactError
from astro_assets.progress import Progress, Task

LEAST_SHARE = 0.5
"""Share of a test text's words from which on it is a near copy."""

MOST_LISTED = 100
"""Pairs listed of one test text: a corpus made of one template must not fill the disk."""

_WORDS_AT_ONCE = 20_000_000
"""Words of test texts that are looked up in one pass over the train side: 270 MB with their index.
Astro-ph with a sample of the rest takes one pass, all of arXiv five."""
RULES: dict[str, Any] = {
    "text_rules": TEXT_RULES,
    "word_rules": WORD_RULES,
    "run_words": RUN_WORDS,
    "least_share": LEAST_SHARE,
    "most_listed": MOST_LISTED,
}
"""All that decides, beside the papers, what is a near copy and what is listed."""

_N_FIRST = 20
_TITLE_CHARACTERS = 200


@dataclass(frozen=True)
class NearCopy:
    """A test text, and a train text that holds half of it or more."""

    test_table: str
    test_id: str
    test_title: str
    train_table: str
    train_id: str
    train_title: str
    similarity: float
    """``n_shared_words / n_words``."""
    n_words: int
    """Of the test text."""
    n_shared_words: int
    """Words of the test text in runs that also stand in the train text."""


def build_near_copies(
    shards: Sequence[PaperShard],
    out: Path,
    *,
    release: str,
    progress: Progress,
    proofs: Proofs | None = None,
) -> Built:
    """Find the near copies of a release's test texts on its train side, and list them.

    Args:
        shards: All paper shards of the release, astro and general, in month order.
        out: Folder of the words of every month, and of the lists; what is vouched for is used.
        release: The release month, to be named in an error.
        progress: Told per month.
        proofs: What is on record of ``out``; without it every month is read anew.

    Returns:
        ``pairs-….parquet`` (``NearCopy``, most similar first) and the words it was found by.
        Counts of test papers, those with a near copy, and pairs. Facts: ``near_copies``, field ->
        test ids; ``pairs``, the list's name; ``first``, its first rows.

    Raises:
        DamagedArtifactError: a shard whose words are not kept yet is gone or its bytes changed;
            or kept words rotted unseen, which are then written anew by the next call.
    """
    out.mkdir(parents=True, exist_ok=True)
    proofs = proofs or Proofs(out)
    files: list[WordFile] = []
    with progress.task("read words", total=float(len(shards)), unit="months") as task:
        for shard in shards:
            files += write_words(shard, out, proofs, release=release)
            task.advance(1, month=shard.month)
    try:
        pairs, n_papers = _find_all(out, files, progress, release=release)
    except DamagedArtifactError:
        proofs.doubt()
        proofs.save()
        raise
    listed = [asdict(pair) for pair in pairs]
    content = fingerprint.of_value([listed, RULES, n_papers])
    name = f"pairs-{content[:16]}.parquet"
    with atomic.replacing(out / name) as temporary:
        pl.DataFrame(listed, schema=_SCHEMA).write_parquet(temporary)
    digests = {file.name: file.sha256 for file in files} | {name: proofs.prove(name)}
    proofs.save()
    copies = {field: _test_ids(pairs, field) for field in TABLES}
    return Built(
        fingerprint=content,
        path=out,
        counts=_counts(n_papers, copies, len(pairs)),
        files=digests,
        facts={
            "near_copies": copies,
            "pairs": name,
            "first": [_bounded(pair) for pair in listed[:_N_FIRST]],
        },
    )


_SCHEMA = {
    "test_table": pl.String,
    "test_id": pl.String,
    "test_title": pl.String,
    "train_table": pl.String,
    "train_id": pl.String,
    "train_title": pl.String,
    "similarity": pl.Float64,
    "n_words": pl.Int64,
    "n_shared_words": pl.Int64,
}


def _find_all(
    folder: Path, files: Sequence[WordFile], progress: Progress, *, release: str
) -> tuple[list[NearCopy], dict[str, int]]:
    """Return all pairs, most similar first, and the test papers of each field."""
    n_papers, pairs = dict.fromkeys(TABLES, 0), list[NearCopy]()
    with progress.task("find near copies", unit="months") as task:
        tests, trains = ([f for f in files if f.side == side] for side in ("test", "train"))
        for months in _groups(read_words(folder, tests, release=release)):
            train = read_words(folder, trains, release=release)
            pairs += _find(_Tests(months), train, task)
            for month in months:
                n_papers[month.field] += len(month)
    return sorted(pairs, key=_most_similar_first), n_papers


def _groups(months: Iterable[MonthWords]) -> Iterator[list[MonthWords]]:
    """Gather months up to ``_WORDS_AT_ONCE``: so memory does not grow with arXiv."""
    group: list[MonthWords] = []
    for month in months:
        if group and sum(len(m.codes) for m in (*group, month)) > _WORDS_AT_ONCE:
            yield group
            group = []
        group.append(month)
    if group:
        yield group


class _Tests:
    """Some months' test texts, numbered through, and the index of their runs."""

    def __init__(self, months: Sequence[MonthWords]) -> None:
        self.index = RunIndex.of(months)
        self._months = months
        self._ends = np.cumsum([len(month) for month in months])
        self.n_words = np.concatenate([np.diff(month.starts) for month in months])

    def place(self, number: int) -> tuple[MonthWords, int]:
        """Return the month of a text, and its number there."""
        at = int(np.searchsorted(self._ends, number, side="right"))
        month = self._months[at]
        return month, number - int(self._ends[at]) + len(month)

    def text(self, number: int) -> Words:
        month, inside = self.place(number)
        return month.text(inside)


def _find(tests: _Tests, train: Iterator[MonthWords], task: Task) -> Iterator[NearCopy]:
    """Yield every pair, train texts in corpus order, at most ``MOST_LISTED`` of one test text."""
    n_needed = np.ceil(LEAST_SHARE * tests.n_words).astype(np.int64)
    n_listed = np.zeros(len(tests.n_words), dtype=np.int64)
    for month in train:
        theirs, ours, _ = tests.index.sharing(month, n_needed)
        for train_number, number in zip(theirs, ours, strict=True):
            if n_listed[number] == MOST_LISTED:
                continue
            # Hashes may agree by chance: what is listed is compared word by word.
            n_shared = covered(tests.text(number), month.text(train_number))
            if n_shared >= n_needed[number]:
                n_listed[number] += 1
                yield _pair(*tests.place(number), month, int(train_number), n_shared)
        task.advance(1, n_near_copies=int((n_listed > 0).sum()))


def _pair(
    tests: MonthWords, number: int, train: MonthWords, train_number: int, n_shared: int
) -> NearCopy:
    n_words = len(tests.text(number))
    return NearCopy(
        test_table=TABLES[tests.field],
        test_id=tests.ids[number],
        test_title=tests.titles[number],
        train_table=TABLES[train.field],
        train_id=train.ids[train_number],
        train_title=train.titles[train_number],
        similarity=n_shared / n_words,
        n_words=n_words,
        n_shared_words=n_shared,
    )


def _most_similar_first(pair: NearCopy) -> tuple[Any, ...]:
    return -pair.similarity, pair.test_table, pair.test_id, pair.train_table, pair.train_id


def _test_ids(pairs: Sequence[NearCopy], field: str) -> list[str]:
    return sorted({pair.test_id for pair in pairs if pair.test_table == TABLES[field]})


def _counts(n_papers: dict[str, int], copies: dict[str, list[str]], n_pairs: int) -> dict[str, int]:
    counts = {}
    for field in TABLES:
        counts[f"{field}_test_papers"] = n_papers[field]
        counts[f"{field}_test_with_near_copy"] = len(copies[field])
    return counts | {
        "n_test_papers": sum(n_papers.values()),
        "n_test_with_near_copy": sum(map(len, copies.values())),
        "n_pairs": n_pairs,
    }


def _bounded(pair: dict[str, Any]) -> dict[str, Any]:
    titles = {name: pair[name][:_TITLE_CHARACTERS] for name in ("test_title", "train_title")}
    return pair | titles
