"""What stands around one pass of the Trainer: where it is kept, and who measures or stops it.

The pass itself is in ``loop``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from astro_assets.training.callbacks import OnMetrics
from astro_assets.training.checkpoints import Checkpoints
from astro_assets.training.heldout import Heldout
from astro_assets.training.measuring import OnHeldout
from astro_assets.training.stopping import StopRequest


@dataclass(frozen=True)
class Surroundings:
    """What stands around a pass: where it is kept, what it is measured on, who may stop it."""

    checkpoints: Checkpoints | None = None
    """None: nothing is kept, and a pass that is stopped is lost."""
    checkpoint_seconds: float = 600.0
    heldout: Heldout | None = None
    n_spread: int = 8
    """Held-out measurements spread over the pass."""
    patience: int | None = None
    """Measurements without a better one after which the pass ends; None: it never ends early."""
    stop: StopRequest = field(default_factory=StopRequest)
    on_metrics: OnMetrics | None = None
    """Called with every point of the learning curve."""
    on_heldout: OnHeldout | None = None
    """Called with every held-out measurement."""
    sharding: str | None = None
    """None or ``fsdp``."""
    recompute: bool = False
    """Whether activations are computed again in the backward pass, to save memory."""
    clock: Callable[[], float] = time.monotonic

    def is_on_gpu(self, model: Any) -> bool:
        """Tell where the pass computes; a model to be sharded over GPUs still lies in RAM."""
        return bool(model.device.type == "cuda") or self.sharding is not None

    def live(self, name: str) -> Path | None:
        """Return where a curve is appended to while the pass runs, if anywhere."""
        return self.checkpoints.work / name if self.checkpoints else None
