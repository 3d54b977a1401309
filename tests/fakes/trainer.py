"""A trainer that trains nothing: it keeps the contract between a trainer and its starter.

    python tests/fakes/trainer.py WORK PLAN

PLAN is a JSON list of steps: ``["points", n]`` appends n points to both curves, ``["cut", n]`` cuts
the curves back to n points, ``["half"]`` writes half a line, ``["error", {…}]`` writes error.json,
``["print", text]``, ``["spawn"]`` starts a grandchild in a session of its own, ``["ignore"]`` lets
SIGTERM pass by, ``["save"]`` waits to be asked to stop and says by what, ``["hang"]`` waits for
ever, ``["result"]`` makes an empty result, ``["result", folder]`` one like that folder,
``["exit", code]`` and ``["kill", number]`` end it.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from astro_assets.artifacts import atomic, lock

SPAN = 100
"""Tokens of a step."""


class Fake:
    def __init__(self, work: Path) -> None:
        self.work = work
        self.asked = ""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: object) -> None:
        self.asked = self.asked or signal.Signals(number).name

    def points(self, n: int) -> None:
        done = self._lines("curve.jsonl")
        for step in range(len(done) + 1, len(done) + n + 1):
            self._append("curve.jsonl", point(step))
            self._append("heldout.jsonl", measurement(step))

    def cut(self, n: int) -> None:
        for name in ("curve.jsonl", "heldout.jsonl"):
            kept = self._lines(name)[:n]
            (self.work / name).write_text("".join(f"{line}\n" for line in kept))

    def half(self) -> None:
        with (self.work / "curve.jsonl").open("a") as file:
            file.write('{"step": 9')

    def error(self, told: dict) -> None:
        (self.work / "error.json").write_text(json.dumps(told))

    def print(self, text: str) -> None:
        print(text, flush=True)

    def spawn(self) -> None:
        child = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(600)"],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
        )
        (self.work / "grandchild").write_text(str(child.pid))

    def ignore(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def save(self) -> None:
        """Wait for a signal or for the lifeline's end; say which, save, and stop."""
        (self.work / "waiting").write_text(str(os.getpid()))
        while not self.asked:
            readable, _, _ = select.select([0], [], [], 0.02)
            if readable and not os.read(0, 1):
                self.asked = "lifeline"
        (self.work / "saved").write_text(self.asked)
        sys.exit(75)

    def hang(self) -> None:
        (self.work / "waiting").write_text(str(os.getpid()))
        while True:
            signal.pause()

    def result(self, folder: str = "") -> None:
        with atomic.new_folder(self.work / "result") as made:
            if folder:
                shutil.copytree(folder, made, dirs_exist_ok=True)

    def exit(self, code: int) -> None:
        sys.exit(code)

    def kill(self, number: int) -> None:
        os.kill(os.getpid(), number)

    def _lines(self, name: str) -> list[str]:
        path = self.work / name
        return path.read_text().splitlines() if path.is_file() else []

    def _append(self, name: str, document: dict) -> None:
        with (self.work / name).open("a") as file:
            file.write(json.dumps(document) + "\n")


def point(step: int) -> dict:
    return {
        "step": step,
        "n_tokens": step * SPAN,
        "nll_nats_per_token": 3.0 / step,
        "smoothed_nll_nats_per_token": 3.1 / step,
        "learning_rate": 1e-3,
        "gradient_norm": 0.5,
        "tokens_per_second": 1234.5,
        "memory_bytes": 2_000_000_000,
    }


def measurement(step: int) -> dict:
    return {
        "step": step,
        "n_tokens": step * SPAN,
        "epoch": step / 10,
        "nll_nats_per_token": {"astro": 2.0 / step, "general": 2.5, "astro-ph.GA": 1.9},
        "n_tokens_measured": {"astro": 50, "general": 40, "astro-ph.GA": 20},
    }


def main() -> None:
    work, plan = Path(sys.argv[1]), json.loads(sys.argv[2])
    fake = Fake(work)
    with lock.exclusive(work / "lock", holder="the fake trainer", guarded=lock.TRAINING):
        for name, *given in plan:
            getattr(fake, name)(*given)


if __name__ == "__main__":
    main()
