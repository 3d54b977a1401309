"""NF4 quantisation of a frozen base, as in QLoRA (arXiv:2305.14314, section 3).

What a quantised base is loaded with, the mending it needs after loading, and how it is unpacked
again where memory allows. Training on top of it belongs to ``training``.
"""

from __future__ import annotations

from typing import Any

import torch

from astro_assets.errors import BadSettingError

NF4 = "nf4"
QUANTISATIONS = (None, NF4)


def quantisation_config(
    name: str | None, compute_dtype: torch.dtype, *, storage_dtype: torch.dtype = torch.uint8
) -> Any | None:
    """Return what transformers loads a base with: None, or NF4 with double quantisation.

    Args:
        name: None or ``nf4``.
        compute_dtype: What the 4-bit layers multiply in.
        storage_dtype: What two or more packed weights are stored as. FSDP shards 4-bit weights only
            where it is the type of all other weights. It changes no value.

    Raises:
        BadSettingError: another name.
    """
    if name is None:
        return None
    if name != NF4:
        raise BadSettingError(
            f"There is no quantisation {name[:40]!r}.", expected=f"null or {NF4!r}."
        )
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=NF4,
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute_dtype,
        bnb_4bit_quant_storage=storage_dtype,
    )


def keep_trainable(model: torch.nn.Module) -> int:
    """Forbid the CPU repacking of 4-bit weights and return how many layers are 4-bit.

    On CPUs with AVX512-BF16, bitsandbytes 0.50 repacks them at the first forward in eval mode;
    from then on no gradient passes through those layers, with only a warning.
    """
    layers = _four_bit_layers(model)
    for layer in layers.values():
        layer.support_avx512bf16_for_cpu = False
    return len(layers)


def dequantise(model: Any, dtype: torch.dtype) -> int:
    """Replace every 4-bit layer by a plain frozen one with the values it computes with.

    A 4-bit layer unpacks its weights at every forward and every backward pass; here that is done
    once. In the type that the model was loaded in, weights are equal bit for bit to what the
    4-bit layers multiply with. Memory grows from about 0.52 to 2 bytes a weight in bfloat16, one
    layer at a time. Call it before an adapter is attached.

    Args:
        model: A base loaded with ``quantisation_config``; changed in place.
        dtype: Of the new weights.

    Returns:
        The number of layers replaced.
    """
    layers = _four_bit_layers(model)
    for name, layer in layers.items():
        model.set_submodule(name, _plain_layer(layer, dtype))
    if layers:
        _forget_quantisation(model)
    return len(layers)


def _forget_quantisation(model: Any) -> None:
    """Take off the marks by which transformers and peft treat a model as one in 4 bits."""
    model.hf_quantizer.remove_quantization_config(model)
    model.is_loaded_in_4bit = False


def _plain_layer(layer: Any, dtype: torch.dtype) -> torch.nn.Linear:
    from bitsandbytes.functional import dequantize_4bit

    packed = layer.weight
    weight = dequantize_4bit(packed.data, packed.quant_state).to(dtype)
    with torch.device("meta"):
        plain = torch.nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
    plain.weight = torch.nn.Parameter(weight, requires_grad=False)
    if layer.bias is not None:
        plain.bias = torch.nn.Parameter(layer.bias.data.to(dtype), requires_grad=False)
    return plain.train(layer.training)


def _four_bit_layers(model: torch.nn.Module) -> dict[str, Any]:
    """Return the 4-bit layers by their names in the model."""
    from bitsandbytes.nn import Linear4bit

    return {name: m for name, m in model.named_modules() if isinstance(m, Linear4bit)}
