"""A small world the whole chain runs in: generated records, a tiny base, a tiny recipe."""

from __future__ import annotations

import io
import json
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Store
from astro_assets.console.display import PlainDisplay
from astro_assets.console.run import Ended, Request, run
from astro_assets.ingest.synthetic import generate
from astro_assets.months import Month
from tests.builders import write_snapshot

NOW = datetime(2026, 11, 20, tzinfo=UTC)
RELEASE = "2026-06"
ENVIRONMENT = {
    "ASTRO_BLOCK_LENGTH": "128",
    "ASTRO_MAX_EVAL_TOKENS": "6000",
    "ASTRO_EMBEDDING_ABSTRACTS": "30",
    "ASTRO_COMPLETION_ABSTRACTS": "1",
    "ASTRO_MAX_NEW_TOKENS": "12",
    "ASTRO_THREADS": "1",
}
RECIPE: dict[str, Any] = {
    "name": "tiny",
    "method": "lora",
    "learning_rate": 1e-3,
    "rank": 8,
    "target_modules": ["q_proj", "v_proj", "up_proj", "down_proj"],
    "batch": 4,
    "micro_batch": 4,
    "epochs": 1,
    "max_tokens": 30_000,
}


@dataclass(frozen=True)
class World:
    """One home and what it is fed with."""

    root: Path
    snapshot: Path
    base: Path
    recipe: Path

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def store(self) -> Store:
        return Store(Home(self.home))

    def run(self, *select: str, release: str = RELEASE, **flags: Any) -> Ended:
        """Run the chain as the command does, without a terminal."""
        given = {
            "snapshot": str(self.snapshot),
            "base_model": str(self.base),
            "recipe": str(self.recipe),
            **flags,
        }
        with self.environment():
            display = PlainDisplay(Console(file=io.StringIO()))
            return run(Request(release, select, given), display, now=NOW)

    @contextmanager
    def environment(self):
        with pytest.MonkeyPatch.context() as patch:
            for name, value in ENVIRONMENT.items():
                patch.setenv(name, value)
            patch.setenv("ASTRO_HOME", str(self.home))
            yield

    def with_recipe(self, name: str, **fields: Any) -> World:
        return replace(self, recipe=write_recipe(self.root / f"{name}.yaml", name=name, **fields))


def write_recipe(path: Path, **fields: Any) -> Path:
    path.write_text(yaml.safe_dump({**RECIPE, **fields}))
    return path


def make_snapshot(path: Path, *, n: int = 900) -> Path:
    return write_snapshot(path, generate(n, until=Month.parse(RELEASE)))


def make_world(root: Path, base: Path) -> World:
    root.mkdir(parents=True, exist_ok=True)
    return World(root, make_snapshot(root / "snapshot.zip"), base, write_recipe(root / "tiny.yaml"))


def statuses(ended: Ended) -> dict[str, str]:
    return {outcome.asset: outcome.status for outcome in ended.assets}


def ledger_lines(world: World) -> list[dict[str, Any]]:
    return [json.loads(line) for line in world.store.home.ledger.read_text().splitlines()]
