"""When a checkpoint is written: every so many minutes, and when the training is asked to stop.

What a checkpoint is, and when it counts, belongs to ``checkpoints``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from transformers.trainer_callback import TrainerCallback

from astro_assets.training import distributed
from astro_assets.training.checkpoints import Checkpoints
from astro_assets.training.stopping import StopRequest


class Saver(TrainerCallback):  # type: ignore[misc] # transformers is untyped here
    """Asks the Trainer for checkpoints and seals them; lets it stop at the end of a step."""

    def __init__(
        self,
        checkpoints: Checkpoints | None,
        stop: StopRequest,
        *,
        every_seconds: float,
        seconds_before: float = 0.0,
        is_astray: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Save to ``checkpoints`` (None: nowhere) every ``every_seconds``; heed ``stop``.

        ``seconds_before``: what earlier sessions of this training took. While ``is_astray`` nothing
        is due, and a stop saves only where there is nothing better: the last one stays a good one.
        """
        self.stopped = False
        self._checkpoints, self._stop, self._every = checkpoints, stop, every_seconds
        self._is_astray, self._clock = is_astray, clock
        self._began = clock() - seconds_before
        self._saved_at = clock()

    @property
    def seconds(self) -> float:
        """Return how long the training has taken, all sessions together."""
        return self._clock() - self._began

    def on_step_end(self, args: Any, state: Any, control: Any, **now: Any) -> Any:
        """Decide together with the other processes whether to save and whether to stop."""
        due = self._clock() - self._saved_at >= self._every and not self._is_astray()
        stop, save = distributed.agree(self._stop.asked, due)
        is_last = state.global_step >= state.max_steps or control.should_training_stop
        if is_last:
            return control  # what follows is the result, in less time than a checkpoint takes
        if stop:
            self.stopped = True
            control.should_training_stop = True
        if self._checkpoints is not None and (save or (stop and not self._has_better())):
            control.should_save = True
        return control

    def _has_better(self) -> bool:
        """Tell whether what would be saved is going astray and an earlier checkpoint is there."""
        return (
            self._is_astray()
            and self._checkpoints is not None
            and self._checkpoints.newest() is not None
        )

    def on_save(self, args: Any, state: Any, control: Any, **now: Any) -> None:
        """Seal what the Trainer has just written."""
        distributed.wait_for_all()
        if self._checkpoints is not None and distributed.is_first():
            self._checkpoints.seal(state.global_step, seconds=self.seconds)
        distributed.wait_for_all()  # nobody ends before the seal is there
        self._saved_at = self._clock()
