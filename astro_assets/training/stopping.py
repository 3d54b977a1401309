"""Being asked to stop: by SIGINT, by SIGTERM, or by the death of the process that started us.

Asked, a training saves at the end of its step and ends. A parent that is killed sends no signal;
its end of our standard input closes with it, in whatever process inherited the other end.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

LIFELINE = "ASTRO_TRAINER_LIFELINE"
"""Environment variable; ``stdin`` says that standard input is held open by our parent."""
GRACE_SECONDS = 240.0
"""How long a step and its checkpoint may take after the parent died; then the process just ends."""
EXIT_ABANDONED = 70


class StopRequest:
    """Whether this process was asked to stop, and by what."""

    def __init__(self) -> None:
        """Nobody has asked yet."""
        self._why = ""

    @property
    def why(self) -> str:
        """Return who asked, as the end of a sentence; empty while nobody has."""
        return self._why

    @property
    def asked(self) -> bool:
        """Tell whether anybody asked."""
        return bool(self._why)

    def ask(self, why: str) -> None:
        """Ask; the first reason stays."""
        self._why = self._why or why

    def on_signals(self) -> None:
        """Take SIGINT and SIGTERM as a request from now on (main thread only)."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.ask(f"by {signal.Signals(number).name}")

    def on_lifeline(
        self,
        descriptor: int = 0,
        *,
        grace_seconds: float = GRACE_SECONDS,
        give_up: Callable[[int], object] = os._exit,
    ) -> None:
        """Take the end of file on ``descriptor`` as a request, and end hard after the grace.

        The hard end is for a process that hangs, say in a collective with one that is gone.
        """

        def watch() -> None:
            while os.read(descriptor, 4096):
                pass  # nobody writes; whatever comes is no request
            self.ask("because the process that started it is gone or let go of it")
            threading.Event().wait(grace_seconds)
            give_up(EXIT_ABANDONED)

        threading.Thread(target=watch, name="lifeline", daemon=True).start()


def stop_request_of_this_process() -> StopRequest:
    """Return a request that listens to signals and, where there is one, to the lifeline."""
    request = StopRequest()
    request.on_signals()
    if os.environ.get(LIFELINE) == "stdin":
        request.on_lifeline()
    return request
