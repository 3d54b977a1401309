"""Several models on one base, one after the other: the base's weights are read once.

Base, tuned and champion are mostly one base with other adapters. A whole model, or one held in
another way, is loaded by itself; the one before it is let go first.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from astro_assets.models.handle import ModelHandle
from astro_assets.models.loading import load_model, put_adapter_on

Held = tuple[Path, str | None]
"""Folder of the base, and how it is quantised."""


def each_loaded(models: Mapping[str, ModelHandle]) -> Iterator[tuple[str, Any]]:
    """Yield label and model in eval mode, one at a time, models on one base behind each other.

    A model is good until the next one is asked for. The order is that of ``models``, but models on
    the same base as an earlier one come right after it.

    Raises:
        BadModelError: the folders hold no loadable model.
    """
    groups: dict[Held, list[str]] = {}
    for label, handle in models.items():
        groups.setdefault((handle.base_folder, handle.quantisation), []).append(label)
    for (folder, quantisation), labels in groups.items():
        bare = load_model(folder, quantisation=quantisation)
        # A bare base before adapters: afterwards it has their layers in it.
        for label in sorted(labels, key=lambda one: models[one].adapter_folder is not None):
            adapter = models[label].adapter_folder
            model = bare if adapter is None else put_adapter_on(bare, adapter)
            yield label, model
            if adapter is not None:
                bare = model.unload()
            del model
        del bare
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
