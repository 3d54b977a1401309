"""Training as a process of its own: started, followed, stopped, and buried.

::

    this process ── stdin: lifeline ──► python -m astro_assets.training --job work/job.json
         ▲                                   │ (torchrun starts one per device)
         └── curve.jsonl, heldout.jsonl ◄────┘ result/ or error.json

The trainer has a session of its own, so a Ctrl-C meant for us does not reach it: we ask it to save
and stop, wait, and end what is left. If we are killed, its standard input ends, and it does the
same by itself. What does not belong here: the training (``trainer``), what a job holds (``job``).
"""

from __future__ import annotations

import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from astro_assets.artifacts import lock
from astro_assets.errors import TrainingError
from astro_assets.progress import Progress, Task
from astro_assets.training import family
from astro_assets.training.endings import ERROR, EXIT_DONE, LOG, error_of
from astro_assets.training.following import Tail
from astro_assets.training.job import JOB, RESULT, TrainingJob
from astro_assets.training.stopping import LIFELINE

_LEFT = re.compile(r"\..+\.[a-z0-9_]{8}")
"""The hidden siblings that atomic writes make."""

EachGpu = Literal["gpu"]
"""torchrun's word for one process on each GPU of the machine it is started on."""

OnLine = Callable[[dict[str, Any]], None]
"""Called with one line of a curve."""


@dataclass(frozen=True)
class Start:
    """What is started, as far as its starter must know."""

    name: str
    """What is shown beside the progress: ``train smoke 2026-06``."""
    n_tokens: int
    """Tokens of the whole training."""
    n_processes: int = 1
    command: tuple[str, ...] = ()
    """Empty: the trainer; tests put another program in its place."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Beside our own."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for what."""

    poll_seconds: float = 0.5
    """Between two looks at the curves."""
    grace_seconds: float = 300.0
    """For a step and a checkpoint, once the trainer was asked to stop."""


PATIENCE = Patience()


def command_of(work: Path, n_processes: int | EachGpu = 1) -> tuple[str, ...]:
    """Return the command that trains what a work folder says, also by hand."""
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n_processes))
    module = ("-m", "astro_assets.training", "--job", str(work / JOB))
    return (sys.executable, *(() if n_processes == 1 else launch), *module)


def processes_elsewhere(job: TrainingJob) -> int | EachGpu:
    """Return how many processes to start on a machine that nobody here has seen.

    A recipe that one GPU does not carry gets one process for each GPU there; any other gets one,
    which runs on a CPU as well. What is set goes first.
    """
    recipe, runtime = job.recipe, job.runtime
    needs_several = recipe.min_devices > 1 or recipe.sharding is not None
    if not runtime.n_processes and needs_several and runtime.device != "cpu":
        return "gpu"
    return runtime.n_processes or 1


def elsewhere(work: Path, n_processes: int | EachGpu = 1) -> TrainingError:
    """Return the error that says how to train on another machine what a work folder says."""
    python = "python " + shlex.join(command_of(work, n_processes)[1:])
    at_work = lock.holder_of(work / "lock")
    found = f"is under way ({at_work})" if at_work else "has no result yet"
    return TrainingError(
        f"The training in {work} {found}, and ASTRO_TRAINER says that it is done elsewhere.",
        expected=f"{work / RESULT}, made where the GPU is.",
        do=f"Run there, with the same home: {python}\nThen materialise lora_checkpoint again.",
    )


def run_job(
    start: Start,
    work: Path,
    *,
    progress: Progress,
    on_point: OnLine | None = None,
    on_heldout: OnLine | None = None,
    patience: Patience = PATIENCE,
) -> Path:
    """Train what ``work/job.json`` says in a process of its own and return the result's folder.

    A result that is there already is returned at once, its curves told of as if it were new.

    Args:
        start: What is started.
        work: The training's work folder.
        progress: Told of tokens, perplexity, speed and memory.
        on_point: Called with every line of the learning curve; on a resumed training with those
            of earlier sessions first.
        on_heldout: The same for held-out measurements.
        patience: How often to look, how long to wait.

    Raises:
        TrainingError: another trainer is at work there; or the training failed without a name.
        TrainingStoppedError: somebody asked the trainer to stop.
        AstroError: what the trainer itself named.
    """
    listener = _Listener(
        [
            (Tail(work / "curve.jsonl"), on_point or _nobody),
            (Tail(work / "heldout.jsonl"), on_heldout or _nobody),
        ]
    )
    result = work / RESULT
    with lock.exclusive(work / "launcher.lock", holder=start.name, guarded=lock.TRAINING):
        listener.listen(None)
        if result.is_dir():
            return result
        n_left = start.n_tokens - listener.n_tokens
        with progress.task(start.name, total=max(n_left, 1), unit="tokens") as task:
            _wait_for_orphan(work, task, patience)
            if not result.is_dir():
                _clear_left(work)
                _train(start, work, lambda: listener.listen(task), patience)
            listener.listen(task)
    return result


class _Listener:
    """Hands new lines of both curves on, and shows the newest."""

    def __init__(self, ears: list[tuple[Tail, OnLine]]) -> None:
        self._ears = ears
        self.n_tokens = 0
        """Trained on so far, earlier sessions included."""
        self._figures: dict[str, float | str] = {}

    def listen(self, task: Task | None) -> None:
        """Read what came since the last time; what came before a task was opened is shown by none.

        Time left is told by the speed of this session, which earlier tokens would falsify.
        """
        for tail, tell in self._ears:
            for line in tail.new():
                self._figures |= _figures(line)
                tell(line)
                n_new = max(0, line["n_tokens"] - self.n_tokens)
                self.n_tokens += n_new
                if task is not None:
                    task.advance(n_new, **self._figures)


def _figures(line: Mapping[str, Any]) -> dict[str, float | str]:
    """Return what is shown of a line of either curve."""
    if "smoothed_nll_nats_per_token" not in line:
        nll = line["nll_nats_per_token"].get("astro")
        return {} if nll is None else {"held-out": _perplexity(nll)}
    return {
        "perplexity": _perplexity(line["smoothed_nll_nats_per_token"]),
        "now": f"{line.get('tokens_per_second', 0.0):,.0f} tokens/s",
        "memory": f"{line.get('memory_bytes', 0) / 1e9:.2f} GB",
    }


def _perplexity(nll_nats_per_token: float) -> float:
    return math.exp(min(nll_nats_per_token, 700.0))


def _nobody(line: dict[str, Any]) -> None:
    del line


def _clear_left(work: Path) -> None:
    """Remove what killed writes left, which may be as large as a model; nobody is writing now."""
    for path in work.iterdir():
        if not _LEFT.fullmatch(path.name):
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _train(start: Start, work: Path, listen: Callable[[], None], patience: Patience) -> None:
    """Start the trainer, follow it to its end, and leave nothing of it behind."""
    (work / ERROR).unlink(missing_ok=True)
    token = uuid.uuid4().hex
    with (work / LOG).open("ab") as log:
        log_begin = log.tell()
        process = subprocess.Popen(
            start.command or command_of(work, start.n_processes),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **start.environment, LIFELINE: "stdin", family.TOKEN: token},
            start_new_session=True,
        )
    try:
        while _still_runs(process, patience.poll_seconds):
            listen()
    except BaseException:
        # Interrupted, or our side broke: what was trained so far is kept either way.
        _ask_to_stop(process, several=start.n_processes > 1)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience.grace_seconds)
        raise
    finally:
        _let_go(process)
        family.end(process, token)
    if process.returncode != EXIT_DONE or not (work / RESULT).is_dir():
        listen()
        raise error_of(process.returncode, work, log_begin=log_begin)


def _still_runs(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


def _ask_to_stop(process: subprocess.Popen[bytes], *, several: bool) -> None:
    """Ask for a checkpoint and an end; a second interruption ends it without.

    torchrun gives its workers 30 seconds after a signal and then kills them, so several are asked
    through the lifeline, which they all hold.
    """
    if several:
        _let_go(process)
    else:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)


def _let_go(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    with suppress(OSError):
        process.stdin.close()


def _wait_for_orphan(work: Path, task: Task, patience: Patience) -> None:
    """Wait for a trainer whose starter died: it is saving, and gives its lock back.

    Raises:
        TrainingError: the lock is held by a trainer that a person started, or for too long.
    """
    deadline = time.monotonic() + patience.grace_seconds
    path = work / "lock"
    while (holder := lock.holder_of(path)) is not None:
        # We hold the starters' lock: whoever started a trainer with a lifeline is gone.
        is_orphan = family.has_lifeline(holder.pid, LIFELINE)
        if time.monotonic() >= deadline or not is_orphan:
            if lock.holder_of(path) is None:
                return  # it ended while it was looked at
            raise lock.refusal(path, guarded=lock.TRAINING)
        task.advance(0, waiting=f"for {holder}, whose run ended, to save")
        time.sleep(patience.poll_seconds)
