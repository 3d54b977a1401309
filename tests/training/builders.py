"""Small recipes, bases and blocks for the tests of training."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from astro_assets.corpus.blocks import Stream, TokenBlocks
from astro_assets.models.base import BaseModel, describe_base
from astro_assets.progress import Task
from astro_assets.training.heldout import Heldout
from astro_assets.training.optimisation import Optimisation
from astro_assets.training.recipe import Recipe
from astro_assets.training.stopping import StopRequest

RECIPE = Recipe(
    name="test",
    method="lora",
    learning_rate=5e-3,
    rank=4,
    target_modules=("q_proj", "v_proj", "down_proj"),
    batch=4,
    micro_batch=2,
    epochs=2,
)


def a_recipe(**changes: Any) -> Recipe:
    return dataclasses.replace(RECIPE, **changes)


def an_optimisation(**changes: Any) -> Optimisation:
    plain = Optimisation(
        n_steps=10,
        batch=4,
        micro_batch=4,
        learning_rate=1e-2,
        min_lr_ratio=0.1,
        warmup_share=0.2,
        betas=(0.9, 0.95),
        eps=1e-5,
        weight_decay=0.1,
        clip=1.0,
        precision="fp32",
        seed=0,
    )
    return dataclasses.replace(plain, **changes)


def a_base(folder: Path) -> BaseModel:
    return describe_base(folder, name="tiny", kind="path")


def some_ids(n_blocks: int, *, block_length: int = 32, seed: int = 0) -> np.ndarray:
    """Ids (n_blocks, block_length) in 3–299: every tiny base knows them."""
    generator = np.random.default_rng(seed)
    return generator.integers(3, 300, size=(n_blocks, block_length))


def some_blocks(
    folder: Path, n_blocks: int, *, block_length: int = 32, seed: int = 0
) -> TokenBlocks:
    """Blocks of the corpus package's own kind, from one stream file."""
    path = folder / "stream.npy"
    ids = some_ids(n_blocks, block_length=block_length, seed=seed).astype(np.uint16)
    np.save(path, ids.ravel())
    return TokenBlocks([Stream(path, n_blocks * block_length)], block_length=block_length)


def some_heldout(n_documents: int = 6, *, seed: int = 5) -> Heldout:
    """Documents of 10 to 30 tokens, astro and general by turns, two subfields."""
    generator = np.random.default_rng(seed)
    return Heldout(
        documents=tuple(
            np.concatenate([[1], generator.integers(3, 300, size=generator.integers(9, 30))])
            for _ in range(n_documents)
        ),
        field=tuple("general" if i % 2 else "astro" for i in range(n_documents)),
        subfield=tuple(("astro-ph.GA", "", "astro-ph.CO", "")[i % 4] for i in range(n_documents)),
    )


class StopAfter:
    """A progress that asks for a stop once it was told of so many steps."""

    def __init__(self, stop: StopRequest, n_steps: int) -> None:
        self._stop, self._left = stop, n_steps

    @contextmanager
    def task(self, name: str, *, total: float | None = None, unit: str = "") -> Iterator[Task]:
        yield self

    def advance(self, n: float, **figures: float | str) -> None:
        self._left -= 1
        if self._left == 0:
            self._stop.ask("by a test")
