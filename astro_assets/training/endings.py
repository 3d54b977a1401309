"""How a trainer's process ended, as a named error.

The trainer and whoever started it share exit statuses and one file, ``error.json``. What does not
belong here: starting and stopping the process (``launcher``).
"""

from __future__ import annotations

import json
import re
import signal
from contextlib import suppress
from pathlib import Path

from astro_assets import errors
from astro_assets.artifacts import atomic, disk
from astro_assets.errors import AstroError, TrainingError, TrainingStoppedError

EXIT_DONE, EXIT_STOPPED = 0, 75
ERROR = "error.json"
LOG = "log.txt"
_TAIL_BYTES, _TAIL_LINES = 8_192, 12
_WORKER_STOPPED = re.compile(rf"exitcode\s*:\s*{EXIT_STOPPED}\b")
"""What torchrun says of a worker; its own status is 1 then."""
_MEANT = {
    signal.SIGKILL: "often the kernel's, for want of memory",
    signal.SIGSEGV: "a defect of a library",
    signal.SIGBUS: "often a full disk or shared memory",
}


def error_of(code: int, work: Path, *, log_begin: int) -> AstroError:
    """Return the error that says why a trainer ended without a result.

    Args:
        code: Exit status; negative: the signal that ended it.
        work: The training's work folder.
        log_begin: Length of the log when the trainer was started, in bytes.
    """
    said = _last_lines(work / LOG, log_begin)
    told = None if code == EXIT_STOPPED else _named(work / ERROR)
    if told is not None:
        return told
    if code != EXIT_STOPPED and disk.is_full(work):
        # Too full for the trainer to write it down.
        return disk.named(f"{work} has no room for a checkpoint", work.parent.parent)
    if code == EXIT_STOPPED or _WORKER_STOPPED.search(said):
        return TrainingStoppedError(
            "The training was stopped on request; its checkpoint is kept.",
            do="Materialise lora_checkpoint again: it goes on from there.",
        )
    if code == EXIT_DONE:
        found = f"The trainer ended as if done, but {work / 'result'} is not there"
    elif code < 0:
        found = f"The trainer was ended by {_signal(-code)}"
    else:
        found = f"The trainer ended with status {code} and named no error"
    return TrainingError(
        f"{found}. Its last lines:\n{said}" if said else f"{found} and said nothing.",
        expected="a result, or an error by name.",
        do=f"See {work / LOG}, mend what it says, and materialise lora_checkpoint again: it goes "
        "on from the last checkpoint.",
    )


def write_error(path: Path, error: AstroError) -> None:
    """Write a named error for whoever started the trainer, if the disk has room for it."""
    told = {
        "type": type(error).__name__,
        "found": error.found,
        "expected": error.expected,
        "do": error.do,
    }
    with suppress(OSError):  # it is printed as well, and a full disk is seen from outside
        atomic.write_text(path, json.dumps(told, indent=1) + "\n")


def _signal(number: int) -> str:
    try:
        name = signal.Signals(number)
    except ValueError:
        return f"signal {number}"
    return f"{name.name} ({_MEANT[name]})" if name in _MEANT else name.name


def _named(path: Path) -> AstroError | None:
    """Return the error a trainer wrote; of a class that is not known here, as a TrainingError."""
    try:
        told = json.loads(path.read_bytes())
        found, expected, do = (str(told.get(part) or "") for part in ("found", "expected", "do"))
        name = str(told["type"])
    except (OSError, ValueError, KeyError, AttributeError):
        return None
    kind = getattr(errors, name, None)
    if not (isinstance(kind, type) and issubclass(kind, AstroError)):
        kind = TrainingError
    return kind(found, expected=expected, do=do)


def _last_lines(path: Path, begin: int) -> str:
    """Return the end of what was logged since ``begin`` (bytes)."""
    try:
        with path.open("rb") as log:
            size = log.seek(0, 2)
            log.seek(max(begin, size - _TAIL_BYTES))
            text = log.read().decode(errors="replace")
    except OSError:
        return ""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return "\n".join(lines[-_TAIL_LINES:])
