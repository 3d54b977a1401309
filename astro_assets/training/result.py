"""What a training leaves behind: adapter or whole model, curves, recipe and facts, in one folder.

Equal trainings on the CPU give equal bytes of all but ``training.json``, which holds times. What
does not belong here: how weights are moved (``loop``), and where a result is registered.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from astro_assets.artifacts import fingerprint
from astro_assets.artifacts.manifest import Built
from astro_assets.models.base import BaseModel
from astro_assets.models.loading import ADAPTER_FILES
from astro_assets.training.loop import Trained
from astro_assets.training.recipe import Recipe

LEARNING_CURVE, HELDOUT_CURVE = "learning_curve.jsonl", "heldout_curve.jsonl"
RECIPE, FACTS = "recipe.json", "training.json"
_TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
)


def gathered(model: Any, *, sharded: bool) -> dict[str, torch.Tensor] | None:
    """Return the whole weights of a model sharded over processes; None where none is sharded.

    Every process must ask.
    """
    if not sharded:
        return None
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    weights: dict[str, Any] = get_model_state_dict(model, options=options)
    return weights


def write_adapter(
    model: Any, base: BaseModel, folder: Path, weights: dict[str, torch.Tensor] | None
) -> None:
    """Write peft's two files; no path of this machine and no order of a set gets into them."""
    from peft import get_peft_model_state_dict

    found = get_peft_model_state_dict(model, state_dict=weights, save_embedding_layers=False)
    tensors = {name: found[name].detach().cpu().contiguous() for name in sorted(found)}
    path = folder / "adapter_model.safetensors"
    save_file(tensors, path, metadata={"format": "pt"})
    path.chmod(0o644)  # safetensors leaves it to the owner alone
    config = model.peft_config["default"]
    config.inference_mode = True
    config.save_pretrained(folder)
    path = folder / "adapter_config.json"
    written = json.loads(path.read_bytes())
    written["base_model_name_or_path"] = f"{base.name}@{base.revision or base.digest[:16]}"
    written["revision"] = base.revision
    written["target_modules"] = sorted(written["target_modules"])
    write_json(path, written)


def write_model(
    model: Any,
    base: BaseModel,
    folder: Path,
    weights: dict[str, torch.Tensor] | None,
    *,
    dtype: torch.dtype,
) -> None:
    """Write a whole model as a Hugging Face folder in ``dtype``, with the base's tokenizer."""
    found = model.state_dict() if weights is None else weights
    # Tied weights are one tensor under two names, and must be one after the conversion.
    converted = {weight.data_ptr(): weight.to(dtype) for weight in found.values()}
    model.config.use_cache = True  # the Trainer turns it off; generation wants it
    model.config.dtype = dtype
    model.save_pretrained(
        folder, state_dict={name: converted[w.data_ptr()] for name, w in found.items()}
    )
    for path in folder.glob("*.safetensors"):
        path.chmod(0o644)
    for name in _TOKENIZER:
        if (base.folder / name).is_file():
            shutil.copyfile(base.folder / name, folder / name)


def write_records(folder: Path, trained: Trained, recipe: Recipe, facts: dict[str, Any]) -> None:
    """Write the curves, the recipe, and what is worth knowing about the training."""
    _write_lines(folder / LEARNING_CURVE, [asdict(point) for point in trained.curve])
    if trained.heldout:
        _write_lines(folder / HELDOUT_CURVE, [asdict(found) for found in trained.heldout])
    write_json(folder / RECIPE, recipe.as_dict())
    write_json(folder / FACTS, facts)


def read_result(folder: Path) -> Built:
    """Describe a result folder; its fingerprint is over the adapter's or model's files alone."""
    facts = json.loads((folder / FACTS).read_bytes())
    checksums = fingerprint.of_folder(folder)
    is_adapter = ADAPTER_FILES[1] in checksums
    made_of = ADAPTER_FILES if is_adapter else _model_files(checksums)
    return Built(
        fingerprint=fingerprint.of_value([checksums[name] for name in made_of]),
        path=folder,
        counts={
            name: facts[name] for name in ("n_blocks", "n_steps", "n_tokens_seen", "n_trainable")
        },
        files=checksums,
        facts=facts,
    )


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write one JSON object, readable and in a fixed order."""
    path.write_text(json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n")


def _model_files(names: dict[str, str]) -> list[str]:
    return sorted(name for name in names if name.endswith(".safetensors") or name == "config.json")


def _write_lines(path: Path, documents: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(one, sort_keys=True) + "\n" for one in documents))
