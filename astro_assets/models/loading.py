"""Loading a causal language model from local folders: the one place where weights are read.

Only safetensors, only local files, never code that came with a model. Which folder to load is told
by ``base`` and ``handle``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM

from astro_assets.errors import BadModelError
from astro_assets.models.device import choose_device, choose_dtype
from astro_assets.models.libraries import quiet_libraries
from astro_assets.models.quantisation import dequantise, keep_trainable, quantisation_config

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")

UNUSABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RuntimeError,
    ImportError,
    SafetensorError,
    StrictDataclassError,
)
"""What the libraries raise for a folder that somebody else made, where it is none they can use."""
_LAYER = re.compile(r"(^|\.)\d+\.")
"""Layers are numbered; other weights without a place in a model, a value head, change nothing."""
_MEMORY = re.compile(r"not enough memory|can't allocate memory|DefaultCPUAllocator|out of memory")
_BUFFER = re.compile(r"(rotary_emb\.inv_freq|\.masked_bias|\.attn\.bias)$")
"""Constants that older releases of transformers saved beside the weights."""


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
        model, told = AutoModelForCausalLM.from_pretrained(
            folder,
            output_loading_info=True,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            device_map={"": device},
            # None would load a checkpoint that is quantised itself as if it were plain.
            **({} if config is None else {"quantization_config": config}),
            attn_implementation=attention,
        )
    except UNUSABLE as error:
        if lacks_memory(error):
            raise  # no fault of the folder: whoever asked for the model says what to do
        raise BadModelError(
            f"No causal language model could be loaded from {folder} ({_first_line(error)}).",
            expected="a Hugging Face folder with config.json and safetensors weights, and the "
            "library of its quantisation if it has one.",
        ) from error
    _refuse_other_weights(folder, model, told)
    if config is not None:
        keep_trainable(model)
    return model


def _refuse_other_weights(folder: Path, model: Any, told: dict[str, Any]) -> None:
    """Refuse weights that are not those of the model: transformers would draw the rest at random.

    Tied weights that stand in the files once are no missing ones: transformers ties them first.

    Raises:
        BadModelError: a weight is missing, has another shape, or a layer's weight has no place.
    """
    strange = [
        name for name in told["unexpected_keys"] if _LAYER.search(name) and not _BUFFER.search(name)
    ]
    lacking = {str(name) for name in told["missing_keys"]}
    lacking |= {str(name[0]) for name in told["mismatched_keys"]} | _misshapen(model)
    if lacking or strange:
        raise BadModelError(
            f"The weights in {folder} are not those of its config.json: "
            f"{_counted(lacking, 'missing or of another shape')}; "
            f"{_counted(strange, 'with no place in the model')}.",
            expected="every weight of the model, under its name.",
            do="Fetch or save the model again; of a quantised one, the library must be there.",
        )


def _misshapen(model: Any) -> set[str]:
    """Return the 4-bit weights of another shape than their layer's: no library compares them."""
    return {
        f"{name}.weight"
        for name, layer in model.named_modules()
        if (packed := getattr(getattr(layer, "weight", None), "quant_state", None)) is not None
        and tuple(packed.shape) != (layer.out_features, layer.in_features)
    }


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
        adapted = PeftModel.from_pretrained(model, folder, is_trainable=False)
        # Only the second reading says what fitted: peft warns of some of it and goes on.
        told = adapted.load_adapter(folder, "default", is_trainable=False)
    except UNUSABLE as error:
        if lacks_memory(error):
            raise
        raise _unfit(folder, _first_line(error)) from error
    if told.missing_keys or told.unexpected_keys:
        raise _unfit(
            folder,
            f"{_counted(told.missing_keys, 'missing')}; "
            f"{_counted(told.unexpected_keys, 'with no place in the model')}",
        )
    return adapted.eval()


def _unfit(folder: Path, why: str) -> BadModelError:
    return BadModelError(
        f"The adapter in {folder} does not fit its base ({why}).",
        expected=f"an adapter trained on this base, named {_named_base(folder)}.",
    )


def _counted(names: Collection[str], what: str) -> str:
    """Return how many weights there are of a kind, and the first by name.

    >>> _counted(["b", "a"], "missing"), _counted([], "missing")
    ('2 missing (a)', '0 missing')
    """
    first = f" ({min(names)[:100]})" if names else ""
    return f"{len(names)} {what}{first}"


def lacks_memory(error: BaseException) -> bool:
    """Tell whether an error says that the device's or this machine's memory is too small.

    >>> lacks_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory")), lacks_memory(
    ...     RuntimeError("size mismatch")
    ... )
    (True, False)
    """
    is_it = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    return is_it or (isinstance(error, RuntimeError) and bool(_MEMORY.search(str(error))))


def _named_base(folder: Path) -> str:
    """Return the base an adapter says it was trained on."""
    try:
        config = json.loads((folder / "adapter_config.json").read_text())
        return str(config["base_model_name_or_path"])[:200]
    except (OSError, ValueError, KeyError, TypeError):
        return "nowhere"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
