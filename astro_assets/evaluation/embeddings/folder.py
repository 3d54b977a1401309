"""The folder of vectors that ``build_embeddings`` makes, opened and checked.

::

    ids.json               what it is: labels, baseline, vectors, n_figure, n_extra, n_cut, ...
    papers.parquet         one row per paper, in the order of the vectors
    <space>.npy            (n_figure + n_extra, d) abstracts
    <space>_titles.npy     (n_figure, d) titles
    <space>_masked.npy     (n_figure, d) abstracts without the words of their own titles
    <space>_train.npy      (n_train, d) abstracts of train papers: for means and whitening

Spaces are the labels of the models, ``vectors`` where a file of another model's was given beside
them, and ``baseline``. What comes from a file has abstracts only; names that people gave stand in
ids.json, never in a file's name. What does not belong here: making the vectors (spaces), what is
read off them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from astro_assets.errors import DamagedArtifactError, MissingArtifactError

if TYPE_CHECKING:
    import polars as pl

BASELINE = "baseline"
"""Name of the space that stands beside those of the models."""
VECTORS = "vectors"
"""Name of the space that a file of vectors gives, whatever the file is called."""
IDS, PAPERS = "ids.json", "papers.parquet"
MAX_IDS_BYTES = 16 << 20
MAX_PAPERS_BYTES = 512 << 20
_SUFFIX = {"abstracts": "", "titles": "_titles", "masked": "_masked", "train": "_train"}
_COLUMNS = frozenset(
    {"id", "title", "submission_month", "categories", "subfield", "comments", "text", "masked"}
)

Kind = Literal["abstracts", "titles", "masked", "train"]
"""Which texts of a space."""
Vectors = NDArray[np.float32]
"""(n, d), one row per text."""


def file_name(space: str, kind: Kind) -> str:
    """Return the name of one array's file.

    >>> file_name("tuned", "abstracts"), file_name("baseline", "train")
    ('tuned.npy', 'baseline_train.npy')
    """
    return f"{space}{_SUFFIX[kind]}.npy"


@dataclass(frozen=True)
class EmbeddingsFolder:
    """An opened folder of vectors; arrays are read when asked for, and checked then."""

    path: Path
    """Where it is."""
    labels: tuple[str, ...]
    """Of the causal models, in the order they were given: ("base", "tuned") or ("model",)."""
    baseline: str
    """What reports call the baseline."""
    vectors_name: str | None
    """What reports call the space ``vectors``; None where there is none."""
    n_figure: int
    """The first so many rows are the papers that are compared."""
    n_extra: int
    """Rows behind them: papers that name each other in comments, for that retrieval only."""
    n_train: int
    """Train papers that means and whitening are fitted on."""
    about: dict[str, Any] = field(compare=False)
    """ids.json as it stands, without the ids."""

    @classmethod
    def open(cls, path: Path) -> EmbeddingsFolder:
        """Open a folder and check what it says of itself.

        Raises:
            MissingArtifactError: there is no such folder, or no ids.json in it.
            DamagedArtifactError: ids.json is no list of what embeddings hold.
        """
        about = _read_about(path / IDS)
        try:
            return cls(
                path=path,
                labels=tuple(str(label) for label in about["labels"]),
                baseline=str(about["baseline"]),
                # Folders from before there could be any do not say.
                vectors_name=None if about.get(VECTORS) is None else str(about[VECTORS]),
                n_figure=int(about["n_figure"]),
                n_extra=int(about["n_extra"]),
                n_train=int(about["n_train"]),
                about=about,
            )
        except (KeyError, TypeError, ValueError) as error:
            _refuse(path / IDS, f"lacks or garbles {error}", "labels, baseline, n_figure, ...")

    @property
    def spaces(self) -> tuple[str, ...]:
        """The labels, ``vectors`` where there are any, and ``baseline``."""
        return (*self.compared, BASELINE)

    @property
    def compared(self) -> tuple[str, ...]:
        """The spaces that are compared with the baseline: all but itself."""
        return self.labels if self.vectors_name is None else (*self.labels, VECTORS)

    @property
    def n_rows(self) -> int:
        """Papers in all, in the figure and behind it."""
        return self.n_figure + self.n_extra

    @cached_property
    def papers(self) -> pl.DataFrame:
        """One row per paper, in the order of the vectors.

        Columns id, title (never null), submission_month, categories, subfield (null where the first
        category is none of astro-ph), comments, text, masked (null behind ``n_figure``).

        Raises:
            DamagedArtifactError: the file is gone, too large, or holds other rows or columns.
        """
        import polars as pl

        path = self.path / PAPERS
        _check_size(path, MAX_PAPERS_BYTES)
        try:
            papers = pl.read_parquet(path)
        except pl.exceptions.PolarsError as error:
            _refuse(path, f"cannot be read ({str(error)[:200]})", "a Parquet file of papers")
        if len(papers) != self.n_rows or not set(papers.columns) >= _COLUMNS:
            found = f"holds {len(papers)} rows of {sorted(papers.columns)}"
            _refuse(path, found, f"{self.n_rows} rows of {sorted(_COLUMNS)}")
        return papers

    def vectors(self, space: str, kind: Kind) -> Vectors | None:
        """Return one array as a read-only map of its file; None where the space has none.

        Rows: ``n_rows`` abstracts, ``n_figure`` titles and masked abstracts, ``n_train`` train
        abstracts. Copy what is to be changed.

        Args:
            space: One of ``spaces``.
            kind: Which texts.

        Raises:
            DamagedArtifactError: the file holds anything but that many rows of float32.
        """
        path = self.path / file_name(space, kind)
        if not path.is_file() and space in (BASELINE, VECTORS) and kind != "abstracts":
            return None
        n_rows = {"abstracts": self.n_rows, "train": self.n_train}.get(kind, self.n_figure)
        return _read_vectors(path, n_rows)

    def figure(self, space: str) -> Vectors:
        """Return the (n_figure, d) abstracts that are compared, likewise a read-only map.

        Raises:
            DamagedArtifactError: see ``vectors``.
        """
        return _read_vectors(self.path / file_name(space, "abstracts"), self.n_rows)[
            : self.n_figure
        ]


def _read_about(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise MissingArtifactError(
            f"There are no embeddings at {path.parent}.",
            expected=f"a folder with {IDS}.",
            do="Materialise embeddings.",
        )
    _check_size(path, MAX_IDS_BYTES)
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        _refuse(path, f"is no JSON ({str(error)[:200]})", "a JSON object")
    if not isinstance(about, dict):
        _refuse(path, f"holds a {type(about).__name__}", "a JSON object")
    return about


def _read_vectors(path: Path, n_rows: int) -> Vectors:
    expected = f"{n_rows} rows of float32"
    try:
        # Maps of nothing are refused by the system: an empty array is read.
        vectors = np.load(path, allow_pickle=False, mmap_mode="r" if n_rows else None)
    except (OSError, ValueError, EOFError) as error:
        _refuse(path, f"cannot be read ({str(error)[:200]})", expected)
    if vectors.ndim != 2 or len(vectors) != n_rows or vectors.dtype != np.float32:
        _refuse(path, f"holds {vectors.dtype} of shape {vectors.shape}", expected)
    found: Vectors = vectors
    return found


def _check_size(path: Path, most: int) -> None:
    if not path.is_file():
        _refuse(path, "is gone", f"a file of at most {most:,} bytes")
    if (n_bytes := path.stat().st_size) > most:
        _refuse(path, f"has {n_bytes:,} bytes", f"at most {most:,} bytes")


def _refuse(path: Path, found: str, expected: str) -> NoReturn:
    raise DamagedArtifactError(
        f"{path} {found}.", expected=f"{expected}.", do="Materialise embeddings again."
    )
