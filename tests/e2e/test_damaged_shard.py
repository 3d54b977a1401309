"""Whatever file of a release is damaged: it is found and named, and doing what is said repairs it.

Found means: the next work that would read the file refuses, and what it says names the asset and
the release to materialise. Exactly that is then typed into the command line. The suite damages each
kind of file in one way; ``make torture`` in all three.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from astro_assets.artifacts import fingerprint
from astro_assets.errors import DamagedArtifactError
from tests.e2e import refreshes
from tests.e2e.refreshes import JUNE, MAY, Refresh

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def refresh(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Refresh]:
    """A home with May and June in it."""
    with refreshes.refresh_in(tmp_path_factory.mktemp("damaged"), tiny_base) as made:
        assert made.run().code == 0
        shutil.rmtree(made.root / "may")
        shutil.copytree(made.home, made.root / "may")
        yield made


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    """Flip a bit and put the times back, as far as that can be done."""
    data, times = bytearray(path.read_bytes()), path.stat()
    data[len(data) // 3 + 1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def remove(path: Path) -> None:
    path.unlink()


DAMAGES = (cut, flip, remove)


@dataclass(frozen=True)
class Kind:
    """One kind of file, what would read it next, and who has to be named."""

    name: str
    pick: Callable[[Refresh], Path]
    reader: str
    """The asset whose work reads it next."""
    gone: tuple[str, ...]
    """Assets whose files of June alone are not there, so that the reader has to do its work."""
    named: str


def _of(asset: str, part: str, release: str | None = JUNE) -> Callable[[Refresh], Path]:
    """Return how to pick a file of an asset: the last whose name holds a part."""

    def pick(refresh: Refresh) -> Path:
        manifest = refresh.store.require(asset, release)
        name = [file for file in manifest.files if part in file][-1]
        return refresh.store.path_of(manifest) / name

    return pick


_TABLES = ("astro_ph_papers", "general_papers")
_CHANGED = "2026-03"
"""A month that June changes, so that its shards of the snapshot are read."""
_KINDS = (
    Kind("astro shard", _of("astro_ph_papers", ""), "token_blocks", ("token_blocks",),
         f"astro_ph_papers, release {JUNE}"),
    Kind("general shard", _of("general_papers", ""), "token_blocks", ("token_blocks",),
         f"general_papers, release {JUNE}"),
    Kind("snapshot astro shard", _of("snapshot_papers", f"astro/{_CHANGED}", None),
         "astro_ph_papers", _TABLES, "snapshot_papers"),
    Kind("snapshot general shard", _of("snapshot_papers", f"general/{_CHANGED}", None),
         "astro_ph_papers", _TABLES, "snapshot_papers"),
    Kind("snapshot keys", _of("snapshot_papers", "keys", None), "astro_ph_papers", _TABLES,
         "snapshot_papers"),
    Kind("window page", _of("arxiv_updates", "page"), "astro_ph_papers",
         (*_TABLES, "window rows"), "arxiv_updates, release 2026-05"),
)  # fmt: skip


def _crossed(*what: Any) -> Iterator[object]:
    """Yield each with each damage; the suite takes one damage of each, in turn."""
    for number, one in enumerate(what):
        for damage in DAMAGES:
            marks = () if damage is DAMAGES[number % 3] else (pytest.mark.torture,)
            name = one.name if isinstance(one, Kind) else one
            yield pytest.param(one, damage, id=f"{name}-{damage.__name__}", marks=marks)


@pytest.mark.parametrize(("kind", "damage"), _crossed(*_KINDS))
def test_damage_is_named_and_what_is_said_repairs_it(
    kind: Kind, damage: Callable[[Path], None], refresh: Refresh
) -> None:
    refresh.reset()
    path = kind.pick(refresh)
    before = path.read_bytes()
    _lose(refresh, *kind.gone)
    damage(path)
    said = refresh.command("run", "--json", "--release", JUNE, "--select", kind.reader)
    assert said.code == 1 and "Traceback" not in said.err
    error = said.told["error"]
    assert path.name in error and f"Materialise {kind.named} again" in error, error
    assert refresh.store.current("token_blocks", JUNE) is not None, "what is current stays"

    _do(refresh, error)
    if kind.name != "window page":  # what is asked for anew is kept under the next number
        assert path.read_bytes() == before
    again = refresh.command("run", "--json", "--release", JUNE, "--select", kind.reader)
    assert again.code == 0, again.err
    _ends_whole(refresh)


@pytest.mark.parametrize(
    ("file", "damage"), _crossed("tokens.npy", "offsets.npy", "texts.npy", "categories.npy")
)
def test_a_damaged_stream_is_named_before_training_and_made_again(
    file: str, damage: Callable[[Path], None], refresh: Refresh
) -> None:
    """Training begins with ``store.verify``; tests/e2e/test_damage.py sees to that."""
    _is_verified_and_repaired(refresh, "token_blocks", file, damage)


@pytest.mark.parametrize(("file", "damage"), _crossed("-train-", "-test-", "pairs-"))
def test_damaged_words_and_pairs_are_named_and_made_again(
    file: str, damage: Callable[[Path], None], refresh: Refresh
) -> None:
    _is_verified_and_repaired(refresh, "near_copies", file, damage)


def _is_verified_and_repaired(
    refresh: Refresh, asset: str, file: str, damage: Callable[[Path], None]
) -> None:
    refresh.reset()
    path = _of(asset, file)(refresh)
    before = path.read_bytes()
    damage(path)
    with pytest.raises(DamagedArtifactError) as raised:
        refresh.store.verify(refresh.store.require(asset, JUNE))
    error = str(raised.value)
    assert str(path) in error and f"Materialise {asset}, release {JUNE} again" in error
    _do(refresh, error)
    assert path.read_bytes() == before
    _ends_whole(refresh)


@pytest.mark.parametrize(("file", "damage"), _crossed("-2026-04-train-", "-2026-04-test-"))
def test_damaged_words_of_an_old_month_do_not_reach_a_new_list(
    file: str, damage: Callable[[Path], None], refresh: Refresh
) -> None:
    refresh.reset()
    path = _of("near_copies", file)(refresh)
    before = path.read_bytes()
    _lose(refresh, "near_copies")
    damage(path)
    done = refresh.command("run", "--json", "--release", JUNE, "--select", "near_copies")
    assert done.code == 0, done.err
    assert path.read_bytes() == before
    _ends_whole(refresh)


@pytest.mark.parametrize("damage", [cut, remove])
def test_the_record_of_what_was_read_may_be_lost(
    damage: Callable[[Path], None], refresh: Refresh
) -> None:
    refresh.reset()
    records = sorted((refresh.home / "proofs").glob("*.json"))
    assert {"near_copies.json", "tokens.json"} <= {path.name for path in records}
    for path in records:
        damage(path)
    _lose(refresh, *_TABLES, "token_blocks", "near_copies")
    _ends_whole(refresh)


@pytest.mark.parametrize(("file", "damage"), _crossed("sha256sums"))
def test_the_sums_of_a_stream_are_written_again(
    file: str, damage: Callable[[Path], None], refresh: Refresh
) -> None:
    refresh.reset()
    path = _of("token_blocks", "tokens.npy")(refresh).with_name(file)
    before = path.read_bytes()
    damage(path)
    _lose(refresh, "manifest")
    done = refresh.command("run", "--json", "--release", JUNE, "--select", "token_blocks")
    assert done.code == 0, done.err
    assert path.read_bytes() == before


@pytest.mark.parametrize(("file", "damage"), _crossed("rows"))
def test_the_rows_of_a_window_are_made_again_without_a_word(
    file: str, damage: Callable[[Path], None], refresh: Refresh
) -> None:
    refresh.reset()
    (path,) = (refresh.home / "windows").glob(f"*/{file}-*")
    before = pl.read_parquet(path).sort("ordinal")
    _lose(refresh, *_TABLES)
    damage(path)
    done = refresh.command("run", "--json", "--release", JUNE, "--select", "astro_ph_papers")
    assert done.code == 0, done.err
    (again,) = (refresh.home / "windows").glob("*/rows-*")
    assert pl.read_parquet(again).sort("ordinal").equals(before)
    assert again.stem.endswith(fingerprint.of_file(again)[:16])
    _ends_whole(refresh)


def test_a_pointer_that_is_cut_is_named_and_made_again(refresh: Refresh) -> None:
    refresh.reset()
    path = refresh.home / "releases" / JUNE / "astro_ph_papers.json"
    before = json.loads(path.read_text())
    cut(path)
    said = refresh.command("run", "--json", "--release", JUNE, "--select", "token_blocks")
    assert said.code == 1
    error = said.told["error"]
    assert f"{path} is not a manifest" in error
    assert f"then materialise astro_ph_papers, release {JUNE} again" in error
    path.unlink()
    _do(refresh, error)
    assert json.loads(path.read_text()) == before


def _lose(refresh: Refresh, *parts: str) -> None:
    """Remove what June has of these assets and May has not, so that it has to be made again."""
    for part in parts:
        if part == "window rows":
            lost = list((refresh.home / "windows").glob("*/rows-*"))
        elif part == "manifest":
            lost = list((refresh.home / "manifests" / "token_blocks").iterdir())
        else:
            june, may = (refresh.store.require(part, month) for month in (JUNE, MAY))
            folder = refresh.store.path_of(june)
            lost = [folder / name for name in june.files.keys() - may.files.keys()]
        assert lost
        for path in lost:
            path.unlink()


def _do(refresh: Refresh, error: str) -> None:
    """Type what the message says into the command line."""
    found = re.search(r"[Mm]aterialise (\w+)(?:, release (\d{4}-\d{2}))? again", error)
    assert found is not None, error
    release = ["--release", found[2]] if found[2] else []
    said = refresh.command("run", "--json", *release, "--select", found[1])
    assert said.code == 0, said.err


def _ends_whole(refresh: Refresh) -> None:
    """One more run of all: every shard and stream has the bytes it has in an undamaged home."""
    said = refresh.run()
    assert said.code == 0, said.err
    assert refresh.whole is not None
    files = refreshes.content_of(refresh.home).files
    assert refreshes.lost(refresh.whole.files, files) == {}
