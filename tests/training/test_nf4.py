"""LoRA on a base in 4 bits, on a CPU, goes on learning after an evaluation.

On CPUs with AVX512-BF16, bitsandbytes repacks 4-bit weights at the first forward pass in eval mode
that needs no gradient; from then on none passes through them, with only a warning.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes.nn import Linear4bit
from bitsandbytes.nn.modules import has_avx512bf16

from astro_assets.models.loading import load_model
from astro_assets.training.adapter import attach_adapter
from astro_assets.training.loss import use_loss
from tests.training.builders import a_recipe

CPU = torch.device("cpu")
IDS = torch.arange(2 * 32).reshape(2, 32) * 5 % 90
RECIPE = a_recipe(
    method="qlora",
    quantisation="nf4",
    dropout=0.0,
    rank=8,
    target_modules=("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three layers whose sizes divide by 64: others cannot be repacked."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("base")
    torch.manual_seed(0)
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3}
    config = LlamaConfig(vocab_size=96, num_attention_heads=2, **shape)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def first_and_last_nll(model: Any, *, evaluated: bool) -> tuple[float, float]:
    """Train 24 steps, after a forward pass in eval mode or without one."""
    torch.manual_seed(0)
    tuned = attach_adapter(model, RECIPE)
    use_loss(tuned, "chunked")
    if evaluated:
        with torch.no_grad():
            tuned.eval()(input_ids=IDS)
    optimiser = torch.optim.AdamW((p for p in tuned.parameters() if p.requires_grad), lr=1e-2)
    seen = []
    for _ in range(24):
        loss = tuned.train()(input_ids=IDS, labels=IDS).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        seen.append(loss.item())
    return seen[0], seen[-1]


@pytest.fixture
def learned(base: Path) -> tuple[float, float]:
    """What it learns when nothing disturbs it."""
    model = load_model(base, quantisation="nf4", device=CPU).requires_grad_(False)
    return first_and_last_nll(model, evaluated=False)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("dequantised", [False, True])
def test_it_learns_after_an_evaluation(
    base: Path, learned: tuple[float, float], dequantised: bool
) -> None:
    model = load_model(base, quantisation="nf4", device=CPU, dequantised=dequantised)
    first, last = first_and_last_nll(model.requires_grad_(False), evaluated=True)
    assert (first, last) == pytest.approx(learned, rel=1e-3)
    assert last < first - 1


@pytest.mark.skipif(not has_avx512bf16(), reason="this CPU has no AVX512-BF16: nothing is repacked")
def test_repacked_weights_would_not_learn(base: Path, learned: tuple[float, float]) -> None:
    """What the mending after loading is for; once this fails, it is no longer needed."""
    model = load_model(base, quantisation="nf4", device=CPU).requires_grad_(False)
    for layer in model.modules():
        if isinstance(layer, Linear4bit):
            layer.support_avx512bf16_for_cpu = True
    first, last = first_and_last_nll(model, evaluated=True)
    gained, would_gain = first - last, learned[0] - learned[1]
    assert gained < 0.5 * would_gain, (gained, would_gain)
