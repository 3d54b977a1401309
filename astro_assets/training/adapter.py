"""The adapter on a frozen base: a fresh one, or another training's to go on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from astro_assets.errors import BadModelError, BadSettingError
from astro_assets.models.libraries import quiet_libraries
from astro_assets.models.loading import ADAPTER_FILES
from astro_assets.training.recipe import Recipe


def attach_adapter(model: Any, recipe: Recipe) -> Any:
    """Return the base with a fresh adapter on it, the base frozen, dropout not yet active.

    Raises:
        BadSettingError: a name of the recipe's is no linear layer's of the base.
    """
    quiet_libraries()
    from peft import LoraConfig, get_peft_model

    names = recipe.target_modules or ()
    _refuse_unknown_layers(model, recipe)
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=list(names),
        bias="none",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def _refuse_unknown_layers(model: Any, recipe: Recipe) -> None:
    """Refuse names that stand for no linear layer: peft leaves them out where one other fits."""
    from torch.nn import Linear
    from transformers.pytorch_utils import Conv1D

    layers = [name for name, one in model.named_modules() if isinstance(one, (Linear, Conv1D))]
    unknown = [
        name
        for name in recipe.target_modules or ()
        if not any(layer == name or layer.endswith(f".{name}") for layer in layers)
    ]
    if unknown:
        known = sorted({layer.rpartition(".")[2] for layer in layers})
        raise BadSettingError(
            f"The target_modules {', '.join(unknown)} of recipe {recipe.name} are not in the base.",
            expected=f"names of its linear layers: {', '.join(known)}.",
            do="Correct target_modules in a recipe of your own, or take the recipe's own base.",
        )


def continue_adapter(model: Any, parent: Path, recipe: Recipe) -> Any:
    """Return the base with the parent's adapter on it, trainable, with the recipe's dropout.

    Raises:
        BadModelError: the folder holds no adapter, or it does not fit the base.
        BadSettingError: its shape is not the recipe's.
    """
    quiet_libraries()
    from peft import PeftModel

    _refuse_other_shape(parent, recipe)
    try:
        tuned = PeftModel.from_pretrained(model, parent, is_trainable=True)
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise BadModelError(
            f"The adapter in {parent} does not fit the base "
            f"({(str(error).splitlines() or [''])[0][:160]}).",
            expected="the adapter of a champion that was trained on this base.",
        ) from error
    for module in tuned.modules():
        for layer in getattr(module, "lora_dropout", {}).values():
            if hasattr(layer, "p"):
                layer.p = recipe.dropout
    return tuned


def _refuse_other_shape(parent: Path, recipe: Recipe) -> None:
    """Compare rank, alpha and layers: an adapter keeps the shape it was made with."""
    missing = [name for name in ADAPTER_FILES if not (parent / name).is_file()]
    if missing:
        raise BadModelError(f"{parent} holds no adapter: {' and '.join(missing)} missing.")
    config = json.loads((parent / "adapter_config.json").read_bytes())
    found = (config["r"], float(config["lora_alpha"]), sorted(config["target_modules"]))
    wanted = (recipe.rank, float(recipe.alpha or 0), sorted(recipe.target_modules or ()))
    if found != wanted:
        raise BadSettingError(
            f"The champion's adapter has rank, alpha and layers {found}; recipe {recipe.name} "
            f"asks for {wanted}.",
            expected="the same ones with init_from: champion.",
            do="Take them into the recipe, or train with init_from: base.",
        )
