"""A handle on a model: which folders it is made of, not the weights themselves.

A trained model is an adapter on its base, or (method ``full``) a folder of its own like a base.

Handles are cheap, can be compared, and travel between stages; ``load()`` costs memory and time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astro_assets.models.loading import load_model


@dataclass(frozen=True)
class ModelHandle:
    """A whole model, or a base with an adapter on it, that can be loaded."""

    label: str
    """What reports call it: base, tuned, champion."""
    base_folder: Path
    """Hugging Face folder: config.json, safetensors, tokenizer.json."""
    adapter_folder: Path | None
    """peft folder, or None for a whole model."""
    digest: str
    """sha256 of what it is made of (base, or base and adapter)."""
    quantisation: str | None
    """None or ``nf4``: how the base is held in memory."""

    @classmethod
    def trained(
        cls,
        label: str,
        folder: Path,
        base_folder: Path,
        *,
        method: str,
        digest: str,
        quantisation: str | None,
    ) -> ModelHandle:
        """Return the handle of what training made in ``folder``.

        Args:
            label: What reports call it.
            folder: A peft folder, or for method ``full`` a Hugging Face folder with its tokenizer.
            base_folder: The base it was trained on; a whole model does not need it.
            method: The recipe's: lora, qlora or full.
            digest: sha256 of the trained content.
            quantisation: How the base was held in training; a whole model is held as it is.
        """
        if method == "full":
            return cls(label, folder, None, digest, None)
        return cls(label, base_folder, folder, digest, quantisation)

    def load(self) -> Any:
        """Load the model in eval mode on the best device here.

        Raises:
            BadModelError: the folders hold no loadable model.
        """
        return load_model(self.base_folder, self.adapter_folder, quantisation=self.quantisation)
