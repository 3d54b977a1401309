"""A refresh on a disk that fills up says so and breaks nothing; with room, the next run is whole.

The disk is a small tmpfs. Dagster's records fill it first, so of each size there are two plans: all
of the home on it, and ``dagster/`` elsewhere, where our own writes are the ones that find it full.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e import refreshes
from tests.e2e.children import Said
from tests.e2e.refreshes import Refresh

pytestmark = pytest.mark.slow

SHARES = (0.0, 0.02, 0.06, 0.12, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97)
"""Of what a refresh adds to the disk: the room it is given. "Just enough" may well be enough."""
SURELY_TOO_SMALL = 0.6
IN_SUITE = {(0.0, "all"), (0.3, "elsewhere"), (0.6, "elsewhere")}
ROOMY_KB = 64_000


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a tmpfs on a folder; where that is not allowed the test is skipped with a word."""
    done = _mount("-t", "tmpfs", "-o", f"size={ROOMY_KB}k", "tmpfs", str(folder))
    if done.returncode:
        pytest.skip(f"mounting a tmpfs is refused here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def resize(folder: Path, size_kb: int) -> None:
    done = _mount("-o", f"remount,size={size_kb}k", str(folder))
    assert done.returncode == 0, done.stderr


def _mount(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def refresh(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Refresh]:
    if sys.platform != "linux":
        pytest.skip("a tmpfs is Linux's")
    with refreshes.refresh_in(tmp_path_factory.mktemp("full"), tiny_base) as made:
        made.clear()
        with small_disk(made.home.parent):
            yield made


def _used_kb(refresh: Refresh) -> int:
    return shutil.disk_usage(refresh.home.parent).used // 1024


def _begin(refresh: Refresh, dagster: str) -> int:
    """Put May on a roomy disk and return what is used of it, in kB."""
    resize(refresh.home.parent, ROOMY_KB)
    refresh.reset()
    elsewhere = refresh.root / "dagster"
    shutil.rmtree(elsewhere, ignore_errors=True)
    if dagster == "elsewhere":
        shutil.move(refresh.home / "dagster", elsewhere)
        (refresh.home / "dagster").symlink_to(elsewhere)
    return _used_kb(refresh)


@pytest.fixture(scope="module")
def needed_kb(refresh: Refresh) -> dict[str, int]:
    """What a refresh adds to the disk."""
    needed = {}
    for dagster in ("all", "elsewhere"):
        used = _begin(refresh, dagster)
        assert refresh.run().code == 0
        needed[dagster] = _used_kb(refresh) - used
    return needed


def _plans() -> Iterator[object]:
    for share in SHARES:
        for dagster in ("all", "elsewhere"):
            marks = () if (share, dagster) in IN_SUITE else (pytest.mark.torture,)
            yield pytest.param(share, dagster, marks=marks)


@pytest.mark.parametrize(("share", "dagster"), _plans())
def test_a_full_disk_is_named_and_breaks_nothing(
    share: float, dagster: str, refresh: Refresh, needed_kb: dict[str, int]
) -> None:
    used = _begin(refresh, dagster)
    before = refreshes.content_of(refresh.home)
    resize(refresh.home.parent, used + int(share * needed_kb[dagster]))
    said = refresh.run()
    print(f"{share:.0%} of {needed_kb[dagster]} kB: exit {said.code}: {said.told['error']}")
    if said.code:
        _is_named(said, refresh)
        refreshes.assert_readable(refresh, before)
    else:
        assert share > SURELY_TOO_SMALL
    resize(refresh.home.parent, ROOMY_KB)
    again = refresh.run()
    assert again.code == 0, again.err
    refreshes.assert_whole(refresh)


def _is_named(said: Said, refresh: Refresh) -> None:
    error = said.told["error"]
    assert "The disk is full" in error and "MB are free where" in error
    assert str(refresh.home) in error and "To do: Make room" in error
    assert "Traceback" not in said.out + said.err
