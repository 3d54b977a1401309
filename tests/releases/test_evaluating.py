"""A model that was never trained here, through a release's reports."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from astro_assets.artifacts.fingerprint import of_folder
from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Store
from astro_assets.cli import app
from astro_assets.console.terminal import OUT
from astro_assets.errors import BadModelError, MissingArtifactError
from astro_assets.models.device import choose_device, choose_dtype
from astro_assets.months import Month
from astro_assets.progress import NO_PROGRESS
from astro_assets.registry.model_lookup import FoundModel, Lookup, find_model
from astro_assets.registry.scorecards import ASSET, PARTS, evaluated_card, leaderboard
from astro_assets.registry.tracking import Tracking
from astro_assets.releases import evaluating
from astro_assets.releases.evaluating import (
    Evaluated,
    evaluate_model,
    newest_measurable,
)
from astro_assets.settings import load_settings
from tests.e2e.world import World
from tests.releases.conftest import AFTER, BEFORE
from tests.tiny import make_tiny_base


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that nobody here trained."""
    return make_tiny_base(tmp_path_factory.mktemp("other-model"), seed=5)


@pytest.fixture(scope="module")
def measured_world(
    two_releases: World, other: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[World, Evaluated]]:
    """The two releases in a home of its own, one model measured on the second; do not change it."""
    root = tmp_path_factory.mktemp("measured")
    shutil.copytree(two_releases.home, root / "home")
    world = replace(two_releases, root=root)
    yield world, evaluate(world, find(other))


def find(folder: Path) -> FoundModel:
    nowhere = Tracking("sqlite:///nowhere.db", Path("nowhere"))
    return find_model(str(folder), Lookup(nowhere, "astrollama", Path("nowhere")))


def evaluate(world: World, model: FoundModel, release: str = AFTER, told=None) -> Evaluated:
    with world.environment():
        return evaluate_model(
            world.store,
            release,
            load_settings(),
            model=model,
            progress=NO_PROGRESS,
            **({} if told is None else {"told": told}),
        )


def test_every_report_is_made_of_the_model_alone(measured_world, other: Path) -> None:
    world, done = measured_world
    assert list(done.parts) == list(PARTS) and not done.reused
    report = done.parts["perplexity"].facts["report"]
    assert report["models"]["model"]["astro"]["per_document"]["bits_per_byte"] > 0
    assert report["tuned_minus_base"] is None and report["reduction_astro"] is None
    assert done.parts["knowledge"].facts["report"]["n_questions"] > 0
    card = evaluated_card(done.parts)
    assert (card.name, card.role) == (other.name, "evaluated")
    for figure in (card.general_bits_per_byte, card.retrieval_mrr, card.accuracy, card.loops):
        assert figure is not None
    (group,) = leaderboard(world.store)
    assert group.release == AFTER and group.cards == (card,)
    read = report["models"]["model"]["astro"]["per_document"]
    assert (group.n_documents, group.n_bytes) == (read["n_documents"], read["n_bytes"])


def test_a_second_time_everything_is_there(measured_world, other: Path) -> None:
    world, done = measured_world
    before = of_folder(world.home / "evaluations")
    again = evaluate(world, find(other))
    assert again.reused == set(PARTS)
    assert {part: made.key for part, made in again.parts.items()} == {
        part: made.key for part, made in done.parts.items()
    }
    assert of_folder(world.home / "evaluations") == before


def test_what_is_there_has_the_present_name_and_the_format_it_was_measured_in(
    measured_world, other: Path
) -> None:
    world, _ = measured_world
    again = evaluate(world, replace(find(other), name="renamed", base="its base"))
    assert again.reused == set(PARTS)
    (group,) = leaderboard(world.store)
    (card,) = group.cards
    expected = str(choose_dtype(choose_device())).removeprefix("torch.")
    assert (card.name, card.base, card.dtype) == ("renamed", "its base", expected)
    assert evaluated_card(evaluate(world, find(other)).parts).name == other.name


def test_of_two_sets_of_questions_the_one_asked_last_is_shown(
    measured_world, other: Path, tmp_path: Path
) -> None:
    world, done = measured_world
    few = tmp_path / "few.jsonl"
    rest = {"choices": ["Sun", "Moon"], "answer": 0}
    lines = [json.dumps({"question": f"Which of these has {n} spots?"} | rest) for n in (1, 2, 3)]
    few.write_text("\n".join(lines))
    first = done.parts["knowledge"].facts["report"]["n_questions"]
    shown, counted = [], []
    for asked in ({"questions": str(few)}, {}):
        with world.environment():
            told = evaluate_model(
                world.store, AFTER, load_settings(**asked), model=find(other), progress=NO_PROGRESS
            )
        counted.append(told.parts["knowledge"].facts["report"]["n_questions"])
        (group,) = leaderboard(world.store)
        shown.append(group.cards[0].n_questions)
    assert shown == counted and counted[0] < counted[1] == first


@pytest.mark.slow
def test_the_same_once_more_gives_equal_numbers(measured_world, other: Path) -> None:
    world, done = measured_world
    with world.environment():
        again = evaluate_model(
            world.store, AFTER, load_settings(force=True), model=find(other), progress=NO_PROGRESS
        )
    assert not again.reused
    for part, made in again.parts.items():
        assert made.fingerprint == done.parts[part].fingerprint, part


class KilledError(Exception):
    pass


def killed_after_the_first_part(world: World, model: FoundModel) -> bool:
    """Whether that part was there already."""
    seen: list[bool] = []

    def killed(_part: str, was_there: bool) -> None:
        seen.append(was_there)
        raise KilledError

    with pytest.raises(KilledError):
        evaluate(world, model, told=killed)
    return seen[0]


def test_whoever_is_killed_loses_one_report_at_most(world: World, other: Path) -> None:
    assert not killed_after_the_first_part(world, find(other))
    assert [path.name[:11] for path in (world.home / "evaluations").iterdir()] == ["perplexity-"]
    assert killed_after_the_first_part(world, find(other))


def test_a_setting_or_another_holding_is_another_evaluation(measured_world, other: Path) -> None:
    world, done = measured_world
    model = find(other)
    held = replace(model, handle=replace(model.handle, quantisation="nf4"))
    keys = {done.parts["knowledge"].key}
    for changed in (held, replace(model, handle=replace(model.handle, digest="d" * 64))):
        with world.environment():
            one = evaluating._Evaluation(
                world.store, AFTER, load_settings(), changed, NO_PROGRESS, 1
            )
            inputs = evaluating._inputs(one, "knowledge", {})
            keys.add(evaluating._work(one, "knowledge", inputs).key)
    assert len(keys) == 3


def test_a_version_s_cut_is_measured_forward_in_time(world: World, other: Path) -> None:
    model = replace(find(other), cut=Month.parse(BEFORE))
    killed_after_the_first_part(world, model)
    report = world.store.require(ASSET, AFTER).facts["report"]
    assert report["forward"]["cut"] == BEFORE and report["forward"]["label"] == "model"
    assert {month["month"] for month in report["forward"]["months"]} == {AFTER}


def test_a_model_that_cannot_be_loaded_leaves_nothing_half(world: World, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    folder = make_tiny_base(tmp_path / "broken")
    model = find(folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    before = of_folder(world.home)
    with pytest.raises(BadModelError):
        evaluate(world, model)
    assert of_folder(world.home) == before


def test_the_newest_release_with_papers_and_tokens_is_taken(world: World, tmp_path: Path) -> None:
    assert newest_measurable(world.store, load_settings()) == AFTER
    (world.home / "releases" / AFTER / "token_blocks.json").unlink()
    assert newest_measurable(world.store, load_settings()) == BEFORE
    with pytest.raises(MissingArtifactError, match="token_blocks"):
        newest_measurable(Store(Home(tmp_path / "nothing")), load_settings())


def test_the_command_prints_what_is_there_and_one_bad_model_fails_alone(
    measured_world, other: Path
) -> None:
    world, done = measured_world
    with world.environment():
        result = CliRunner().invoke(
            app, ["evaluate", "nobody/7", str(other), "--release", AFTER, "--json"]
        )
    assert result.exit_code == 1, result.output
    told = json.loads(result.stdout)
    assert told["release"] == AFTER and not told["success"]
    bad, good = told["models"]
    assert "nobody" in bad["error"] and bad["figures"] is None and bad["parts"] == {}
    assert good["error"] is None and set(good["parts"].values()) == {"reused"}
    figures = done.parts["perplexity"].facts["report"]["models"]["model"]["astro"]["per_document"]
    assert good["figures"]["bits_per_byte"] == figures["bits_per_byte"]
    assert good["n_documents"] == figures["n_documents"]
    board = json.loads(Path(told["leaderboard"]).with_suffix(".json").read_text())
    assert [card["name"] for card in board["groups"][0]["cards"]] == [other.name]


def test_a_model_with_weights_of_another_fails_alone(
    measured_world, other: Path, tmp_path: Path
) -> None:
    world, _ = measured_world
    folder = shutil.copytree(other, tmp_path / "spoiled")
    weights = load_file(folder / "model.safetensors")
    weights = {name.replace("gate_proj.weight", "gate_proj.qweight"): weights[name]
               for name in weights}  # fmt: skip
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with world.environment():
        result = CliRunner().invoke(
            app, ["evaluate", str(folder), str(other), "--release", AFTER, "--json"]
        )
    assert result.exit_code == 1, result.output
    told = json.loads(result.stdout)
    assert "not those of its config.json" in told["models"][0]["error"]
    assert told["models"][0]["figures"] is None and told["models"][1]["error"] is None
    board = json.loads(Path(told["leaderboard"]).with_suffix(".json").read_text())
    assert [card["name"] for card in board["groups"][0]["cards"]] == [other.name]


def test_the_command_s_table_is_for_people(
    measured_world, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, _ = measured_world
    # Read when the module was imported, by whichever test came first.
    monkeypatch.setattr(OUT, "width", 200)
    with world.environment():
        result = CliRunner().invoke(app, ["evaluate", str(other)])
    assert result.exit_code == 0, result.output
    for told in (f"Release {AFTER}", other.name, "bits per byte", "chance", "leaderboard.html"):
        assert told in result.stdout, told
