"""What killed writes left is cleared away; whole files, and names that are not ours, stay."""

from pathlib import Path

import pytest

from astro_assets.artifacts.home import Home
from astro_assets.releases.leftovers import clear_leftovers

KEY = "0123456789abcdef"
LEFT = (
    f"papers/astro_ph_papers/.2026-06-{KEY}.parquet.k3v_x0aa",
    f"papers/snapshot/{KEY}/astro/.2026-06-{KEY}.parquet.k3v_x0aa",
    f"papers/snapshot/{KEY}/.keys.parquet.k3v_x0aa",
    "papers/general_papers/.duckdb.k3v_x0aa/spill/block.tmp",
    f"tokens/.astro-2026-06-train-01234567-{KEY}.k3v_x0aa/tokens.npy",
    "releases/2026-06/.token_blocks.json.k3v_x0aa",
    ".warehouse.duckdb.k3v_x0aa",
    ".warehouse.duckdb.k3v_x0aa.wal",
    "proofs/.tokens.json.k3v_x0aa",
    "windows/2026-06/.page-00001.xml.gz.k3v_x0aa",
    f"windows/2026-06/tmp_.rows-{KEY}.parquet.k3v_x0aa",
    "windows/2026-06/.duckdb.k3v_x0aa/stg_records/a.parquet",
    f"near_copies/.astro-2026-06-train-{KEY}.npz.k3v_x0aa",
    f"near_copies/.general-2026-06-train-{KEY}.n.k3v_x0aa",
    f"near_copies/.pairs-{KEY}.parquet.k3v_x0aa",
    "proofs/.near_copies.json.k3v_x0aa",
    "snapshots/oai-2026-06-03/.arxiv-oai.jsonl.gz.k3v_x0aa",
    "snapshots/oai-2026-06-03/astro-ph/.page-00181.xml.gz.k3v_x0aa",
    "snapshots/oai-2026-06-03/astro-ph/.journal.jsonl.k3v_x0aa",
    "snapshots/oai-2026-06-03/general/.page-00002.xml.gz.k3v_x0aa",
    "snapshots/oai-2026-06-03/general/.failed.txt.k3v_x0aa",
    "snapshots/.synthetic-3000-2026-06.zip.k3v_x0aa",
    "snapshots/kaggle/.newest.json.k3v_x0aa",
    "snapshots/kaggle/.begun.json.k3v_x0aa",
    "snapshots/kaggle/230/..part.json.k3v_x0aa",
    "snapshots/kaggle/230/.about.json.k3v_x0aa",
)
STAYS = (
    ".lock",
    f"papers/astro_ph_papers/2026-06-{KEY}.parquet",
    "papers/astro_ph_papers/.nfs0000000012345678",
    "windows/2026-06/page-00001.xml.gz",
    f"windows/2026-06/rows-{KEY}.parquet",
    "windows/2026-06/journal.jsonl",
    "snapshots/oai-2026-06-03/arxiv-oai.jsonl.gz",
    "snapshots/oai-2026-06-03/astro-ph/page-00001.xml.gz",
    "snapshots/oai-2026-06-03/general/failed.txt",
    "snapshots/.oai-2026-06-03/.arxiv-oai.jsonl.gz.k3v_x0aa",
    "snapshots/mine/.arxiv-oai.jsonl.gz.k3v_x0aa",
    "snapshots/kaggle/230/.part",
    "snapshots/kaggle/230/.part.json",
    "snapshots/kaggle/230/.lock",
    ".notes.k3v_x0aa",
    ".verify.k3v_x0aa/papers/a",
    "dagster/.dagster.yaml.k3v_x0aa",
)


def write(home: Path, *names: str) -> None:
    for name in names:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("x")


def files(home: Path) -> set[str]:
    return {p.relative_to(home).as_posix() for p in home.rglob("*") if p.is_file()}


def test_what_killed_writes_left_goes_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, *LEFT, *STAYS)
    assert clear_leftovers(Home(tmp_path)) == len(LEFT)
    assert files(tmp_path) == set(STAYS)


@pytest.mark.parametrize("name", ["papers", "tokens", "windows", "snapshots"])
def test_a_folder_that_is_a_link_is_not_looked_into(tmp_path: Path, name: str) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    write(tmp_path / "home", *LEFT)
    (home / name).rename(elsewhere)
    (home / name).symlink_to(elsewhere)
    before = files(elsewhere)
    clear_leftovers(Home(home))
    assert files(elsewhere) == before != set()


def test_no_home_has_nothing_left(tmp_path: Path) -> None:
    assert clear_leftovers(Home(tmp_path / "none")) == 0
