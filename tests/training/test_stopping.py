import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from astro_assets.training.checkpoints import Checkpoints
from astro_assets.training.saving import Saver
from astro_assets.training.stopping import EXIT_ABANDONED, StopRequest


@dataclass
class State:
    """What the Trainer tells a callback."""

    global_step: int
    max_steps: int = 100


@dataclass
class Control:
    """What a callback tells the Trainer."""

    should_save: bool = False
    should_training_stop: bool = False


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def after_step(saver: Saver, step: int = 5) -> Control:
    return saver.on_step_end(None, State(step), Control())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_ask(number: signal.Signals) -> None:
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        request = StopRequest()
        request.on_signals()
        assert not request.asked
        signal.raise_signal(number)
        signal.raise_signal(signal.SIGTERM)
        assert request.why == f"by {number.name}"
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def test_the_end_of_the_lifeline_asks_and_then_ends_hard() -> None:
    ours, theirs = os.pipe()
    given_up = threading.Event()
    codes: list[int] = []
    request = StopRequest()

    def give_up(code: int) -> None:
        codes.append(code)
        given_up.set()

    request.on_lifeline(ours, grace_seconds=0.0, give_up=give_up)
    os.write(theirs, b"a word is no end")
    assert not request.asked
    os.close(theirs)
    assert given_up.wait(10)
    assert request.asked
    assert codes == [EXIT_ABANDONED]
    os.close(ours)


def test_a_checkpoint_is_due_by_the_clock(tmp_path: Path) -> None:
    clock = Clock()
    saver = Saver(Checkpoints(tmp_path, "x"), StopRequest(), every_seconds=60, clock=clock)
    clock.now += 59
    assert not after_step(saver).should_save
    clock.now += 1
    assert after_step(saver) == Control(should_save=True)


def test_what_goes_astray_is_not_saved_unless_it_is_stopped(tmp_path: Path) -> None:
    stop = StopRequest()
    saver = Saver(
        Checkpoints(tmp_path, "x"), stop, every_seconds=0.0, is_astray=lambda: True, clock=Clock()
    )
    assert not after_step(saver).should_save
    stop.ask("by a test")
    assert after_step(saver) == Control(should_save=True, should_training_stop=True)
    assert saver.stopped


def test_a_stop_does_not_replace_what_was_better(tmp_path: Path) -> None:
    stop = StopRequest()
    stop.ask("by a test")
    checkpoints = Checkpoints(tmp_path, "x")
    (checkpoints.folder / "checkpoint-3").mkdir(parents=True)
    checkpoints.seal(3, seconds=1.0)
    saver = Saver(checkpoints, stop, every_seconds=0.0, is_astray=lambda: True, clock=Clock())
    assert after_step(saver) == Control(should_training_stop=True)


def test_the_last_step_is_neither_saved_nor_called_stopped(tmp_path: Path) -> None:
    stop = StopRequest()
    stop.ask("by a test")
    saver = Saver(Checkpoints(tmp_path, "x"), stop, every_seconds=0.0, clock=Clock())
    assert after_step(saver, step=100) == Control()
    assert not saver.stopped


def test_seconds_go_on_over_sessions(tmp_path: Path) -> None:
    clock = Clock()
    saver = Saver(None, StopRequest(), every_seconds=60, seconds_before=100.0, clock=clock)
    clock.now += 7
    assert saver.seconds == pytest.approx(107.0)
