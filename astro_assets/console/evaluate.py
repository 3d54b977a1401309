"""``astro-assets evaluate``: models measured on a release under the home's lock, one by one.

A model that cannot be used fails alone, with its named error. What does not belong here: the
reports (``releases.evaluating``) and the page (``registry.scorecards``).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from astro_assets.artifacts import lock
from astro_assets.artifacts.disk import full_disk_named
from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Store
from astro_assets.console.display import Display, open_display
from astro_assets.console.quiet import quieten
from astro_assets.errors import AstroError, DiskFullError
from astro_assets.evaluation.pages.leaderboard import Scorecard, parameters
from astro_assets.evaluation.pages.text import number, percent
from astro_assets.evaluation.reports import rounded
from astro_assets.months import Month
from astro_assets.registry.model_lookup import Lookup, find_model
from astro_assets.registry.scorecards import evaluated_card, write_leaderboard
from astro_assets.registry.tracking import Tracking
from astro_assets.releases.evaluating import evaluate_model, needed, newest_measurable
from astro_assets.settings import Settings

_MOST_NAME_CHARACTERS = 80


@dataclass(frozen=True)
class Asked:
    """What a person asked for; None: not given."""

    models: tuple[str, ...]
    release: str | None = None
    base: str | None = None
    quantisation: str | None = None


@dataclass(frozen=True)
class Outcome:
    """How one model fared."""

    asked: str
    card: Scorecard | None = None
    """Its figures; None where it failed."""
    n_documents: int | None = None
    """Held-out abstracts it read."""
    parts: dict[str, str] | None = None
    """Part -> made or reused."""
    error: str | None = None
    """A named error's text."""


@dataclass(frozen=True)
class Ended:
    """What came of the command."""

    release: str
    outcomes: tuple[Outcome, ...]
    leaderboard: Path

    @property
    def success(self) -> bool:
        """Whether every model was measured."""
        return all(outcome.error is None for outcome in self.outcomes)


def evaluate(settings: Settings, asked: Asked, console: Console) -> Ended:
    """Measure every model that was asked for and write the leaderboard; progress on ``console``.

    Raises:
        MissingArtifactError: the release lacks what is needed; no model is looked at.
        HomeTakenError: another process writes to the home.
        DiskFullError: there is no room left.
    """
    home = Home(settings.home)
    store = Store(home)
    release = str(Month.parse(asked.release)) if asked.release else None
    release = release or newest_measurable(store, settings)
    for asset in needed(settings):
        store.require(asset, release)
    quieten()
    holder = f"`astro-assets evaluate` on release {release}"
    with full_disk_named(home.root), lock.exclusive(home.lock, holder=holder):
        try:
            with open_display(console) as display:
                outcomes = [
                    _one(settings, store, asked, release=release, model=model, display=display)
                    for model in dict.fromkeys(asked.models)
                ]
        finally:
            # Whatever ends it, what was measured until then is shown.
            board = write_leaderboard(home, store)
        return Ended(release, tuple(outcomes), board)


def _one(
    settings: Settings, store: Store, asked: Asked, *, release: str, model: str, display: Display
) -> Outcome:
    """Measure one model; its named error ends it and not the others."""
    said: dict[str, str] = {}

    def told(part: str, was_there: bool) -> None:
        said[part] = "reused" if was_there else "made"
        display.say(f"{'=' if was_there else '✓'} {_short(model)} {part} {said[part]}")

    try:
        found = find_model(model, _lookup(settings, store, asked))
        done = evaluate_model(
            store,
            release,
            settings,
            model=found,
            progress=display.for_log(display.say),
            told=told,
        )
    except DiskFullError:
        raise
    except AstroError as error:
        display.say(f"✗ {_short(model)} failed")
        return Outcome(model, parts=said, error=str(error))
    read = done.parts["perplexity"].facts["report"]["models"]["model"]["astro"]["per_document"]
    return Outcome(model, evaluated_card(done.parts), read["n_documents"], said)


def _lookup(settings: Settings, store: Store, asked: Asked) -> Lookup:
    keys = (path.stem for path in sorted((store.home.manifests / "base_model").glob("*.json")))
    bases = [made for key in keys if (made := store.find("base_model", key)) is not None]
    return Lookup(
        tracking=Tracking.of(settings.tracking_uri, store.home),
        model_name=settings.model_name,
        download_to=store.home.bases / "downloaded",
        base=asked.base,
        quantisation=asked.quantisation,
        hub_token=settings.hf_token.get_secret_value() or None,
        bases={base.fingerprint: store.path_of(base) for base in bases},
    )


def as_json(ended: Ended) -> dict[str, Any]:
    """Return what came of it as plain values."""
    told: dict[str, Any] = rounded(
        {
            "release": ended.release,
            "models": [_told(outcome) for outcome in ended.outcomes],
            "leaderboard": str(ended.leaderboard),
            "success": ended.success,
        }
    )
    return told


def _told(outcome: Outcome) -> dict[str, Any]:
    figures = None if outcome.card is None else asdict(outcome.card)
    return {
        "asked": outcome.asked,
        "parts": outcome.parts or {},
        "n_documents": outcome.n_documents,
        "figures": figures,
        "error": outcome.error,
    }


def show(ended: Ended, console: Console) -> None:
    """Print a line of figures per model, best bits per byte first, and why others failed.

    The columns fit into 80 characters; the leaderboard has them all.
    """
    measured = [one for one in ended.outcomes if one.card is not None]
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("model", overflow="fold")
    for heading in _HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for card in sorted((one.card for one in measured if one.card), key=_bits):
        table.add_row(*(escape(cell) for cell in _cells(card)))
    if measured:
        n = number(measured[0].n_documents, ",d")
        chance = next((o.card.chance for o in measured if o.card and o.card.chance), None)
        guessing = f"; questions by chance {percent(chance, '.0%')}" if chance else ""
        _print(console, f"[bold]Release {ended.release}[/], {n} held-out abstracts{guessing}")
        console.print(table)
    for outcome in ended.outcomes:
        if outcome.error is not None:
            _print(
                console, f"[bold red]failed[/] {escape(_short(outcome.asked))}: "
                f"{escape(outcome.error)}",
            )  # fmt: skip
    _print(console, f"leaderboard {escape(str(ended.leaderboard))}")


_HEADINGS = ("parameters", "bits per byte", "far", "retrieval", "questions")


def _cells(card: Scorecard) -> tuple[str, ...]:
    n = f" of {card.n_questions:,}" if card.accuracy is not None and card.n_questions else ""
    return (
        _short(card.name),
        parameters(card.n_parameters),
        number(card.bits_per_byte, ".4f"),
        number(card.far_bits_per_byte, ".4f"),
        number(card.retrieval_mrr, ".3f"),
        percent(card.accuracy, ".1%") + n,
    )


def _bits(card: Scorecard) -> float:
    return float("inf") if card.bits_per_byte is None else card.bits_per_byte


def _short(name: str) -> str:
    """Return a model's name as one bounded line without control characters."""
    line = "".join(c if c.isprintable() else " " for c in name)
    return line if len(line) <= _MOST_NAME_CHARACTERS else "…" + line[1 - _MOST_NAME_CHARACTERS :]


def _print(console: Console, line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True)
