"""How weights are moved: the optimiser and the schedule, one frozen object of plain numbers.

Shared by the adapter's training and the scratch base's pretraining. What is trained on what belongs
to ``recipe`` and ``scratch``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Precision = Literal["fp32", "bf16", "auto"]
"""``auto`` until a plan has decided: only ``runtime.Plan`` knows the machine."""


@dataclass(frozen=True)
class Optimisation:
    """AdamW under a cosine schedule with linear warm-up (arXiv:2309.06126, section 2.2)."""

    n_steps: int
    """Optimiser steps in all."""
    batch: int
    """Blocks per step, over all devices and micro-batches."""
    micro_batch: int
    """Blocks per forward pass; divides ``batch``."""
    learning_rate: float
    """At the end of the warm-up."""
    min_lr_ratio: float
    """Last learning rate, as a share of ``learning_rate``."""
    warmup_share: float
    """Share of the steps in which the rate rises linearly from 0."""
    betas: tuple[float, float]
    eps: float
    weight_decay: float
    clip: float
    """Largest norm of the gradient."""
    precision: Precision
    seed: int
    replay_fraction: float = 0.0
    """Share of the blocks that is taken from what is to be replayed."""

    @property
    def n_warmup_steps(self) -> int:
        """Steps of warm-up, rounded up; the last step is never one of them."""
        return min(math.ceil(self.n_steps * self.warmup_share), self.n_steps - 1)

    def learning_rate_at(self, step: int) -> float:
        """Return the rate that step ``step`` (1, 2, …) is made with.

        >>> schedule = Optimisation(10, 1, 1, 1.0, 0.1, 0.2, (0.9, 0.95), 1e-5, 0.1, 1.0, "fp32", 0)
        >>> [round(schedule.learning_rate_at(step), 3) for step in (1, 2, 3, 7, 10)]
        [0.0, 0.5, 1.0, 0.55, 0.134]
        """
        done = step - 1
        if done < self.n_warmup_steps:
            return self.learning_rate * done / self.n_warmup_steps
        through = (done - self.n_warmup_steps) / max(1, self.n_steps - self.n_warmup_steps)
        cosine = 0.5 * (1 + math.cos(math.pi * through))
        return self.learning_rate * (self.min_lr_ratio + (1 - self.min_lr_ratio) * cosine)
