"""A loaded model that reads prompts, and tells what it could not be shown of them.

What does not belong here: what is made of the likelihoods (methods, equations, constellations).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.evaluation.knowledge.fitting import fit
from astro_assets.evaluation.knowledge.likelihoods import continuation_nats
from astro_assets.evaluation.knowledge.prompts import Prompt
from astro_assets.models.scoring import CausalParts
from astro_assets.progress import Progress


@dataclass(frozen=True)
class Reader:
    """One model while it is loaded, with what reading its prompts brought up."""

    label: str
    """What reports call the model."""
    folder: Path
    """Where its tokenizer lies."""
    model: Any
    """A transformers causal language model in eval mode."""
    tokenizer: Tokenizer
    """The model's own."""
    progress: Progress
    """Told per token."""
    notes: list[str] = field(default_factory=list)
    """Sentences for the report: what was cut, and what was left out."""

    @property
    def max_positions(self) -> int:
        """Longest sequence the model can see, in tokens."""
        return CausalParts.of(self.model).max_positions

    def nats(self, prompts: Sequence[Prompt], name: str) -> list[NDArray[np.float64]]:
        """Return per prompt log p(continuation | context) in nats, one per continuation.

        Raises:
            BadSettingError: options alone are longer than the model's context.
            BadModelError: the model gives no finite likelihood.
        """
        fitted = fit(prompts, self.tokenizer, max_positions=self.max_positions)
        for n_lost, what in (
            (fitted.n_lost_examples, "lost examples"),
            (fitted.n_lost_beginning, "lost the beginning of the question"),
        ):
            if n_lost:
                self.notes.append(
                    f"{name}, {self.label}: {n_lost} of {len(prompts)} prompts {what} to fit into "
                    f"{self.max_positions} tokens."
                )
        return continuation_nats(
            self.model, fitted.asked, name=f"{name} to {self.label}", progress=self.progress
        )
