"""Small recipes, bases and blocks for the tests of training."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from astro_assets.corpus.blocks import Stream, TokenBlocks
from astro_assets.models.base import BaseModel, describe_base
from astro_assets.training.optimisation import Optimisation
from astro_assets.training.recipe import Recipe

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
