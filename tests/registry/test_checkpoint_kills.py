"""Killed at any moment between job and version, a training done again ends the same.

The orchestrating side is killed right before it changes something in its home, at moments spread
over everything it does; the trainer is a fake that needs no time.
"""

import multiprocessing
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from astro_assets.artifacts.fingerprint import of_folder
from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Store
from astro_assets.registry.checkpoint import retire
from astro_assets.registry.tracking import Tracking
from astro_assets.registry.versions import versions_of
from tests.e2e.children import CHANGES
from tests.registry.conftest import NAME, store_under
from tests.registry.orders import KEY, N_POINTS, Training, make_result
from tests.registry.test_training_run import runs, steps

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.registry.preloaded"])
N_IN_SUITE, N_IN_TORTURE = 3, 40
PATIENCE_SECONDS = 120.0


def go(root: str, base: str, made: str, dies_before: int) -> None:
    """Do what the asset does, from the work folder to the registered version."""
    n_changes = 0

    def see(event: str, given: tuple[Any, ...]) -> None:
        nonlocal n_changes
        is_write = event == "open" and isinstance(given[2], int) and given[2] & 3
        if (is_write or event in CHANGES) and given and str(given[0]).startswith(root):
            n_changes += 1
            if n_changes == dies_before:
                os.kill(os.getpid(), signal.SIGKILL)

    training = Training(Path(root), store_under(Path(root)), Path(base), Path(made))
    store = Store(Home(Path(root)))
    sys.addaudithook(see)
    current = store.current("lora_checkpoint", "2026-06")
    manifest = current or training.keep(training.train(), store)
    retire(training.work, manifest)
    training.register(manifest)
    (Path(root) / "changes").write_text(str(n_changes))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, adapter: Path) -> Path:
    return make_result(tmp_path_factory.mktemp("made") / "result", adapter)


class Case:
    """A fresh home, runs of the whole in processes of their own, and what must come out."""

    def __init__(self, root: Path, empty_store: Path, base: Path, made: Path) -> None:
        self.root, self.base, self.made = root, base, made
        root.mkdir()
        shutil.copyfile(empty_store, root / "mlflow.db")

    def run(self, dies_before: int = 0) -> int:
        given = (str(self.root), str(self.base), str(self.made), dies_before)
        process = _SERVER.Process(target=go, args=given)
        process.start()
        process.join(PATIENCE_SECONDS)
        assert process.exitcode is not None
        return process.exitcode

    def assert_whole(self) -> None:
        tracking: Tracking = store_under(self.root)
        (version,) = versions_of(tracking, NAME)
        assert version.aliases == ("candidate",)
        trained = [run for run in runs(tracking) if run.info.run_name == "test 2026-06"]
        assert [run.info.status for run in trained] == ["FINISHED"]
        assert version.run_id == trained[0].info.run_id
        assert steps(tracking, version.run_id) == list(range(1, N_POINTS + 1))
        assert of_folder(self.root / "adapters" / KEY) == of_folder(self.made)
        assert not (self.root / "trainings" / KEY).exists()


@pytest.fixture(scope="module")
def n_changes(tmp_path_factory, empty_store: Path, tiny_base: Path, made: Path) -> int:
    case = Case(tmp_path_factory.mktemp("whole") / "home", empty_store, tiny_base, made)
    assert case.run() == 0
    case.assert_whole()
    return int((case.root / "changes").read_text())


def check(share: float, n_changes: int, case: Case) -> None:
    at = 1 + int(share * n_changes)
    code = case.run(dies_before=at)
    print(f"killed before change {at} of {n_changes}: {code}")
    assert code in (0, -signal.SIGKILL)
    assert case.run() == 0
    case.assert_whole()


@pytest.mark.parametrize("n", range(N_IN_SUITE))
def test_killed_at_some_moment(n, n_changes, tmp_path, empty_store, tiny_base, made) -> None:
    case = Case(tmp_path / "home", empty_store, tiny_base, made)
    check((n + 0.5) / N_IN_SUITE, n_changes, case)


@pytest.mark.torture
@pytest.mark.parametrize("n", range(N_IN_TORTURE))
def test_killed_at_any_moment(n, n_changes, tmp_path, empty_store, tiny_base, made) -> None:
    case = Case(tmp_path / "home", empty_store, tiny_base, made)
    check((n + 0.5) / N_IN_TORTURE, n_changes, case)
