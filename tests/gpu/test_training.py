"""The same training on a CUDA device: NF4 base, bf16 adapter. Skips itself where there is none."""

from pathlib import Path

import pytest
import torch

from astro_assets.models.base import describe_base
from astro_assets.models.handle import ModelHandle
from astro_assets.progress import NO_PROGRESS
from astro_assets.training.recipe import Recipe
from astro_assets.training.trainer import train_adapter
from tests.corpus.test_blocks import streams

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


def test_qlora_learns_one_block_on_the_gpu(tiny_base: Path, tmp_path: Path):
    from astro_assets.corpus.blocks import TokenBlocks

    block = [1, *range(259, 290), *range(300, 331), 2] * 4
    blocks = TokenBlocks(streams(tmp_path, block[:128]), block_length=64)
    recipe = Recipe(
        name="gpu",
        method="qlora",
        quantisation="nf4",
        learning_rate=1e-2,
        rank=8,
        target_modules=("q_proj", "v_proj", "up_proj", "down_proj"),
        batch=2,
        micro_batch=2,
        epochs=60,
        precision="bf16",
    )
    base = describe_base(tiny_base, name="tiny", kind="path")
    built = train_adapter(base, blocks, recipe, tmp_path / "adapter", progress=NO_PROGRESS)
    assert built.facts["device"] != "cpu"
    assert built.facts["last_training_perplexity"] < built.facts["first_training_perplexity"] / 2
    tuned = ModelHandle("tuned", tiny_base, built.path, built.fingerprint, "nf4").load()
    assert next(tuned.parameters()).is_cuda
