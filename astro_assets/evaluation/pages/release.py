"""The page people read, one per release, and the index over releases: self-contained HTML.

No script, nothing loaded from anywhere, all text escaped; figures are inline. A part that a run did
not make says so instead of being silently absent. What does not belong here: computing numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from astro_assets.artifacts import atomic
from astro_assets.corpus.published import Published
from astro_assets.evaluation.figures import release as figures
from astro_assets.evaluation.figures.learning_curve import learning_curve
from astro_assets.evaluation.pages import rows as page_rows
from astro_assets.evaluation.pages.text import cleaned, number, percent, perplexity

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\.html")


@dataclass(frozen=True)
class PageModel:
    """Which model the page is about."""

    name: str
    version: int | None
    """None: not registered."""
    aliases: tuple[str, ...]
    base: str
    """The base's name and, from a hub, its revision."""
    recipe: str


@dataclass(frozen=True)
class PageVerdict:
    """The promotion decision."""

    promoted: bool
    reasons: tuple[str, ...]
    """One sentence per rule, "passed: …" or "failed: …"."""


@dataclass(frozen=True)
class PageCorpus:
    """What the release consists of; papers are those that became tokens."""

    papers: int
    papers_any: int
    papers_primary: int
    excluded: Mapping[str, int]
    """Reason -> papers."""
    train_tokens: int | None = None
    test_tokens: int | None = None
    median_tokens: float | None = None
    """Per abstract."""
    papers_by_year: Mapping[int, int] = field(default_factory=dict)
    statistics: Mapping[str, Any] | None = None
    """As ``corpus.statistics`` makes them; None: no tokens, or made before there were any."""
    published: Published = field(default_factory=Published)
    """The paper's figures beside ours, or why not."""


@dataclass(frozen=True)
class PageLineage:
    """One thing the release is made of."""

    asset: str
    fingerprint: str
    code_version: str


@dataclass(frozen=True)
class ReleasePage:
    """Everything a release's page shows; None says that this run did not make that part."""

    release: str
    """``YYYY-MM``."""
    model: PageModel | None = None
    verdict: PageVerdict | None = None
    corpus: PageCorpus | None = None
    learning_curve: Sequence[Mapping[str, Any]] | None = None
    """Points of training, as training writes them."""
    heldout_curve: Sequence[Mapping[str, Any]] = ()
    """Held-out measurements during training; none in trainings from before they were taken."""
    perplexity: Mapping[str, Any] | None = None
    embeddings: Mapping[str, Any] | None = None
    completions: Mapping[str, Any] | None = None
    knowledge: Mapping[str, Any] | None = None
    lineage: Sequence[PageLineage] = ()
    run_ids: Mapping[str, str] = field(default_factory=dict)
    """Where the runs are to be found: {"Dagster": …, "MLflow": …}."""
    allowed_rise: float = 0.05
    """Share by which promotion lets general perplexity rise above the base's."""
    warnings: Sequence[str] = ()
    """What a reader must know before the numbers, as that texts may be newer than the release."""


@dataclass(frozen=True)
class IndexEntry:
    """One release in the index."""

    release: str
    page: str
    """File name of its page, beside the index."""
    model: str | None = None
    """Name and version, as "astrollama 4"."""
    is_champion: bool = False
    promoted: bool | None = None
    papers: int | None = None
    base_astro: float | None = None
    """Held-out perplexity."""
    tuned_astro: float | None = None
    rise_general: float | None = None
    """Share by which general perplexity rose above the base's."""


def render_release_page(content: ReleasePage, path: Path) -> Path:
    """Write a release's page atomically and return its path."""
    text = _environment().get_template("release.html").render(page=content, rows=page_rows)
    atomic.write_text(path, _tidy(text))
    return path


def render_index(entries: Sequence[IndexEntry], path: Path) -> Path:
    """Write the index over releases, newest first, atomically and return its path.

    Raises:
        ValueError: a page is not a plain HTML file name beside the index.
    """
    for entry in entries:
        if not _FILE_NAME.fullmatch(entry.page):
            raise ValueError(f"{entry.page[:80]!r} is no file name of a page")
    newest_first = sorted(entries, key=lambda entry: entry.release, reverse=True)
    text = _environment().get_template("index.html").render(entries=newest_first)
    atomic.write_text(path, _tidy(text))
    return path


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("astro_assets.evaluation.pages", "templates"),
        autoescape=select_autoescape(["html"], default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(text=cleaned, number=number, percent=percent, perplexity=perplexity)
    environment.globals["learning_curve"] = _figure(learning_curve)
    environment.globals.update(
        {
            name: _figure(getattr(figures, name))
            for name in (
                "perplexity_bars",
                "similarity_bins",
                "similarity_histogram",
                "papers_per_year",
            )
        }
    )
    return environment


def _figure(draw: Any) -> Any:
    """Return a figure drawn as markup that is not escaped again: matplotlib escapes its text."""
    return lambda *given: Markup(draw(*given))


def _tidy(text: str) -> str:
    """Return the page without the blank lines that template tags leave."""
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip()) + "\n"
