import os
import subprocess
import sys
from pathlib import Path

import pytest

from astro_assets.artifacts import lock
from astro_assets.errors import HomeTakenError, TrainingError

HOLDER = """
import sys
from pathlib import Path
from astro_assets.artifacts import lock
with lock.exclusive(Path(sys.argv[1]), holder="the other run"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def held(tmp_path: Path):
    path = tmp_path / "home" / ".lock"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield path, process
    process.kill()
    process.communicate()


def test_a_taken_home_names_its_holder(held):
    path, process = held
    message = rf"the other run \(process {process.pid}\)"
    with pytest.raises(HomeTakenError, match=message), lock.exclusive(path, holder="me"):
        pass


def test_a_killed_holder_leaves_no_lock(held):
    path, process = held
    process.kill()
    process.wait()
    with lock.exclusive(path, holder="me"):
        assert "me" in path.read_text()


def test_one_process_may_take_it_twice(tmp_path: Path):
    path = tmp_path / ".lock"
    with lock.exclusive(path, holder="command"), lock.exclusive(path, holder="its run"):
        assert "command" in path.read_text()


def test_who_holds_a_lock_is_told_without_taking_it(held):
    path, process = held
    found = lock.holder_of(path)
    assert found is not None and (found.told, found.pid) == ("the other run", process.pid)
    process.kill()
    process.wait()
    assert lock.holder_of(path) is None
    assert lock.holder_of(path.with_name("never")) is None
    with lock.exclusive(path, holder="ours"):
        assert str(lock.holder_of(path)) == f"ours (process {os.getpid()})"


def test_a_lock_on_a_training_is_refused_in_words_of_its_own(held):
    path, process = held
    with (
        pytest.raises(TrainingError, match="is being trained in by the other run") as caught,
        lock.exclusive(path, holder="ours", guarded=lock.TRAINING),
    ):
        pass
    assert f"process {process.pid}" in caught.value.found and "SIGTERM" in caught.value.do
