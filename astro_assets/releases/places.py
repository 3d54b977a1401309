"""The names of what we make, and the folders we make it in. Nothing else is ever removed.

Harvest windows are not among them: raw pages can never be had again, and the rows kept beside them
are theirs. Neither are the ledger, the reports, Dagster's and MLflow's folders, and snapshots that
were downloaded or harvested. A link is never followed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from astro_assets.artifacts.home import Home
from astro_assets.code_versions import ASIDE, CODE_VERSIONS

_KEY = r"[0-9a-f]{16}"
_MONTH = r"[0-9]{4}-[0-9]{2}"
_SHARD = rf"{_MONTH}-{_KEY}\.parquet"
# Field, month, side, tokenizer (not in the oldest homes), and then content.
_STREAM = rf"(astro|general)-{_MONTH}-(train|test)-([0-9a-f]{{8}}-)?"
_SNAPSHOT_PROOFS = rf"papers-snapshot-{_KEY}\.json"
_ASSETS = "|".join((*CODE_VERSIONS, *ASIDE))
_RANDOM = r"[a-z0-9_]{8}"
_HARVEST = "snapshots/oai-*"
_NAME_CHARACTERS = 40
"""What the atomic writes keep of a name in the name of the temporary file beside it."""


@dataclass(frozen=True)
class Place:
    """One kind of thing we make, and where."""

    kind: str
    """As people read it: ``paper shards``."""
    folder: str
    """Relative to the home; ``*`` stands for any name of one folder, or for part of it."""
    name: str
    """Regular expression of the whole name."""
    is_folder: bool = False
    cut: str = ""
    """Regular expression of the first 40 characters, where a name is longer than that."""


PLACES = (
    Place("manifests", "manifests/*", r"[0-9a-f]{64}\.json", cut=r"[0-9a-f]{40}"),
    Place("paper shards", "papers/astro_ph_papers", _SHARD),
    Place("paper shards", "papers/general_papers", _SHARD),
    Place("papers of a snapshot", "papers/snapshot", _KEY, is_folder=True),
    Place("paper shards", "papers/snapshot/*/astro", _SHARD),
    Place("paper shards", "papers/snapshot/*/general", _SHARD),
    Place("token streams", "tokens", _STREAM + _KEY, is_folder=True, cut=_STREAM + r"[0-9a-f]+"),
    Place(
        "words of months", "near_copies", _STREAM + _KEY + r"\.npz", cut=_STREAM + _KEY + r"\.np?"
    ),
    Place("lists of near copies", "near_copies", rf"pairs-{_KEY}\.parquet"),
    Place("adapters", "adapters", _KEY, is_folder=True),
    # Unfinished ones are gone on with; which of them may go is for ``unfinished`` to say.
    Place("unfinished trainings", "trainings", _KEY, is_folder=True),
    Place(
        "evaluations",
        "evaluations",
        rf"(perplexity|embeddings|similarity|completions|knowledge|decision)-{_KEY}",
        is_folder=True,
    ),
    Place("bases", "bases", rf"scratch-{_KEY}", is_folder=True),
    Place("downloaded models", "bases/downloaded/*", r"[0-9]+", is_folder=True),
    # What is on record of a snapshot's folder goes with it.
    Place("records of removed files", "proofs", _SNAPSHOT_PROOFS),
    Place("generated snapshots", "snapshots", rf"synthetic-[0-9]+-{_MONTH}\.zip"),
)

_BESIDE = (
    Place("", "releases/*", rf"({_ASSETS})\.json"),
    Place("", "reports", rf"({_MONTH}|index|leaderboard)\.(html|json)"),
    Place("", "", r"warehouse\.duckdb"),
    # DuckDB's spill folder, beside the shards it was to write.
    Place("", "papers/*", r"duckdb"),
    Place("", "papers/snapshot/*", r"duckdb|keys\.parquet"),
    Place("", "proofs", r"(papers-(astro_ph|general)_papers|tokens|near_copies)\.json"),
    # Of windows these siblings alone: no page was ever in them whole.
    Place("", "windows/*", r"page-[0-9]{5}\.xml\.gz|journal\.jsonl"),
    Place("", "windows/*", r"rows-[0-9a-f]{16}\.parquet|duckdb"),
    # What we write of a training; its trainer may be at work, and what it writes is its own.
    Place("", "trainings", rf"parent-{_KEY}\.json"),
    Place("", "trainings/*", r"(job|mlflow)\.json|heldout\.npz|replay\.npy"),
    # A full harvest, and Kaggle's download. Its `.part` is no such sibling: it is gone on with.
    Place("", _HARVEST, r"arxiv-oai\.jsonl\.gz"),
    Place("", f"{_HARVEST}/astro-ph", r"page-[0-9]{5}\.xml\.gz|journal\.jsonl"),
    Place("", f"{_HARVEST}/general", r"page-[0-9]{5}\.xml\.gz|journal\.jsonl|failed\.txt"),
    Place("", "snapshots/kaggle", r"(newest|begun)\.json"),
    Place("", "snapshots/kaggle/*", r"about\.json|\.part\.json"),
)
"""Where else killed writes leave temporary siblings."""


def entries_of(home: Home, place: Place) -> Iterator[Path]:
    """Yield what lies in a place under a name of its kind; links are passed over."""
    name = re.compile(place.name)
    for folder in _folders(home.root, place.folder):
        for entry in _scan(folder):
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_folder == place.is_folder and name.fullmatch(entry.name) and _is_real(entry):
                yield Path(entry.path)


def temporaries(home: Home) -> Iterator[Path]:
    """Yield the temporary siblings (``.name.xxxxxxxx``) that writes make and killed ones leave."""
    for place in (*PLACES, *_BESIDE):
        for folder in _folders(home.root, place.folder):
            for entry in _scan(folder):
                stem = _stem(entry.name)
                if stem is not None and _is_real(entry) and _fits(place, stem):
                    yield Path(entry.path)


def links_in(home: Home) -> list[str]:
    """Return our own folders that are links, relative to the home: nothing in them is touched."""
    parts = {part for place in PLACES for part in _prefixes(place.folder) if "*" not in part}
    return sorted(part for part in parts if (home.root / part).is_symlink())


def _folders(root: Path, pattern: str) -> list[Path]:
    """Return the folders a pattern names, none of them or their parents (below root) a link."""
    found = [root]
    for part in pattern.split("/") if pattern else []:
        found = [
            Path(entry.path)
            for folder in found
            for entry in _scan(folder)
            if entry.is_dir(follow_symlinks=False)
            and (part == entry.name or _matches(entry.name, part))
        ]
    return found


def _matches(name: str, part: str) -> bool:
    """Tell whether a folder is meant; a hidden one never is."""
    return not name.startswith(".") and fnmatchcase(name, part)


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return []


def _is_real(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False)


def _stem(name: str) -> str | None:
    """Return the name a temporary sibling stands for.

    >>> _stem(".2026-06.html.k3v_x0aa"), _stem("2026-06.html")
    ('2026-06.html', None)
    >>> _stem("tmp_.rows-c3ae.parquet.ffvm7zc8"), _stem(".warehouse.duckdb.k3v_x0aa.wal")
    ('rows-c3ae.parquet', 'warehouse.duckdb')
    """
    # DuckDB writes beside what it was told to write, and a log beside its database.
    match = re.fullmatch(rf"(?:tmp_)?\.(.+)\.{_RANDOM}(?:\.wal)?", name)
    return match[1] if match else None


def _fits(place: Place, stem: str) -> bool:
    """Tell whether a stem is a name of the place, or the beginning of one."""
    if re.fullmatch(place.name, stem):
        return True
    is_cut = bool(place.cut) and len(stem) == _NAME_CHARACTERS
    return is_cut and re.fullmatch(place.cut, stem) is not None


def _prefixes(folder: str) -> list[str]:
    parts = folder.split("/")
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]
