"""`astro-assets paper`: where its page goes."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from astro_assets.cli import app
from tests.registry.evaluations import RELEASE
from tests.registry.test_paper_page import planted, reports


def command(folder: Path, *arguments: str):
    return CliRunner().invoke(app, ["paper", *arguments], env={"ASTRO_HOME": str(folder / "home")})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present folder, a measured home in it."""
    planted(tmp_path / "home", **reports())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_goes_to_docs_where_there_is_one(folder: Path) -> None:
    assert command(folder).stdout.strip() == "paper.md"
    (folder / "docs").mkdir()
    assert command(folder, "--release", RELEASE).stdout.strip() == "docs/paper.md"
    written = (folder / "docs" / "paper.md").read_text()
    assert written == (folder / "paper.md").read_text()
    assert written.startswith("# The paper's numbers") and written.endswith("yet.\n")


def test_a_dash_prints_it(folder: Path) -> None:
    result = command(folder, "--out", "-")
    assert result.stdout.startswith("# The paper's numbers")
    assert [path.name for path in folder.iterdir()] == ["home"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--release", "2026-05"), "no perplexity report"),
        (("--release", "x"), "is not a month"),
        (("--out", "home/made/base_model/../../releases"), "cannot be written"),
    ],
)
def test_what_cannot_be_written_is_named(
    folder: Path, arguments: tuple[str, ...], told: str
) -> None:
    result = command(folder, *arguments)
    assert result.exit_code == 2 and told in result.output and "Traceback" not in result.output
