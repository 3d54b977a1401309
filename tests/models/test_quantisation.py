"""A 4-bit base unpacked once computes what the 4-bit layers compute."""

from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes.nn import Linear4bit

from astro_assets.models.handle import ModelHandle
from astro_assets.models.loading import load_model
from astro_assets.models.quantisation import dequantise, quantisation_config

CPU = torch.device("cpu")
TOKENS = torch.arange(40).reshape(2, 20)
N_LAYERS = 14
"""Seven linear layers in each of two blocks."""


def in_4_bits(folder: Path, dtype: torch.dtype = torch.float32, **more: Any) -> Any:
    return load_model(folder, quantisation="nf4", device=CPU, dtype=dtype, **more)


def four_bit_layers(model: Any) -> dict[str, Any]:
    return {name: m for name, m in model.named_modules() if isinstance(m, Linear4bit)}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_layer_multiplies_with_the_same_numbers(tiny_base: Path, dtype: torch.dtype) -> None:
    """Bit for bit: a unit vector's product is a column of the weights, without any sum."""
    packed, plain = in_4_bits(tiny_base, dtype), in_4_bits(tiny_base, dtype)
    assert dequantise(plain, dtype) == N_LAYERS
    layers = four_bit_layers(packed)
    assert len(layers) == N_LAYERS
    for name, layer in layers.items():
        units = torch.eye(layer.in_features, dtype=dtype)
        other = plain.get_submodule(name)
        assert torch.equal(layer(units), other(units)), name
        assert torch.equal(other.weight.t(), layer(units)), name


def test_the_whole_model_answers_the_same(tiny_base: Path) -> None:
    """On the CPU both ways are the same multiplication in float32: equal bits."""
    with torch.no_grad():
        packed = in_4_bits(tiny_base)(input_ids=TOKENS).logits
        plain = in_4_bits(tiny_base, dequantised=True)(input_ids=TOKENS).logits
        exact = load_model(tiny_base, device=CPU)(input_ids=TOKENS).logits
    assert torch.equal(packed, plain)
    assert not torch.allclose(plain, exact, atol=1e-3)


def test_gradients_pass_through_the_same(tiny_base: Path) -> None:
    gradients = []
    for dequantised in (False, True):
        model = in_4_bits(tiny_base, dequantised=dequantised)
        states = model.get_input_embeddings()(TOKENS).detach().requires_grad_()
        model(inputs_embeds=states, labels=TOKENS).loss.backward()
        gradients.append(states.grad)
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-8)
    assert gradients[0].abs().sum() > 0


def test_the_layers_are_plain_frozen_and_in_the_type_asked_for(tiny_base: Path) -> None:
    model = in_4_bits(tiny_base, torch.bfloat16, dequantised=True)
    assert not four_bit_layers(model)
    layer = model.model.layers[0].mlp.down_proj
    assert type(layer) is torch.nn.Linear
    assert (layer.weight.dtype, layer.weight.requires_grad) == (torch.bfloat16, False)
    assert tuple(layer.weight.shape) == (layer.out_features, layer.in_features) == (32, 64)
    assert not model.training and not layer.training


def test_biases_are_kept(tmp_path: Path) -> None:
    """Qwen2 has them on queries, keys and values."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    shape = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Qwen2Config(vocab_size=50, intermediate_size=64, num_key_value_heads=2, **shape)
    model = Qwen2ForCausalLM(config)
    torch.nn.init.normal_(model.model.layers[0].self_attn.q_proj.bias)
    model.save_pretrained(tmp_path)
    packed, plain = in_4_bits(tmp_path), in_4_bits(tmp_path, dequantised=True)
    bias = plain.model.layers[0].self_attn.q_proj.bias
    assert torch.equal(bias, model.model.layers[0].self_attn.q_proj.bias) and bias.abs().sum() > 0
    assert not bias.requires_grad
    with torch.no_grad():
        assert torch.equal(packed(input_ids=TOKENS).logits, plain(input_ids=TOKENS).logits)


def test_libraries_no_longer_take_it_for_a_model_in_4_bits(tiny_base: Path) -> None:
    """peft would put 4-bit adapters on it, the Trainer would refuse to train it without one."""
    from peft import LoraConfig, get_peft_model
    from peft.tuners.lora import Linear as PlainLora

    model = in_4_bits(tiny_base, dequantised=True)
    assert not model.is_quantized and not model.is_loaded_in_4bit
    assert not hasattr(model.config, "quantization_config")
    tuned = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"]))
    assert type(tuned.base_model.model.model.layers[0].self_attn.q_proj) is PlainLora


def test_a_plain_model_stays_as_it_is(tiny_base: Path) -> None:
    model = load_model(tiny_base, device=CPU)
    assert dequantise(model, torch.float32) == 0
    assert torch.equal(
        load_model(tiny_base, device=CPU, dequantised=True).lm_head.weight, model.lm_head.weight
    )


def test_weights_can_be_stored_in_the_type_fsdp_wants(tiny_base: Path) -> None:
    """FSDP lays all weights of a unit end to end, so that they must be of one type."""
    usual = four_bit_layers(in_4_bits(tiny_base))
    stored = four_bit_layers(in_4_bits(tiny_base, storage_dtype=torch.float32))
    for name, layer in stored.items():
        assert layer.weight.dtype == torch.float32
        assert layer.weight.numel() * 4 == usual[name].weight.numel()
        units = torch.eye(layer.in_features)
        assert torch.equal(layer(units), usual[name](units)), name
    assert quantisation_config("nf4", torch.bfloat16).bnb_4bit_quant_storage == torch.uint8


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_the_attention_asked_for_is_used(tiny_base: Path, attention: str) -> None:
    model = load_model(tiny_base, device=CPU, attention=attention)
    assert model.config._attn_implementation == attention


def test_handles_go_on_loading_4_bits(tiny_base: Path) -> None:
    model = ModelHandle("base", tiny_base, None, "digest", "nf4").load()
    assert len(four_bit_layers(model)) == N_LAYERS
