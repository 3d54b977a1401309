"""What a release's page and the index show, as plain values; also what is written beside as JSON.

What does not belong here: how it looks (``release``, ``index``, ``sections``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from astro_assets.corpus.published import Published


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
class PageForgetting:
    """What promotion reads of forgetting, and how it judges it; None: not measured."""

    rise: float | None = None
    """Share by which perplexity rose above the base's."""
    rise_on: str = "far fields"
    """What it rose on; all general fields where a release has no far ones."""
    rise_is_allowed: bool | None = None
    drift_nats_per_token: float | None = None
    """Of the tuned model from its base, on the base's own text."""
    drift_is_allowed: bool | None = None


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
    """Share by which promotion lets perplexity rise on far fields."""
    allowed_drift: float = 0.25
    """Nats per token that promotion lets the model be away from its base on the base's own text."""
    forgetting: PageForgetting = field(default_factory=PageForgetting)
    """Judged by these bounds."""
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
    train_tokens: int | None = None
    base_bits: float | None = None
    """Bits per byte of held-out astronomy."""
    tuned_bits: float | None = None
    champion_bits: float | None = None
    """Of the champion the model was compared with."""
    rise_far: float | None = None
    """Share by which perplexity on far fields rose above the base's."""
    drift_nats_per_token: float | None = None
    """Of the tuned model from its base, on the base's own text."""
