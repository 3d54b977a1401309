"""A trainer started, followed, stopped and buried; it is a fake, the processes are real."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from astro_assets.artifacts import lock
from astro_assets.errors import BadSettingError, TrainingError, TrainingStoppedError
from astro_assets.progress import NO_PROGRESS, LineProgress
from astro_assets.training import family
from astro_assets.training.launcher import Patience, Start, command_of, elsewhere, run_job
from tests.fakes import trainer as fake

PATIENCE = Patience(poll_seconds=0.02, grace_seconds=20.0)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def command(work: Path, *plan: Any) -> tuple[str, ...]:
    steps = [[step] if isinstance(step, str) else list(step) for step in plan]
    return (sys.executable, "-m", "tests.fakes.trainer", str(work), json.dumps(steps))


def start(work: Path, *plan: Any, **more: Any) -> Start:
    return Start("train fake", 1_000, command=command(work, *plan), **more)


def train(work: Path, *plan: Any, patience: Patience = PATIENCE, **given: Any) -> Path:
    return run_job(
        start(work, *plan, n_processes=given.pop("n_processes", 1)),
        work,
        **{"progress": NO_PROGRESS, "patience": patience, **given},
    )


def until(seen: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_points_are_told_once_and_the_result_is_returned(work: Path) -> None:
    points: list[dict] = []
    measured: list[dict] = []
    lines: list[str] = []
    result = train(
        work,
        ("points", 3),
        ("print", "hello from the trainer"),
        "result",
        progress=LineProgress(lines.append),
        on_point=points.append,
        on_heldout=measured.append,
    )
    assert result == work / "result"
    assert points == [fake.point(n) for n in (1, 2, 3)]
    assert measured == [fake.measurement(n) for n in (1, 2, 3)]
    assert "hello from the trainer" in (work / "log.txt").read_text()
    assert "300 of 1,000 tokens" in lines[-1] and "1,234 tokens/s" in lines[-1]
    assert "perplexity" in lines[-1] and "2.00 GB" in lines[-1]


def test_a_result_that_is_there_starts_nothing_and_tells_its_curve(work: Path) -> None:
    train(work, ("points", 2), "result")
    points: list[dict] = []
    train(work, ("exit", 1), on_point=points.append)
    assert [point["step"] for point in points] == [1, 2]


def test_steps_made_again_after_a_resume_are_not_told_twice(work: Path) -> None:
    points: list[dict] = []
    with pytest.raises(TrainingStoppedError, match="stopped on request"):
        train(work, ("points", 4), "half", ("exit", 75), on_point=points.append)
    assert [point["step"] for point in points] == [1, 2, 3, 4]
    points.clear()
    lines: list[str] = []
    train(
        work,
        ("cut", 2),
        ("points", 4),
        "result",
        on_point=points.append,
        progress=LineProgress(lines.append),
    )
    assert [point["step"] for point in points] == [1, 2, 3, 4, 5, 6]
    assert "200 of 600 tokens" in lines[-1], "what earlier sessions did is not counted again"


def test_a_named_error_comes_through_as_its_class(work: Path) -> None:
    told = {"type": "BadSettingError", "found": "a", "expected": "b", "do": "c"}
    with pytest.raises(BadSettingError) as caught:
        train(work, ("error", told), ("exit", 1))
    assert (caught.value.found, caught.value.expected, caught.value.do) == ("a", "b", "c")
    with pytest.raises(TrainingError, match="strange"):
        train(work, ("error", told | {"type": "os", "found": "strange"}), ("exit", 1))


def test_an_error_of_an_earlier_start_is_not_taken_for_this_ones(work: Path) -> None:
    with pytest.raises(BadSettingError):
        train(work, ("error", {"type": "BadSettingError", "found": "old"}), ("exit", 1))
    with pytest.raises(TrainingError, match="status 3 and named no error"):
        train(work, ("exit", 3))


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ([("print", "last words"), ("exit", 9)], "(?s)status 9 .*last words"),
        ([("kill", signal.SIGKILL)], r"SIGKILL \(often the kernel's, for want of memory\)"),
        ([("exit", 0)], "result is not there"),
    ],
)
def test_an_end_without_a_name_says_what_is_known(work: Path, plan: list, said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        train(work, *plan)


def test_an_end_on_request_of_several_is_told_by_torchrun(work: Path) -> None:
    with pytest.raises(TrainingStoppedError):
        train(work, ("print", "  rank      : 0\n  exitcode  : 75 (pid: 12)"), ("exit", 1))


class Interrupted(BaseException):
    """As Dagster's: no Exception."""


def interrupting(work: Path, error: type[BaseException]) -> Callable[[dict], None]:
    """Return a callback that interrupts us once the trainer waits."""

    def tell(point: dict) -> None:
        until((work / "waiting").is_file)
        raise error

    return tell


@pytest.mark.parametrize("error", [KeyboardInterrupt, Interrupted])
@pytest.mark.parametrize(("n_processes", "asked"), [(1, "SIGTERM"), (2, "lifeline")])
def test_interrupted_we_ask_the_trainer_to_save_and_wait(
    work: Path, error: type[BaseException], n_processes: int, asked: str
) -> None:
    with pytest.raises(error):
        train(
            work,
            ("points", 1),
            "save",
            n_processes=n_processes,
            on_point=interrupting(work, error),
        )
    assert (work / "saved").read_text() == asked
    assert not is_alive(int((work / "waiting").read_text()))


def test_a_trainer_that_does_not_stop_is_killed_with_all_it_started(work: Path) -> None:
    patience = Patience(poll_seconds=0.02, grace_seconds=0.3)
    with pytest.raises(KeyboardInterrupt):
        train(
            work,
            "ignore",
            "spawn",
            ("points", 1),
            "hang",
            patience=patience,
            on_point=interrupting(work, KeyboardInterrupt),
        )
    for name in ("waiting", "grandchild"):
        pid = int((work / name).read_text())
        until(lambda pid=pid: not is_alive(pid))


def test_nothing_a_trainer_started_outlives_its_good_end(work: Path) -> None:
    train(work, "spawn", "result")
    pid = int((work / "grandchild").read_text())
    until(lambda: not is_alive(pid))


def test_a_second_starter_is_refused_by_name(work: Path) -> None:
    first = threading.Thread(target=lambda: _stopped(work))
    first.start()
    until((work / "waiting").is_file)
    done = subprocess.run(
        [sys.executable, "-c", SECOND, str(work)], capture_output=True, text=True, check=False
    )
    os.kill(int((work / "waiting").read_text()), signal.SIGTERM)
    first.join()
    assert done.stdout.startswith(
        f"{work} is being trained in by train fake (process {os.getpid()})"
    )


SECOND = """
import sys
from pathlib import Path
from astro_assets.errors import TrainingError
from astro_assets.progress import NO_PROGRESS
from astro_assets.training.launcher import Start, run_job
try:
    run_job(Start("second", 1, command=("false",)), Path(sys.argv[1]), progress=NO_PROGRESS)
except TrainingError as error:
    print(error)
"""


def _stopped(work: Path) -> None:
    with pytest.raises(TrainingStoppedError):
        train(work, "save")


def test_a_trainer_started_by_hand_is_not_waited_for(work: Path) -> None:
    by_hand = subprocess.Popen(command(work, "save"), stdin=subprocess.PIPE)
    try:
        until((work / "waiting").is_file)
        with pytest.raises(TrainingError, match=rf"the fake trainer \(process {by_hand.pid}\)"):
            train(work, "result")
    finally:
        by_hand.communicate()


def test_an_orphan_that_is_saving_is_waited_for(work: Path) -> None:
    lines: list[str] = []
    parent = subprocess.Popen([sys.executable, "-c", STARTER, str(work), *command(work, "save")])
    until((work / "waiting").is_file)
    orphan = int((work / "waiting").read_text())
    os.kill(orphan, signal.SIGSTOP)  # it takes its time to save
    parent.kill()
    parent.wait()
    threading.Timer(0.3, os.kill, (orphan, signal.SIGCONT)).start()
    train(work, "result", progress=LineProgress(lines.append, every_seconds=0.0))
    assert (work / "saved").read_text() == "lifeline"
    assert f"waiting for the fake trainer (process {orphan})" in lines[0]


STARTER = """
import sys
from pathlib import Path
from astro_assets.progress import NO_PROGRESS
from astro_assets.training.launcher import Start, run_job
run_job(Start("starter", 1, command=tuple(sys.argv[2:])), Path(sys.argv[1]), progress=NO_PROGRESS)
"""


def test_an_orphan_that_never_ends_is_named(work: Path) -> None:
    environment = {**os.environ, "ASTRO_TRAINER_LIFELINE": "stdin"}
    orphan = subprocess.Popen(command(work, "save"), stdin=subprocess.PIPE, env=environment)
    try:
        until((work / "waiting").is_file)
        with pytest.raises(TrainingError, match=rf"process {orphan.pid}"):
            train(work, "result", patience=Patience(poll_seconds=0.02, grace_seconds=0.1))
    finally:
        orphan.communicate()


def test_who_descends_from_a_trainer_is_known_by_its_token() -> None:
    environment = {**os.environ, family.TOKEN: "abc"}
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"],
        env=environment,
        start_new_session=True,
    )
    try:
        until(lambda: list(family.members_of("abc")) == [child.pid])
        assert list(family.members_of("ab")) == []
    finally:
        family.end(child, "abc")
    assert child.returncode == -signal.SIGKILL


def test_training_elsewhere_is_told_with_the_command_and_who_is_at_work(work: Path) -> None:
    told = elsewhere(work)
    assert f"python -m astro_assets.training --job {work}/job.json" in told.do
    assert "has no result yet" in told.found
    assert "--nproc-per-node 4 -m astro_assets.training" in elsewhere(work, 4).do
    with lock.exclusive(work / "lock", holder="a trainer", guarded=lock.TRAINING):
        assert f"under way (a trainer (process {os.getpid()}))" in elsewhere(work).found


def test_several_processes_are_started_by_torchrun(work: Path) -> None:
    assert command_of(work)[1:] == ("-m", "astro_assets.training", "--job", f"{work}/job.json")
    assert command_of(work, 2)[1:6] == (
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
    )
