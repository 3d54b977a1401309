"""What is recorded while the Trainer runs: the learning curve, and how far and how fast it is.

What a curve looks like on a page belongs to ``evaluation``; held-out documents to ``measuring``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transformers.trainer_callback import TrainerCallback

from astro_assets.errors import TrainingError
from astro_assets.progress import Task
from astro_assets.training import distributed
from astro_assets.training.checkpoints import append_line

OnMetrics = Callable[[int, dict[str, float]], None]
"""Called with the step and its figures, to forward them elsewhere."""

DIVERGED_NATS = 1.0
"""A mean loss this far above the best it has been is lost: noise and warm-up stay well below."""
_LEAST_WINDOW = 10
"""Steps a mean is taken over at least before it is believed to rise."""
ASTRAY_NATS = 0.5
"""Above this no checkpoint is due: what may be going astray must not replace what was good."""


@dataclass(frozen=True)
class CurvePoint:
    """One step of the learning curve."""

    step: int
    """Optimiser steps done."""
    n_tokens: int
    """Tokens seen so far."""
    nll_nats_per_token: float
    """Training loss of the step (new tokens, dropout on); its exponent is what the paper calls
    perplexity (arXiv:2309.06126, figure 1)."""
    smoothed_nll_nats_per_token: float
    """Mean over the last twentieth of the run."""
    learning_rate: float
    """The rate this step was made with."""
    gradient_norm: float
    """Before clipping, L2 over all trainable weights."""


class CurveRecorder(TrainerCallback):  # type: ignore[misc] # transformers is untyped here
    """Keeps the learning curve, advances a task, forwards figures, and stops at a lost loss."""

    def __init__(
        self,
        task: Task,
        *,
        n_steps: int,
        tokens_per_step: int,
        on_metrics: OnMetrics | None,
        earlier: Sequence[dict[str, Any]] = (),
        live: Path | None = None,
        memory_bytes: Callable[[], int] = lambda: 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Record ``n_steps`` steps of ``tokens_per_step`` tokens, and append them to ``live``.

        ``earlier``: the lines of the sessions of this training that went before.
        """
        self.points = [_point(line) for line in earlier]
        self._task, self._on_metrics, self._live = task, on_metrics, live
        self._n_steps, self._tokens_per_step = n_steps, tokens_per_step
        self._n_smoothed = max(1, n_steps // 20)
        self._learning_rate = math.nan
        self._memory_bytes, self._clock = memory_bytes, clock
        self._step_began, self._step_seconds = clock(), 1e-9
        self._n_window = max(_LEAST_WINDOW, self._n_smoothed)
        self._best = math.inf
        for n in range(self._n_window, len(self.points) + 1):
            self._best = min(self._best, self._mean(self.points[n - self._n_window : n]))

    @property
    def is_astray(self) -> bool:
        """Tell whether the loss stands clearly above the best it has been."""
        return bool(self.points) and self._above_best() > ASTRAY_NATS

    def on_train_begin(self, args: Any, state: Any, control: Any, **now: Any) -> None:
        """Show what an earlier session did as done."""
        if self.points:
            self._task.advance(self.points[-1].n_tokens)

    def on_step_begin(self, args: Any, state: Any, control: Any, **now: Any) -> None:
        """Note when the step began; what happens between steps is not training."""
        self._step_began = self._clock()

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **now: Any) -> None:
        """Remember the rate of the step about to be made; the Trainer logs the next one's."""
        self._learning_rate = float(now["optimizer"].param_groups[0]["lr"])

    def on_step_end(self, args: Any, state: Any, control: Any, **now: Any) -> Any:
        """Take the time before anything is measured, and have every step logged."""
        self._step_seconds = max(self._clock() - self._step_began, 1e-9)
        control.should_log = True
        return control

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **now: Any
    ) -> None:
        """Add a point; the Trainer's summary at the end has no ``loss`` and is left out.

        Raises:
            TrainingError: the loss is no longer a finite number, or diverges.
        """
        if not logs or "loss" not in logs:
            return
        nll, step = float(logs["loss"]), int(state.global_step)
        gradient_norm = float(logs["grad_norm"])
        self._refuse_lost(nll, gradient_norm, step)
        self.points.append(
            CurvePoint(
                step=step,
                n_tokens=step * self._tokens_per_step,
                nll_nats_per_token=nll,
                smoothed_nll_nats_per_token=self._smoothed(nll),
                learning_rate=self._learning_rate,
                gradient_norm=gradient_norm,
            )
        )
        self._refuse_diverging()
        self._tell(self.points[-1], self._tokens_per_step / self._step_seconds)

    def _tell(self, point: CurvePoint, tokens_per_second: float) -> None:
        memory_bytes = self._memory_bytes()
        speed = {"tokens_per_second": round(tokens_per_second, 1), "memory_bytes": memory_bytes}
        if self._live and distributed.is_first():
            append_line(self._live, asdict(point) | speed)
        self._task.advance(
            self._tokens_per_step,
            perplexity=math.exp(point.smoothed_nll_nats_per_token),
            memory=f"{memory_bytes / 1e9:.2f} GB",
        )
        if self._on_metrics is not None:
            figures = asdict(point)
            self._on_metrics(figures.pop("step"), figures)

    def _refuse_lost(self, nll: float, gradient_norm: float, step: int) -> None:
        for what, found in (("loss", nll), ("gradient's norm", gradient_norm)):
            if not math.isfinite(found) or (what == "loss" and found > 700):
                raise TrainingError(
                    f"The training {what} became {found:.4g} at step {step:,}.",
                    expected="a finite number.",
                    do="Lower the recipe's learning_rate, or train in fp32.",
                )

    def _refuse_diverging(self) -> None:
        """Raise when the mean loss stands far above the best mean so far."""
        if len(self.points) < self._n_window:
            return
        self._best = min(self._best, self._mean(self._window()))
        if self._above_best() > DIVERGED_NATS:
            raise TrainingError(
                f"The training diverges: over the last {self._n_window} steps up to "
                f"{self.points[-1].step:,} the loss is {self._mean(self._window()):.3f} nats per "
                f"token, {self._above_best():.2f} above the best it has been.",
                expected=f"a loss that rises by at most {DIVERGED_NATS:g} nat over its best.",
                do="Lower the recipe's learning_rate or clip, or raise its warmup_share. The last "
                "checkpoint is from before.",
            )

    def _above_best(self) -> float:
        """Return how far the mean loss stands above its best, in nats; 0 while none is known."""
        if len(self.points) < self._n_window:
            return 0.0
        return self._mean(self._window()) - self._best

    def _window(self) -> list[CurvePoint]:
        return self.points[-self._n_window :]

    @staticmethod
    def _mean(points: list[CurvePoint]) -> float:
        return sum(point.nll_nats_per_token for point in points) / len(points)

    def _smoothed(self, newest: float) -> float:
        """Return the mean over the last points, the newest included."""
        last = [point.nll_nats_per_token for point in self.points[-self._n_smoothed :]]
        values = [*last, newest][-self._n_smoothed :]
        return sum(values) / len(values)


def _point(line: dict[str, Any]) -> CurvePoint:
    """Return a line of a live curve without what only its session knew."""
    return CurvePoint(**{name: line[name] for name in CurvePoint.__dataclass_fields__})
