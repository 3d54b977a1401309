"""Held-out measurements while the Trainer runs: at the start, now and then, at each epoch's end.

Also early stopping, which is off unless a recipe asks for it: validation loss may rise before it
falls (Galactica, arXiv:2211.09085, section 5.1). How a model is measured belongs to ``heldout``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transformers.trainer_callback import TrainerCallback

from astro_assets.errors import BadModelError, TrainingError
from astro_assets.training import distributed
from astro_assets.training.checkpoints import append_line
from astro_assets.training.heldout import Heldout, Measurement, measured, score

OnHeldout = Callable[[Measurement], None]
"""Called with every measurement, to forward it elsewhere."""


@dataclass(frozen=True)
class Cadence:
    """When held-out documents are measured."""

    n_steps: int
    steps_per_epoch: float
    """Optimiser steps in one pass over the astro blocks; not whole where a batch straddles."""
    n_spread: int
    """Measurements spread evenly over the run, besides the start and the ends of epochs."""
    tokens_per_step: int = 1
    """Training tokens of one step."""

    def steps(self) -> frozenset[int]:
        """Return the steps after which is measured; 0 is the start, the last step always in.

        >>> sorted(Cadence(n_steps=10, steps_per_epoch=4.5, n_spread=2).steps())
        [0, 5, 9, 10]
        """
        spread = {math.ceil(self.n_steps * k / self.n_spread) for k in range(1, self.n_spread + 1)}
        n_epochs = int(self.n_steps / self.steps_per_epoch)
        ends = {math.ceil(self.steps_per_epoch * k) for k in range(1, n_epochs + 1)}
        return frozenset({0, self.n_steps} | spread | {end for end in ends if end < self.n_steps})


def steps_since_best(nll: list[float]) -> int:
    """Return how many measurements ago the lowest one was; the first of equal ones counts.

    >>> steps_since_best([3.0, 2.5, 2.6, 2.5])
    2
    """
    return len(nll) - 1 - nll.index(min(nll))


class HeldoutRecorder(TrainerCallback):  # type: ignore[misc] # transformers is untyped here
    """Measures at the planned steps, and ends the training early where that is asked for."""

    def __init__(
        self,
        heldout: Heldout,
        cadence: Cadence,
        *,
        patience: int | None = None,
        sharded: bool = False,
        earlier: Sequence[dict[str, Any]] = (),
        live: Path | None = None,
        on_heldout: OnHeldout | None = None,
        on_best: Callable[[Any], None] = lambda _model: None,
    ) -> None:
        """Measure ``heldout`` and append to ``live``; ``earlier`` lines are of earlier sessions.

        ``patience``: measurements without a better astro nll after which training ends, or None.
        ``on_best`` is handed the model whenever it is the best so far (only with a patience).
        """
        self.measurements = [Measurement(**line) for line in earlier]
        self.ended_early = False
        self._heldout, self._cadence, self._steps = heldout, cadence, cadence.steps()
        self._patience, self._sharded = patience, sharded
        self._live, self._on_heldout, self._on_best = live, on_heldout, on_best

    def on_train_begin(self, args: Any, state: Any, control: Any, **now: Any) -> Any:
        """Measure the start, unless an earlier session did."""
        if not self.measurements:
            self._measure(now["model"], 0)
        return control

    def on_step_end(self, args: Any, state: Any, control: Any, **now: Any) -> Any:
        """Measure where it is planned."""
        if state.global_step in self._steps:
            self._measure(now["model"], state.global_step)
            if self._is_enough():
                self.ended_early = True
                control.should_training_stop = True
        return control

    @property
    def kept(self) -> Measurement | None:
        """Return what the weights that are kept measured: the last, or with a patience the best."""
        if self._patience is None or not self.measurements:
            return self.measurements[-1] if self.measurements else None
        return self.measurements[len(self.measurements) - 1 - steps_since_best(self._astro())]

    def _measure(self, model: Any, step: int) -> None:
        try:
            nll, counts = measured(
                score(model, self._heldout, sharded=self._sharded), self._heldout
            )
        except BadModelError as error:
            raise TrainingError(
                f"After step {step:,} held-out papers have no likelihood any more: {error.found}",
                expected="finite weights.",
                do="Lower the recipe's learning_rate, or train in fp32.",
            ) from error
        self.measurements.append(
            Measurement(
                step=step,
                n_tokens=step * self._cadence.tokens_per_step,
                epoch=round(step / self._cadence.steps_per_epoch, 6),
                nll_nats_per_token=nll,
                n_tokens_measured=counts,
            )
        )
        if self._live and distributed.is_first():
            append_line(self._live, asdict(self.measurements[-1]))
        if self._on_heldout is not None:
            self._on_heldout(self.measurements[-1])
        if self._patience is not None and steps_since_best(self._astro()) == 0:
            self._on_best(model)

    def _is_enough(self) -> bool:
        return self._patience is not None and steps_since_best(self._astro()) >= self._patience

    def _astro(self) -> list[float]:
        return [found.nll_nats_per_token["astro"] for found in self.measurements]
