"""The estimates against counting by hand, and against what autograd really keeps."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from astro_assets.training.memory import (
    NF4_BYTES,
    Way,
    base_bytes,
    estimate,
    gathered_bytes,
    layer_activation_bytes,
    loss_bytes,
    n_trainable,
    trained_bytes,
)
from astro_assets.training.recipe import Recipe, load_recipe
from tests.training.builders import a_recipe
from tests.training.shapes import LLAMA_2_7B, LLAMA_2_70B, LLAMA_3_8B, llama

ON_GPU = Way(
    n_tokens=4 * 512,
    block_length=512,
    n_processes=1,
    weight_bytes=2,
    compute_bytes=2,
    mask_bytes=1,
    attention="sdpa",
    loss="chunked",
    recompute=False,
    dequantise=False,
)
PAPER = load_recipe("paper")


def test_nf4_is_half_a_byte_and_its_scales() -> None:
    assert pytest.approx(0.5159, abs=1e-4) == NF4_BYTES


def test_the_papers_base() -> None:
    linear, others = 6_476_005_376, 262_410_240
    at_work = 4096 * 11008 * 2
    kept = base_bytes(PAPER, LLAMA_2_7B, ON_GPU)
    assert kept == pytest.approx(0.51587 * linear + 2 * others + at_work, rel=1e-4)
    assert base_bytes(PAPER, LLAMA_2_7B, replace(ON_GPU, dequantise=True)) == 2 * 6_738_415_616
    assert base_bytes(load_recipe("astrollama3-8b"), LLAMA_3_8B, ON_GPU) == 0


def test_autocast_keeps_wide_weights_twice() -> None:
    on_cpu = replace(ON_GPU, weight_bytes=4, dequantise=True)
    assert base_bytes(PAPER, LLAMA_2_7B, on_cpu) == 4 * 6_738_415_616 + 2 * 6_476_005_376


def test_the_papers_adapter() -> None:
    # r (n_in + n_out): four of 4096 + 4096, three of 4096 + 11008, in 32 layers.
    n = 16 * (4 * 8192 + 3 * 15104) * 32
    assert n_trainable(PAPER, LLAMA_2_7B) == n == 39_976_960
    assert trained_bytes(PAPER, LLAMA_2_7B, ON_GPU) == 18 * n
    assert trained_bytes(PAPER, LLAMA_2_7B, replace(ON_GPU, n_processes=4)) == 22 * n
    assert trained_bytes(PAPER, LLAMA_2_7B, replace(ON_GPU, compute_bytes=4)) == 16 * n


def test_all_weights_trained_over_shards() -> None:
    full = load_recipe("astrollama2-70b")
    way = replace(ON_GPU, n_processes=16)
    assert n_trainable(full, LLAMA_2_70B) == 68_976_648_192
    assert estimate(full, LLAMA_2_70B, way).trained == 16 * 68_976_648_192 // 16
    layer = (2 * 8192 + 2 * 1024 + 3 * 28672) * 8192
    others = 2 * 32000 * 8192 + 161 * 8192
    assert gathered_bytes(full, LLAMA_2_70B, way) == 2 * 2 * (2 * layer + others)


def test_one_layers_activations_of_the_paper() -> None:
    h, wide, r = 4096, 11008, 16
    inputs = 3 * (6 * h + wide) + 7 * 2 * r
    by_hand = 8 * h + 2 * 4 * h + 3 * 2 * wide + inputs
    assert layer_activation_bytes(PAPER, LLAMA_2_7B, ON_GPU) == by_hand == 238_560
    eager = replace(ON_GPU, attention="eager")
    assert layer_activation_bytes(PAPER, LLAMA_2_7B, eager) == by_hand + 6 * 32 * 512


def test_recomputation_keeps_the_layers_inputs() -> None:
    again = estimate(PAPER, LLAMA_2_7B, replace(ON_GPU, recompute=True))
    assert again.activations == 2048 * (4 * 4096 * 32 + 2 * 238_560)
    assert estimate(PAPER, LLAMA_2_7B, ON_GPU).activations == 2048 * 33 * 238_560


def test_the_loss() -> None:
    hidden = 12 * 4096 * 2048
    assert loss_bytes(LLAMA_2_7B, replace(ON_GPU, loss="full")) == hidden + 14 * 32000 * 2048
    assert loss_bytes(LLAMA_2_7B, ON_GPU) == hidden + 12 * 2**24
    liger = loss_bytes(LLAMA_2_7B, replace(ON_GPU, loss="liger"))
    assert liger == hidden + 6 * 2 * 4096 * 2048


SMALL: dict[str, int] = dict(hidden=128, wide=352, n_layers=3, n_heads=4, n_kv_heads=2, n_vocab=96)


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("narrow", [False, True], ids=["fp32", "bf16"])
def test_activations_are_what_autograd_keeps(method: str, attention: str, narrow: bool) -> None:
    """Within 7 %; weights that autocast copies are counted elsewhere."""
    shape = llama(**SMALL)
    recipe = _recipe(method)
    model = _model(recipe, attention, narrow)
    measured = _kept_bytes(model, n_blocks=2, block_length=80, narrow=narrow)
    way = replace(
        ON_GPU,
        n_tokens=2 * 80,
        block_length=80,
        compute_bytes=2 if narrow else 4,
        mask_bytes=4,
        attention=attention,
    )
    estimated = layer_activation_bytes(recipe, shape, way) * way.n_tokens * shape.n_layers
    assert estimated == pytest.approx(measured, rel=0.07)


def _recipe(method: str) -> Recipe:
    names = tuple(one.name for one in llama(**SMALL).linears)
    if method == "full":
        return a_recipe(method="full", rank=None, target_modules=None, alpha=None, dropout=None)
    return a_recipe(method="lora", rank=8, dropout=0.05, target_modules=names)


def _model(recipe: Recipe, attention: str, narrow: bool) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    from astro_assets.training.adapter import attach_adapter

    model = LlamaForCausalLM(
        LlamaConfig(
            hidden_size=SMALL["hidden"],
            intermediate_size=SMALL["wide"],
            num_hidden_layers=SMALL["n_layers"],
            num_attention_heads=SMALL["n_heads"],
            num_key_value_heads=SMALL["n_kv_heads"],
            vocab_size=SMALL["n_vocab"],
            attn_implementation=attention,
            use_cache=False,
        )
    )
    if recipe.method == "full":
        return model.train()
    held = model.to(torch.bfloat16 if narrow else torch.float32)  # as on a GPU
    return attach_adapter(held.requires_grad_(False), recipe).train()


def _kept_bytes(model: Any, *, n_blocks: int, block_length: int, narrow: bool) -> int:
    """Return the bytes kept for the backward pass by all but weights and their copies."""
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    shapes = {tuple(sorted(p.shape)) for p in model.parameters()}
    kept: dict[int, int] = {}
    alive: list[torch.Tensor] = []  # storages must not be used again while they are counted

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights and tuple(sorted(tensor.shape)) not in shapes:
            kept[storage.data_ptr()] = storage.nbytes()
        alive.append(tensor)
        return tensor

    ids = torch.zeros((n_blocks, block_length), dtype=torch.int64)
    decoder = getattr(model, "base_model", model)
    decoder = getattr(decoder, "model", decoder)
    decoder = getattr(decoder, "model", decoder)
    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        torch.autocast("cpu", dtype=torch.bfloat16, enabled=narrow),
    ):
        decoder(input_ids=ids)
    return sum(kept.values())
