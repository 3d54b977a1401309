"""A handle on a model: which folders it is made of, not the weights themselves.

Handles are cheap, can be compared, and travel between stages; ``load()`` costs memory and time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astro_assets.models.loading import load_model


@dataclass(frozen=True)
class ModelHandle:
    """A base, or a base with an adapter on it, that can be loaded."""

    label: str
    """What reports call it: base, tuned, champion."""
    base_folder: Path
    """Hugging Face folder: config.json, safetensors, tokenizer.json."""
    adapter_folder: Path | None
    """peft folder, or None for the bare base."""
    digest: str
    """sha256 of what it is made of (base, or base and adapter)."""
    quantisation: str | None
    """None or ``nf4``: how the base is held in memory."""

    def load(self) -> Any:
        """Load the model in eval mode on the best device here.

        Raises:
            BadModelError: the folders hold no loadable model.
        """
        return load_model(self.base_folder, self.adapter_folder, quantisation=self.quantisation)
