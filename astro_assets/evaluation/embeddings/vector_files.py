"""Files of vectors that another model made of the same papers: ada-002's, say.

``.npz`` with ``ids`` (n,) of text and ``vectors`` (n, d) of numbers, or Parquet with columns ``id``
and ``vector`` (a list of d numbers). They come from outside: nothing is unpickled, and sizes are
looked at before anything is read. Such a file stands for the baseline, or beside it as a space of
its own. What does not belong here: our own folders of vectors (folder).
"""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from astro_assets.artifacts import fingerprint
from astro_assets.errors import BadSettingError
from astro_assets.evaluation.embeddings.folder import Vectors

BASELINE_SETTING, VECTORS_SETTING = "ASTRO_BASELINE_ENCODER", "ASTRO_VECTORS_FILE"
"""What names a file of vectors: in the baseline's place, or as a space beside it."""
SUFFIXES = (".npz", ".parquet")
MAX_BYTES = 8 << 30
"""Of the arrays: a million vectors of 2,048 float32 numbers."""
MAX_WIDTH = 65_536
_MAX_NAME = 60
_TAKEN = frozenset({"base", "tuned", "champion", "model", "baseline", "bm25"})
"""Names that other spaces have on pages."""


@dataclass(frozen=True)
class VectorFile:
    """A file whose vectors are a space of their own, beside the models and the baseline."""

    path: Path
    """Where it is."""
    name: str
    """What reports call the space: the file's stem on one bounded line."""
    digest: str
    """sha256 of its bytes."""

    @classmethod
    def of(cls, path: Path) -> VectorFile:
        """Name and digest a file; its vectors are read later.

        Raises:
            BadSettingError: by its ending it is no file of vectors.
        """
        if path.suffix.casefold() not in SUFFIXES:
            raise BadSettingError(
                f"{VECTORS_SETTING} names {str(path)[:200]}, which is no file of vectors.",
                expected="a file whose name ends in .npz or .parquet.",
                do=f"Set {VECTORS_SETTING} to one, or leave it empty.",
            )
        seen = (
            c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in path.stem[:_MAX_NAME]
        )
        name = " ".join("".join(seen).split()) or "vectors"
        if name.casefold() in _TAKEN:
            name = f"{name} (file)"
        return cls(path, name, fingerprint.of_file(path))


def read_vector_file(
    path: Path, ids: Collection[str], *, setting: str = BASELINE_SETTING
) -> dict[str, Vectors]:
    """Return id -> (d,) float32 for those of the papers that the file has.

    Args:
        path: An ``.npz`` or Parquet file.
        ids: Papers that are wanted.
        setting: What named the file: errors say so.

    Raises:
        BadSettingError: the file is no such file, is too large, names a paper twice, or a vector is
            of another length than the others, or not finite.
    """
    source = _Source(path, setting)
    if path.suffix.casefold() == ".npz":
        names, vectors = _from_npz(source, set(ids))
    else:
        names, vectors = _from_parquet(source, set(ids))
    if len(set(names)) != len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        source.refuse(f"names {twice!r} twice")
    if not np.isfinite(vectors).all():
        row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        source.refuse(f"has numbers for {names[row]!r} that are not finite")
    return dict(zip(names, vectors, strict=True))


@dataclass(frozen=True)
class _Source:
    """A file and the setting that names it, for what is wrong with it."""

    path: Path
    setting: str

    def check_width(self, width: int) -> None:
        if not 1 <= width <= MAX_WIDTH:
            self.refuse(f"has vectors of {width:,} numbers")

    def refuse(self, found: str) -> NoReturn:
        raise BadSettingError(
            f"The file of vectors {self.path} {found}.",
            expected="ids and finite vectors of one length (.npz: ids, vectors; Parquet: id, "
            "vector).",
            do=f"Mend the file, or set {self.setting} otherwise.",
        )


def _from_npz(source: _Source, wanted: set[str]) -> tuple[list[str], Vectors]:
    path = source.path
    try:
        with zipfile.ZipFile(path) as archive:
            n_bytes = sum(member.file_size for member in archive.infolist())
        if n_bytes > MAX_BYTES:
            source.refuse(f"unpacks to {n_bytes:,} bytes")
        with np.load(path, allow_pickle=False) as given:
            ids, vectors = given["ids"], given["vectors"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        source.refuse(f"cannot be read ({str(error)[:200]})")
    if ids.ndim != 1 or ids.dtype.kind != "U":
        source.refuse(f"has ids of {ids.dtype} and shape {ids.shape}")
    if vectors.ndim != 2 or len(vectors) != len(ids) or vectors.dtype.kind not in "fiu":
        source.refuse(f"has vectors of {vectors.dtype} and shape {vectors.shape}")
    source.check_width(vectors.shape[1])
    rows = [row for row, name in enumerate(ids.tolist()) if name in wanted]
    return [str(ids[row]) for row in rows], _single(vectors[rows])


def _from_parquet(source: _Source, wanted: set[str]) -> tuple[list[str], Vectors]:
    import polars as pl

    path = source.path
    if path.stat().st_size > MAX_BYTES:
        source.refuse(f"has {path.stat().st_size:,} bytes")
    try:
        found = (
            pl.scan_parquet(path)
            .select(pl.col("id").cast(pl.String), "vector")
            .filter(pl.col("id").is_in(list(wanted)))
            .select("id", pl.col("vector").cast(pl.List(pl.Float32)))
            .collect()
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        source.refuse(f"cannot be read ({str(error)[:200]})")
    widths = found["vector"].list.len().unique().to_list()
    if len(widths) > 1 or widths == [None]:
        source.refuse(f"has vectors of {len(widths)} lengths, {widths[:3]}")
    width = int(widths[0]) if widths else 0
    if width:
        source.check_width(width)
    if found["vector"].explode().null_count():
        source.refuse("has vectors with numbers missing")
    flat = found["vector"].explode().to_numpy()
    return found["id"].to_list(), _single(flat.reshape(len(found), width))


def _single(vectors: NDArray[np.generic]) -> Vectors:
    """Return float32; what does not fit becomes infinite and is refused with its name."""
    with np.errstate(over="ignore"):
        return vectors.astype(np.float32)
