"""What is recorded while the Trainer runs: the learning curve, and how far it is.

What a curve looks like on a page belongs to ``evaluation``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from transformers.trainer_callback import TrainerCallback

from astro_assets.errors import TrainingError
from astro_assets.progress import Task

OnMetrics = Callable[[int, dict[str, float]], None]
"""Called with the step and its figures, to forward them elsewhere."""

MAX_POINTS = 1000
"""A curve has at most about this many points; a longer run is logged every so many steps."""


@dataclass(frozen=True)
class CurvePoint:
    """One point of the learning curve."""

    step: int
    """Optimiser steps done."""
    n_tokens: int
    """Tokens seen so far."""
    nll_nats_per_token: float
    """Training loss since the point before (new tokens, dropout on); its exponent is what the paper
    calls perplexity (arXiv:2309.06126, figure 1)."""
    smoothed_nll_nats_per_token: float
    """Mean over the last twentieth of the run."""
    learning_rate: float
    """The rate this step was made with."""


def steps_per_point(n_steps: int) -> int:
    """Return every how many steps a point is taken."""
    return max(1, n_steps // MAX_POINTS)


class CurveRecorder(TrainerCallback):  # type: ignore[misc] # transformers is untyped here
    """Keeps the learning curve, advances a task, forwards figures, and stops at a lost loss."""

    def __init__(
        self, task: Task, *, n_steps: int, tokens_per_step: int, on_metrics: OnMetrics | None
    ) -> None:
        """Record ``n_steps`` steps of ``tokens_per_step`` tokens."""
        self.points: list[CurvePoint] = []
        self._task, self._on_metrics = task, on_metrics
        self._n_steps, self._tokens_per_step = n_steps, tokens_per_step
        self._n_smoothed = max(1, n_steps // steps_per_point(n_steps) // 20)
        self._learning_rate = math.nan

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **now: Any) -> None:
        """Remember the rate of the step about to be made; the Trainer logs the next one's."""
        self._learning_rate = float(now["optimizer"].param_groups[0]["lr"])

    def on_step_end(self, args: Any, state: Any, control: Any, **now: Any) -> Any:
        """Count the step's tokens and make sure that the last step is logged."""
        figures = {"perplexity": math.exp(self._smoothed())} if self.points else {}
        self._task.advance(self._tokens_per_step, **figures)
        if state.global_step >= self._n_steps:
            control.should_log = True
        return control

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **now: Any
    ) -> None:
        """Add a point; the Trainer's summary at the end has no ``loss`` and is left out.

        Raises:
            TrainingError: the loss is no longer a finite number.
        """
        if not logs or "loss" not in logs:
            return
        nll, step = float(logs["loss"]), int(state.global_step)
        if not math.isfinite(nll) or nll > 700:
            raise TrainingError(
                f"The training loss became {nll:.4g} at step {step:,}.",
                expected="a finite number of nats per token.",
                do="Lower the recipe's learning_rate, or train in fp32.",
            )
        self.points.append(
            CurvePoint(
                step=step,
                n_tokens=step * self._tokens_per_step,
                nll_nats_per_token=nll,
                smoothed_nll_nats_per_token=self._smoothed(nll),
                learning_rate=self._learning_rate,
            )
        )
        if self._on_metrics is not None:
            figures = asdict(self.points[-1])
            self._on_metrics(figures.pop("step"), figures)

    def _smoothed(self, *newest: float) -> float:
        """Return the mean over the last points, the newest included."""
        values = [*(point.nll_nats_per_token for point in self.points), *newest]
        last = values[-self._n_smoothed :]
        return sum(last) / len(last)
