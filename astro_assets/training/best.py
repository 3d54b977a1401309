"""The best weights of a training that may end early, so that it can end with them.

When a measurement is the best belongs to ``measuring``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from astro_assets.artifacts import atomic
from astro_assets.training import distributed


class BestWeights:
    """Keeps a copy of the trainable weights: in a file where there is one, else in memory."""

    def __init__(self, path: Path | None) -> None:
        """Keep them at ``path``, so that a training that is resumed still has them."""
        self._path = path
        self._held: dict[str, torch.Tensor] = {}

    def keep(self, model: Any) -> None:
        """Copy the trainable weights as they are now; the first process writes the file."""
        weights = {
            name: weight.detach().cpu().clone().contiguous()
            for name, weight in model.named_parameters()
            if weight.requires_grad
        }
        if self._path is None:
            self._held = weights
        elif distributed.is_first():
            with atomic.replacing(self._path) as temporary:
                save_file(weights, temporary)

    def put_back(self, model: Any) -> None:
        """Give the model the weights that were kept last; without any nothing changes."""
        distributed.wait_for_all()
        kept = load_file(self._path) if self._path and self._path.is_file() else self._held
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if name in kept:
                    weight.copy_(kept[name])
