"""`astro-assets evaluate` where nothing can be measured: each error by itself, and no half."""

import fcntl
import json
import os
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from astro_assets.artifacts import lock
from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Store
from astro_assets.cli import app
from astro_assets.console.evaluate import Asked, Ended, Outcome, evaluate, show
from astro_assets.evaluation.pages.leaderboard import Scorecard
from astro_assets.releases.evaluating import needed
from astro_assets.settings import load_settings
from tests.registry.evaluations import RELEASE, keep


def command(home: Path, *arguments: str):
    return CliRunner().invoke(app, ["evaluate", *arguments], env={"ASTRO_HOME": str(home)})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the shell of a release; made once, for an empty registry takes seconds."""
    root = tmp_path_factory.mktemp("home")
    for asset in needed(load_settings()):
        keep(Store(Home(root)), asset, asset[0] * 64)
    return root


def test_models_that_cannot_be_used_fail_each_by_itself(home: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = command(home, str(tmp_path / "empty"), "./[b]nothing", "nothing", "--json")
    assert result.exit_code == 1 and "Traceback" not in result.output
    told = json.loads(result.stdout)
    errors = [model["error"] for model in told["models"]]
    assert "config.json" in errors[0] and "no model './[b]nothing'" in errors[1]
    assert "no such folder" in errors[2] and "Expected:" in errors[2]
    assert told["release"] == RELEASE and Path(told["leaderboard"]).is_file()
    assert not (home / "evaluations").exists()


class Interrupted(Console):
    """A terminal at which somebody presses Ctrl+C as soon as a model has failed."""

    def print(self, *objects, **given) -> None:
        if any("failed" in str(one) for one in objects):
            raise KeyboardInterrupt
        super().print(*objects, **given)


def test_whatever_ends_it_the_leaderboard_is_written(home: Path) -> None:
    page = home / "reports" / "leaderboard.html"
    page.unlink(missing_ok=True)
    with pytest.raises(KeyboardInterrupt):
        evaluate(load_settings(home=home), Asked(("./nothing",)), Interrupted())
    assert page.is_file() and lock.holder_of(Home(home).lock) is None


def test_near_copies_are_needed_where_they_are_left_out(tmp_path: Path) -> None:
    keeping = needed(load_settings(near_copies="keep"))
    for asset in keeping:
        keep(Store(Home(tmp_path)), asset, asset[0] * 64)
    for release in ((), ("--release", RELEASE)):
        result = command(tmp_path, "./nothing", *release)
        assert result.exit_code == 2 and "near_copies" in result.output
        assert "./nothing" not in result.output
    assert "near_copies" not in keeping
    kept = CliRunner().invoke(
        app, ["evaluate", "./nothing"],
        env={"ASTRO_HOME": str(tmp_path), "ASTRO_NEAR_COPIES": "keep"},
    )  # fmt: skip
    assert kept.exit_code == 1 and "no model './nothing'" in kept.output


def test_a_model_named_twice_is_looked_at_once(home: Path) -> None:
    told = json.loads(command(home, "nothing", "nothing", "--json").stdout)
    assert [model["asked"] for model in told["models"]] == ["nothing"]


def test_errors_are_shown_as_text(home: Path) -> None:
    result = command(home, "./[red]nothing")
    assert result.exit_code == 1 and "failed ./[red]nothing" in result.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--release", "2026-05"), "astro_ph_papers, release 2026-05"),
        (("--release", "June"), "is not a month"),
    ],
)
def test_a_release_that_cannot_be_measured_ends_it_all(
    home: Path, arguments: tuple[str, ...], told: str
) -> None:
    result = command(home, "nothing", *arguments)
    assert result.exit_code == 2 and told in result.output


def test_an_empty_home_says_what_to_make(tmp_path: Path) -> None:
    result = command(tmp_path / "home", "nothing")
    assert result.exit_code == 2 and "token_blocks" in result.output


def test_a_home_that_is_written_to_is_left_alone(home: Path) -> None:
    with Home(home).lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write(json.dumps({"pid": os.getpid(), "holder": "somebody's run"}))
        held.flush()
        result = command(home, "nothing")
    assert result.exit_code == 2 and "somebody's run" in result.output
    assert lock.holder_of(Home(home).lock) is None


def test_the_table_puts_the_best_reader_first() -> None:
    console = Console(width=200, record=True)
    cards = [Scorecard(name, "evaluated", name, bits_per_byte=x) for name, x in
             (("none", None), ("worse", 1.5), ("better[/]", 0.5))]  # fmt: skip
    outcomes = tuple(Outcome(card.name, card, 1_234, {}) for card in cards)
    show(Ended(RELEASE, outcomes, Path("leaderboard.html")), console)
    text = console.export_text()
    places = [text.index(name) for name in ("1,234", "better[/]", "worse", "none")]
    assert places == sorted(places)


def test_eighty_columns_hold_the_table_and_no_figure_is_folded() -> None:
    console = Console(width=80, record=True)
    name = "/models/a-folder-with-a-long-name/meta-llama-3-8b"
    card = Scorecard(
        name, "evaluated", "d", n_parameters=8_030_000_000, bits_per_byte=0.8123,
        far_bits_per_byte=0.9123, retrieval_mrr=0.512, accuracy=0.4167, n_questions=1_520,
    )  # fmt: skip
    show(Ended(RELEASE, (Outcome(name, card, 9, {}),), Path("leaderboard.html")), console)
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 80
    (heading,) = [line for line in lines if "parameters" in line]
    assert all(word in heading for word in ("bits per byte", "far", "retrieval", "questions"))
    (row,) = [line for line in lines if "8.0 B" in line]
    assert all(word in row for word in ("0.8123", "0.9123", "0.512", "of 1,520"))
