"""Papers like a text or another paper, in the terminal: the tuned model's vectors are searched.

Titles come from outside: they are cut, stripped of control characters, and escaped. What does not
belong here: what is near (evaluation.embeddings.search), and making vectors.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.corpus.texts import clean_abstract
from astro_assets.errors import (
    BadReleaseError,
    DamagedArtifactError,
    MissingArtifactError,
    UnknownNameError,
)
from astro_assets.evaluation.embeddings.folder import EmbeddingsFolder
from astro_assets.evaluation.embeddings.mentions import as_arxiv_id
from astro_assets.months import Month
from astro_assets.settings import Settings

if TYPE_CHECKING:
    from astro_assets.evaluation.embeddings.folder import Vectors
    from astro_assets.evaluation.embeddings.search import Found

SPACE = "tuned"
"""The space that is searched: the release's own model."""
_MAX_CHARACTERS = 90


@dataclass(frozen=True)
class SimilarResult:
    """What a search found."""

    release: str
    """``YYYY-MM``, whose model and papers were searched."""
    query: str
    """The arXiv id without version, or the text, as searched for."""
    is_paper: bool
    """Whether the query is a paper."""
    title: str | None
    """Of the paper that is the query."""
    n_papers: int
    """How many were searched: the held-out papers that were embedded."""
    first_month: str | None
    """``YYYY-MM``, the first in which one of the compared papers was submitted; None: unknown."""
    last_month: str | None
    """The last one: growth never displaces old papers, so those after it may not be searched."""
    found: list[Found]
    """Near to far."""


def similar(settings: Settings, query: str, *, k: int, release: str | None) -> SimilarResult:
    """Return the k embedded papers nearest to a text, or to a paper given by its arXiv id.

    A paper that is itself embedded is searched with its own vector and not returned; another one of
    the release, with that of its abstract.

    Args:
        settings: The home.
        query: A text, or an arXiv id, with version and address or without.
        k: How many papers, 1 to 1,000.
        release: ``YYYY-MM``; None: the newest with embeddings.

    Raises:
        MissingArtifactError: no embeddings, or the model is gone.
        UnknownNameError: the release has no paper of that id.
        BadSettingError: the query is empty, or k out of bounds.
        DamagedArtifactError: vectors and model do not belong together.
        BadModelError: the model cannot be used.
    """
    from astro_assets.evaluation.embeddings.search import search

    store = Store(Home(settings.home))
    embeddings = _embeddings(store, str(Month.parse(release)) if release else None)
    folder = EmbeddingsFolder.open(store.path_of(embeddings))
    if SPACE not in folder.labels:
        raise DamagedArtifactError(
            f"{folder.path} holds no vectors of a trained model.",
            expected=f"the space {SPACE}.",
            do=f"Materialise embeddings, release {embeddings.release} again.",
        )
    paper = as_arxiv_id(query)
    months = folder.papers["submission_month"].head(folder.n_figure).drop_nulls().to_list()
    asked, title, vector = _query(store, embeddings, folder, paper=paper, text=query)
    return SimilarResult(
        release=str(embeddings.release),
        query=asked,
        is_paper=paper is not None,
        title=title,
        n_papers=folder.n_rows,
        first_month=min(months, default=None),
        last_month=max(months, default=None),
        found=search(folder, vector, space=SPACE, k=k, without=paper),
    )


def as_json(result: SimilarResult) -> dict[str, Any]:
    """Return a result as plain values."""
    return asdict(result)


def show(result: SimilarResult, console: Console) -> None:
    """Print what was searched for, and a line per paper found."""
    asked = result.query if result.title is None else f"{result.query}  {result.title}"
    _print(console, f"[bold]{escape(_line(asked))}[/]")
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "similarity", "id", "month", "title"):
        table.add_column(heading, justify="left" if heading in ("id", "title") else "right")
    for found in result.found:
        table.add_row(
            str(found.rank),
            f"{found.similarity:.3f}",
            escape(_line(found.id)),
            escape(_line(found.submission_month or "–")),
            escape(_line(found.title)),
        )
    console.print(table)
    _print(
        console,
        f"[dim]Cosine after the mean is taken off, {result.n_papers:,} held-out papers of "
        f"release {result.release}.{escape(_span(result))}[/]",
    )


def _span(result: SimilarResult) -> str:
    """Return which months the searched papers are of; nothing where that is unknown."""
    if result.first_month is None or result.last_month is None:
        return ""
    first, last = _line(result.first_month), _line(result.last_month)
    return f" First submitted {first} to {last}; later papers may not be among them."


def _embeddings(store: Store, release: str | None) -> Manifest:
    """Return the embeddings of a release, or of the newest release that has any."""
    if release is not None:
        return store.require("embeddings", release)
    for month in _releases(store.home.releases):
        manifest = store.current("embeddings", month)
        if manifest is not None and store.path_of(manifest).exists():
            return manifest
    raise MissingArtifactError(
        f"No release in {store.home.root} has embeddings.",
        do="Run `astro-assets run`, or materialise embeddings of a release; then ask again.",
    )


def _releases(folder: Path) -> list[str]:
    """Return the months that have a folder, newest first; other folders are passed over."""
    months = []
    for path in folder.glob("*-*"):
        try:
            months.append(str(Month.parse(path.name)))
        except BadReleaseError:
            continue
    return sorted(months, reverse=True)


def _query(
    store: Store, embeddings: Manifest, folder: EmbeddingsFolder, *, paper: str | None, text: str
) -> tuple[str, str | None, Vectors]:
    """Return what is searched for, its title where it is a paper, and its vector."""
    if paper is None:
        asked = clean_abstract(text)
        return asked, None, _embedded(store, embeddings, asked)
    ids, vectors = folder.papers["id"].to_list(), folder.vectors(SPACE, "abstracts")
    if paper in ids and vectors is not None:
        row = ids.index(paper)
        return paper, folder.papers["title"][row], vectors[row]
    title, abstract = _paper(store, str(embeddings.release), paper)
    return paper, title, _embedded(store, embeddings, clean_abstract(abstract))


def _embedded(store: Store, embeddings: Manifest, text: str) -> Vectors:
    """Return the vector of a text by the very model that the searched vectors were made with."""
    from astro_assets.evaluation.embeddings.search import embed_query
    from astro_assets.registry.release_models import models_of_release

    release = str(embeddings.release)
    tuned = store.require("lora_checkpoint", release)
    if embeddings.parents.get("lora_checkpoint") != tuned.fingerprint:
        raise DamagedArtifactError(
            f"embeddings, release {release} were made with another model than its present one.",
            expected=f"vectors of {tuned.fingerprint[:12]}….",
            do=f"Materialise embeddings, release {release} again.",
        )
    return embed_query(models_of_release(store, release)[SPACE], text)


def _paper(store: Store, release: str, paper: str) -> tuple[str, str]:
    """Return title and abstract of a paper of the release, whichever side it is on."""
    import polars as pl

    papers = store.require("astro_ph_papers", release)
    shards = [store.path_of(papers) / shard["file"] for shard in papers.facts["shards"]]
    try:
        rows = (
            pl.scan_parquet(shards)
            .filter(pl.col("id") == paper)
            .select("title", "abstract")
            .collect()
            .rows()
            if shards
            else []
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DamagedArtifactError(
            f"The papers of release {release} cannot be read ({str(error)[:200]}).",
            do=f"Materialise astro_ph_papers, release {release} again.",
        ) from error
    if not rows:
        raise UnknownNameError(
            f"Release {release} has no paper {paper}.",
            expected="an arXiv id of astro-ph up to that month, or a text.",
            do="Give the paper's abstract in quotation marks, or a later release.",
        )
    title, abstract = rows[0]
    return title or "", abstract or ""


def _line(text: str) -> str:
    """Return text from outside as one bounded line without control characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _MAX_CHARACTERS else line[: _MAX_CHARACTERS - 1] + "…"


def _print(console: Console, line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True)
