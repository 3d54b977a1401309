"""Ten releases in a row while papers are added, edited, copied, moved, withdrawn, and deleted.

Whatever happens: no paper changes side, no release trains on a text of its own test side, no text
is used twice, each release is what a fresh home would make of arXiv as it then is, and an old
release made again later has the same bytes.
"""

from __future__ import annotations

import random
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from astro_assets.artifacts.fingerprint import of_file, of_folder
from astro_assets.artifacts.manifest import Built
from astro_assets.artifacts.proofs import Proofs
from astro_assets.corpus.streams import PaperShard, build_token_blocks
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.months import Month
from astro_assets.progress import NO_PROGRESS
from astro_assets.warehouse.papers import Rules, build_release_table
from astro_assets.warehouse.shards import read_table
from astro_assets.warehouse.sides import side_of
from tests.builders import record
from tests.warehouse.tables import SALT, papers_of, shard_paths, snapshot, window_file

pytestmark = pytest.mark.slow

FIRST, N_RELEASES = Month(2025, 9), 10
N_SEEDS, N_IN_SUITE = 12, 1
TABLES = {"astro": "astro_ph_papers", "general": "general_papers"}
WORDS = (
    "star", "galaxy", "dust", "proof", "group", "lattice",
    "plasma", "cell", "Poincaré", "$\\alpha$", "redshift", "field",
)  # fmt: skip
CATEGORIES = (
    "astro-ph.GA",
    "astro-ph.CO hep-ph",
    "hep-th astro-ph.HE",
    "math.AG",
    "cs.LG",
    "q-bio",
)


@dataclass
class ArXiv:
    """Papers as they are at the end of a month, and how they come to change."""

    chance: random.Random
    papers: dict[str, dict[str, Any]] = field(default_factory=dict)
    n_made: int = 0
    done: Counter[str] = field(default_factory=Counter)

    def pass_month(self, month: Month, *, n_new: int, n_changes: int) -> list[dict[str, Any]]:
        """Let a month pass; return what changed in it, each paper once, with its day."""
        changed: dict[str, dict[str, Any]] = {}
        living = sorted(self.papers)
        for name in self.chance.sample(living, min(n_changes, len(living))):
            changed[name] = self._change(self.papers[name], month)
        for _ in range(n_new):
            new = self._submit(month)
            changed[new["id"]] = new
        for name, paper in changed.items():
            day = f"{month}-{self.chance.randint(1, 28):02d}"
            changed[name] = {**paper, "update_date": day}
        self.papers |= changed
        return [{**paper, "datestamp": paper["update_date"]} for paper in changed.values()]

    def held(self) -> list[dict[str, Any]]:
        """Return what a snapshot of this moment would hold."""
        return [paper for paper in self.papers.values() if "deleted" not in paper]

    def _submit(self, month: Month) -> dict[str, Any]:
        self.n_made += 1
        made = record(
            f"{month.year % 100:02d}{month.number:02d}.{self.n_made:05d}",
            abstract=self._text(),
            categories=self.chance.choice(CATEGORIES),
            versions=[_version(1, month)],
        )
        return self._copied(made) if self.chance.random() < 0.3 else made

    def _change(self, paper: dict[str, Any], month: Month) -> dict[str, Any]:
        kinds = ("revise", "copy", "copy", "withdraw", "move", "move", "cite", "delete")
        kind = self.chance.choice(kinds)
        if "deleted" in paper or "withdrawn" in (paper["comments"] or ""):
            kind = "restore"
        self.done[kind] += 1
        if kind == "delete":
            return {"id": paper["id"], "deleted": True, "before": paper}
        paper = paper.get("before", paper)
        if kind == "cite":
            return {**paper, "journal-ref": f"Journal {self.chance.randint(1, 99)}"}
        if kind == "move":
            return {**paper, "categories": self.chance.choice(CATEGORIES)}
        paper = {**paper, "versions": [*paper["versions"], _version(1 + _n(paper), month)]}
        if kind == "withdraw":
            return {**paper, "comments": "This paper has been withdrawn by the author"}
        if kind == "restore":
            return {**paper, "comments": "12 pages"}
        return self._copied(paper) if kind == "copy" else {**paper, "abstract": self._text()}

    def _copied(self, paper: dict[str, Any]) -> dict[str, Any]:
        """Give a paper another one's abstract, written in another way that says the same."""
        others = [p for name, p in sorted(self.papers.items()) if name != paper["id"]]
        others = [other for other in others if "deleted" not in other]
        if not others:
            return paper
        words = self.chance.choice(others)["abstract"].split()
        self.done["copied"] += 1
        ends = self.chance.choice(("  {}\n", "{}", " \n{}\n\n", "{} \uffff"))
        blank = self.chance.choice((" ", "\n  ", "  ", "\t", "\u00a0", "\x07", "\x85"))
        accents = self.chance.choice(("NFC", "NFD"))
        copied = unicodedata.normalize(accents, ends.format(blank.join(words)))
        return {**paper, "abstract": copied}

    def _text(self) -> str:
        return "  " + " ".join(self.chance.choices(WORDS, k=self.chance.randint(6, 14))) + ".\n"


def _version(number: int, month: Month) -> dict[str, str]:
    return {"version": f"v{number}", "created": f"Mon, 3 {month.start:%b %Y} 10:00:00 GMT"}


def _n(paper: dict[str, Any]) -> int:
    return len(paper["versions"])


@dataclass
class Home:
    """Where releases are made one after the other from one snapshot, as the assets make them."""

    root: Path
    rules: Rules
    tokenizer: Tokenizer
    papers: Built
    windows: list[Path] = field(default_factory=list)

    @classmethod
    def begin(
        cls, root: Path, rules: Rules, tokenizer: Tokenizer, records: list[dict[str, Any]]
    ) -> Home:
        made = snapshot(root / "snapshot", records, rules.general_share)
        return cls(root, rules, tokenizer, made)

    def harvest(self, month: Month, changed: list[dict[str, Any]]) -> None:
        said = [{k: v for k, v in paper.items() if k != "before"} for paper in changed]
        self.windows.append(window_file(self.root / f"window-{month}.parquet", said, self.rules))

    def make(self, month: Month, n_windows: int | None = None) -> dict[str, Built]:
        made = {name: self._table(name, month, self.windows[:n_windows]) for name in TABLES}
        shards = [
            PaperShard(
                name,
                s["month"],
                made[name].path / s["file"],
                s["content"],
                made[name].files[s["file"]],
            )
            for name in TABLES
            for s in made[name].facts["shards"]
        ]
        tokens = self.root / "tokens"
        made["tokens"] = build_token_blocks(
            shards,
            self.tokenizer,
            tokens,
            block_length=16,
            progress=NO_PROGRESS,
            proofs=Proofs(tokens, self.root / "tokens.json"),
        )
        return made

    def _table(self, name: str, month: Month, windows: list[Path]) -> Built:
        out = self.root / TABLES[name]
        return build_release_table(
            TABLES[name],  # type: ignore[arg-type]
            papers_of(self.papers),
            windows,
            release=month,
            out=out,
            rules=self.rules,
            progress=NO_PROGRESS,
            proofs=Proofs(out, self.root / f"{name}.json"),
        )


def _seeds() -> Iterator[object]:
    for seed in range(N_SEEDS):
        marks = () if seed < N_IN_SUITE else (pytest.mark.torture,)
        yield pytest.param(seed, marks=marks)


@pytest.mark.parametrize("seed", _seeds())
def test_ten_releases(seed: int, tmp_path: Path, tiny_base: Path) -> None:
    chance = random.Random(seed)
    rules = Rules(SALT, chance.choice((1.0, 0.7)), ("any", "primary")[seed % 2])
    tokenizer = Tokenizer.load(tiny_base)
    arxiv, reasons = ArXiv(chance), Counter[str]()
    for month in FIRST.plus(-3).through(FIRST):
        arxiv.pass_month(month, n_new=25, n_changes=5)
    home = Home.begin(tmp_path / "home", rules, tokenizer, arxiv.held())
    months = list(FIRST.through(FIRST.plus(N_RELEASES - 1)))
    made = {}
    for number, month in enumerate(months):
        if number:
            home.harvest(month, arxiv.pass_month(month, n_new=8, n_changes=20))
        made[month] = home.make(month)
        reasons += _is_clean(made[month])
        fresh = Home.begin(tmp_path / f"fresh-{month}", rules, tokenizer, arxiv.held())
        assert _content(fresh.make(month)) == _content(made[month]), month
    _is_as_it_was(home, months, made)
    assert min(arxiv.done[kind] for kind in ("copied", "withdraw", "move", "delete", "restore")) > 3
    assert min(reasons[why] for why in ("copy_of_test", "duplicate_text", "withdrawn")) > 10
    print(f"seed {seed}: {rules}, {dict(arxiv.done)}, {dict(reasons)}")


def _is_clean(made: dict[str, Built]) -> Counter[str]:
    """Sides are those of the ids, texts stand once, on one side; return why others are not used."""
    rows = pl.concat(read_table(shard_paths(made[name])) for name in TABLES)
    assert rows["id"].is_unique().all()
    wrong = [r["id"] for r in rows.to_dicts() if r["side"] != side_of(r["id"], SALT)]
    assert wrong == []
    used = rows.filter(pl.col("excluded_because").is_null())
    assert used["text_sha256"].is_unique().all()
    documents = {side: _documents(made["tokens"], side) for side in ("train", "test")}
    assert documents["train"] and documents["test"]
    for side, found in documents.items():
        assert len(found) == used.filter(pl.col("side") == side).height
        assert len(set(found)) == len(found), "one text in two writings"
    assert not set(documents["train"]) & set(documents["test"])
    return Counter(rows["excluded_because"].drop_nulls())


def _documents(tokens: Built, side: str) -> list[tuple[int, ...]]:
    found = []
    for stream in tokens.facts["streams"]:
        if stream["side"] == side:
            ids, offsets = (
                np.load(tokens.path / stream["name"] / f"{name}.npy")
                for name in ("tokens", "offsets")
            )
            found += [tuple(ids[start:end].tolist()) for start, end in pairwise(offsets)]
    return found


def _content(made: dict[str, Built]) -> dict[str, tuple[str, dict[str, str]]]:
    return {name: (built.fingerprint, dict(built.files)) for name, built in made.items()}


def _is_as_it_was(home: Home, months: list[Month], made: dict[Month, dict[str, Built]]) -> None:
    """Old releases, made again where they lie and where nothing is, are what they were."""
    before = of_folder(home.root)
    elsewhere = Home(home.root / "again", home.rules, home.tokenizer, home.papers, home.windows)
    for number in (0, 3, len(months) - 2):
        month = months[number]
        for place in (home, elsewhere):
            again = place.make(month, n_windows=number)
            assert _content(again) == _content(made[month]), month
            for built in again.values():
                held = {name: of_file(built.path / name) for name in built.files}
                assert held == dict(built.files)
    after = of_folder(home.root)
    assert {name: after.get(name) for name in before if not name.endswith(".json")} == {
        name: digest for name, digest in before.items() if not name.endswith(".json")
    }
