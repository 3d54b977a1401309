"""Bad input through the command: a clear sentence, no traceback, and earlier results intact."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from astro_assets.artifacts.fingerprint import of_folder
from astro_assets.cli import app
from tests.builders import record, write_snapshot
from tests.e2e.world import RELEASE, make_snapshot

TABLES = "arxiv_snapshot,arxiv_updates,snapshot_papers,astro_ph_papers,general_papers"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a good snapshot and a home in which its tables have been made."""
    root = tmp_path_factory.mktemp("bad-input")
    make_snapshot(root / "good.zip", n=600)
    result = command(root, "--release", RELEASE, "--snapshot", str(root / "good.zip"))
    assert result.exit_code == 0, result.output
    return root


def command(root: Path, *arguments: str, select: str = TABLES):
    environment = {"ASTRO_HOME": str(root / "home")}
    return CliRunner().invoke(
        app, ["run", "--json", "--select", select, *arguments], env=environment
    )


def kept(root: Path) -> dict[str, str]:
    """What the release's tables are made of, with checksums: manifests and every shard."""
    home = root / "home"
    papers = {f"papers/{path}": digest for path, digest in of_folder(home / "papers").items()}
    release = of_folder(home / "releases" / RELEASE)
    return papers | {
        name: release[name] for name in ("astro_ph_papers.json", "general_papers.json")
    }


def bad_snapshot(root: Path, name: str) -> Path:
    good, path = root / "good.zip", root / name
    data = good.read_bytes()
    if name == "missing.zip":
        return path
    if name == "empty.zip":
        path.write_bytes(b"")
    elif name == "truncated.zip":
        path.write_bytes(data[: len(data) // 2])
    elif name == "flipped.zip":
        middle = len(data) // 2
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :])
    elif name == "prose.txt":
        path.write_text("It was a dark night, good seeing.\n" * 300)
    elif name == "broken.jsonl":
        write_snapshot(path, [record(f"2306.{i:05d}") for i in range(95)] + [b"{no"] * 5, "jsonl")
    elif name == "no-astro.jsonl":
        write_snapshot(
            path, [record(f"2306.{i:05d}", categories="math.AG") for i in range(50)], "jsonl"
        )
    return path


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing.zip", "no snapshot at"),
        ("empty.zip", "is empty"),
        ("truncated.zip", "cannot be read"),
        ("flipped.zip", "cannot be read"),
        ("prose.txt", "no arXiv metadata snapshot"),
        ("broken.jsonl", "5 of 100 lines"),
        ("no-astro.jsonl", "has an astro-ph category"),
    ],
)
def test_a_bad_snapshot(made: Path, name: str, said: str):
    before = kept(made)
    path = bad_snapshot(made, name)
    result = command(made, "--release", RELEASE, "--snapshot", str(path), "--rebase")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert said in told["error"] and "Traceback" not in result.output
    assert kept(made) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--release", "2026-6"), "not a month"),
        (("--release", "1991-08"), "before astro-ph"),
        (("--release", "2099-01"), "not ended"),
        (("--recipe", "nonsense"), "no recipe 'nonsense'"),
        (("--base", "./nowhere"), "no base model './nowhere'"),
        (("--select", "papers"), "no asset 'papers'"),
        (("--snapshot", "synthetic:none"), "synthetic:N"),
    ],
)
def test_a_request_that_cannot_be_met(made: Path, arguments: tuple[str, ...], said: str):
    before = kept(made)
    select = f"{TABLES},base_model,token_blocks,lora_checkpoint"
    result = command(made, "--release", RELEASE, *arguments, select=select)
    assert result.exit_code != 0
    assert said in json.loads(result.stdout)["error"]
    assert "Traceback" not in result.output
    assert kept(made) == before


def test_a_few_broken_lines_are_counted_not_fatal(made: Path, tmp_path: Path):
    good = [record(f"2306.{i:05d}", abstract=f"Abstract {i}.") for i in range(300)]
    path = write_snapshot(tmp_path / "s.jsonl", [*good, b'{"id": '], "jsonl")
    result = command(tmp_path, "--release", RELEASE, "--snapshot", str(path))
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["corpus"]["papers"] == 300
    snapshot = json.loads((tmp_path / "home/releases/all/arxiv_snapshot.json").read_text())
    assert snapshot["counts"]["n_broken_lines"] == 1


def test_a_category_rule_that_leaves_nothing(tmp_path: Path):
    cross_listed = [
        record(f"2306.{i:05d}", categories="gr-qc astro-ph.CO", abstract=f"Abstract {i}.")
        for i in range(50)
    ]
    path = write_snapshot(tmp_path / "s.jsonl", cross_listed, "jsonl")
    environment = {"ASTRO_HOME": str(tmp_path / "home"), "ASTRO_CATEGORY_RULE": "primary"}
    arguments = ["run", "--json", "--select", TABLES, "--release", RELEASE]
    result = CliRunner().invoke(app, [*arguments, "--snapshot", str(path)], env=environment)
    assert result.exit_code == 1
    assert "no usable astro-ph paper" in json.loads(result.stdout)["error"]


def test_a_taken_home_is_refused_and_names_the_holder(made: Path):
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys\n"
            "from pathlib import Path\n"
            "from astro_assets.artifacts import lock\n"
            "with lock.exclusive(Path(sys.argv[1]), holder='another run'):\n"
            "    print('held', flush=True); sys.stdin.read()\n",
            str(made / "home" / ".lock"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        before = kept(made)
        result = command(made, "--release", RELEASE)
        assert result.exit_code == 2
        error = json.loads(result.stdout)["error"]
        assert "another run" in error and str(holder.pid) in error
        assert kept(made) == before
    finally:
        holder.kill()
        holder.communicate()
