"""NF4 quantisation of a frozen base, as in QLoRA (arXiv:2305.14314, section 3).

What a quantised base is loaded with, and the mending it needs after loading. Training on top of it
belongs to ``training``.
"""

from __future__ import annotations

from typing import Any

import torch

from astro_assets.errors import BadSettingError

NF4 = "nf4"
QUANTISATIONS = (None, NF4)


def quantisation_config(name: str | None, compute_dtype: torch.dtype) -> Any | None:
    """Return what transformers loads a base with: None, or NF4 with double quantisation.

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
    )


def keep_trainable(model: torch.nn.Module) -> int:
    """Forbid the CPU repacking of 4-bit weights and return how many layers are 4-bit.

    On CPUs with AVX512-BF16, bitsandbytes 0.50 repacks them at the first forward in eval mode;
    from then on no gradient passes through those layers, with only a warning.
    """
    from bitsandbytes.nn import Linear4bit

    layers = [module for module in model.modules() if isinstance(module, Linear4bit)]
    for layer in layers:
        layer.support_avx512bf16_for_cpu = False
    return len(layers)
