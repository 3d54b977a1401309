"""Files of vectors that another model made of the same papers: ada-002's, say.

``.npz`` with ``ids`` (n,) of text and ``vectors`` (n, d) of numbers, or Parquet with columns ``id``
and ``vector`` (a list of d numbers). They come from outside: nothing is unpickled, and sizes are
looked at before anything is read. What does not belong here: our own folders of vectors (folder).
"""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from astro_assets.errors import BadSettingError
from astro_assets.evaluation.embeddings.folder import Vectors

SUFFIXES = (".npz", ".parquet")
MAX_BYTES = 8 << 30
"""Of the arrays: a million vectors of 2,048 float32 numbers."""
MAX_WIDTH = 65_536


def read_vector_file(path: Path, ids: Collection[str]) -> dict[str, Vectors]:
    """Return id -> (d,) float32 for those of the papers that the file has.

    Args:
        path: An ``.npz`` or Parquet file.
        ids: Papers that are wanted.

    Raises:
        BadSettingError: the file is no such file, is too large, names a paper twice, or a vector is
            of another length than the others, or not finite.
    """
    if path.suffix.casefold() == ".npz":
        names, vectors = _from_npz(path, set(ids))
    else:
        names, vectors = _from_parquet(path, set(ids))
    if len(set(names)) != len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        _refuse(path, f"names {twice!r} twice")
    if not np.isfinite(vectors).all():
        row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        _refuse(path, f"has numbers for {names[row]!r} that are not finite")
    return dict(zip(names, vectors, strict=True))


def _from_npz(path: Path, wanted: set[str]) -> tuple[list[str], Vectors]:
    try:
        with zipfile.ZipFile(path) as archive:
            n_bytes = sum(member.file_size for member in archive.infolist())
        if n_bytes > MAX_BYTES:
            _refuse(path, f"unpacks to {n_bytes:,} bytes")
        with np.load(path, allow_pickle=False) as given:
            ids, vectors = given["ids"], given["vectors"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        _refuse(path, f"cannot be read ({str(error)[:200]})")
    if ids.ndim != 1 or ids.dtype.kind != "U":
        _refuse(path, f"has ids of {ids.dtype} and shape {ids.shape}")
    if vectors.ndim != 2 or len(vectors) != len(ids) or vectors.dtype.kind not in "fiu":
        _refuse(path, f"has vectors of {vectors.dtype} and shape {vectors.shape}")
    _check_width(path, vectors.shape[1])
    rows = [row for row, name in enumerate(ids.tolist()) if name in wanted]
    return [str(ids[row]) for row in rows], _single(vectors[rows])


def _from_parquet(path: Path, wanted: set[str]) -> tuple[list[str], Vectors]:
    import polars as pl

    if path.stat().st_size > MAX_BYTES:
        _refuse(path, f"has {path.stat().st_size:,} bytes")
    try:
        found = (
            pl.scan_parquet(path)
            .select(pl.col("id").cast(pl.String), "vector")
            .filter(pl.col("id").is_in(list(wanted)))
            .select("id", pl.col("vector").cast(pl.List(pl.Float32)))
            .collect()
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        _refuse(path, f"cannot be read ({str(error)[:200]})")
    widths = found["vector"].list.len().unique().to_list()
    if len(widths) > 1 or widths == [None]:
        _refuse(path, f"has vectors of {len(widths)} lengths, {widths[:3]}")
    width = int(widths[0]) if widths else 0
    if width:
        _check_width(path, width)
    if found["vector"].explode().null_count():
        _refuse(path, "has vectors with numbers missing")
    flat = found["vector"].explode().to_numpy()
    return found["id"].to_list(), _single(flat.reshape(len(found), width))


def _single(vectors: NDArray[np.generic]) -> Vectors:
    """Return float32; what does not fit becomes infinite and is refused with its name."""
    with np.errstate(over="ignore"):
        return vectors.astype(np.float32)


def _check_width(path: Path, width: int) -> None:
    if not 1 <= width <= MAX_WIDTH:
        _refuse(path, f"has vectors of {width:,} numbers")


def _refuse(path: Path, found: str) -> NoReturn:
    raise BadSettingError(
        f"The file of vectors {path} {found}.",
        expected="ids and finite vectors of one length (.npz: ids, vectors; Parquet: id, vector).",
        do="Mend the file, or set ASTRO_BASELINE_ENCODER otherwise.",
    )
