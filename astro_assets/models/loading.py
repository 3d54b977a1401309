"""Loading a causal language model from local folders: the one place where weights are read.

Only safetensors, only local files, never code that came with a model. Which folder to load is told
by ``base`` and ``handle``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM

from astro_assets.errors import BadModelError
from astro_assets.models.device import choose_device, choose_dtype
from astro_assets.models.libraries import quiet_libraries
from astro_assets.models.quantisation import dequantise, keep_trainable, quantisation_config

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")


def load_model(
    base_folder: Path,
    adapter_folder: Path | None = None,
    *,
    quantisation: str | None = None,
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
    attention: str | None = None,
    dequantised: bool = False,
    storage_dtype: torch.dtype = torch.uint8,
) -> Any:
    """Load a base, and an adapter on it if given, in eval mode on ``device``.

    Args:
        base_folder: Hugging Face folder with config.json and safetensors.
        adapter_folder: peft folder (adapter_config.json, adapter_model.safetensors).
        quantisation: None or ``nf4``.
        device: default: the GPU if there is one.
        dtype: default: bfloat16 on a GPU, float32 on the CPU.
        attention: ``eager``, ``sdpa`` or ``flash_attention_2``; default: what transformers takes.
        dequantised: Hold the values of the 4-bit weights in ``dtype``: faster, in more memory.
        storage_dtype: What 4-bit weights are stored as; FSDP wants ``dtype`` here.

    Raises:
        BadModelError: the folders hold no model that can be loaded this way.
        BadSettingError: another quantisation.
    """
    quiet_libraries()
    device = device or choose_device()
    dtype = dtype or choose_dtype(device)
    config = quantisation_config(quantisation, dtype, storage_dtype=storage_dtype)
    model = _load_base(base_folder, config, attention, device=device, dtype=dtype)
    if dequantised:
        dequantise(model, dtype)
    if adapter_folder is not None:
        model = put_adapter_on(model, adapter_folder)
    return model.eval()


def _load_base(
    folder: Path,
    config: Any | None,
    attention: str | None,
    *,
    device: torch.device,
    dtype: torch.dtype,
) -> Any:
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            device_map={"": device},
            quantization_config=config,
            attn_implementation=attention,
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise BadModelError(
            f"No causal language model could be loaded from {folder} ({_first_line(error)}).",
            expected="a Hugging Face folder with config.json and safetensors weights.",
        ) from error
    if config is not None:
        keep_trainable(model)
    return model


def put_adapter_on(model: Any, folder: Path) -> Any:
    """Return a loaded base with the adapter of a peft folder on it, in eval mode.

    ``unload()`` of what is returned gives the base back as it was.

    Raises:
        BadModelError: the folder holds no adapter, or none that fits this base.
    """
    from peft import PeftModel

    missing = [name for name in ADAPTER_FILES if not (folder / name).is_file()]
    if missing:
        raise BadModelError(
            f"{folder} holds no adapter: {' and '.join(missing)} missing.",
            expected=f"a peft folder with {' and '.join(ADAPTER_FILES)}.",
        )
    try:
        return PeftModel.from_pretrained(model, folder, is_trainable=False).eval()
    except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise BadModelError(
            f"The adapter in {folder} does not fit its base ({_first_line(error)}).",
            expected=f"an adapter trained on this base, named {_named_base(folder)}.",
        ) from error


def _named_base(folder: Path) -> str:
    """Return the base an adapter says it was trained on."""
    try:
        config = json.loads((folder / "adapter_config.json").read_text())
        return str(config["base_model_name_or_path"])[:200]
    except (ValueError, KeyError, TypeError):
        return "nowhere"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
