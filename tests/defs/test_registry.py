"""Which reports a promotion may rest on."""

from dataclasses import replace
from pathlib import Path

import pytest

from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Built, Manifest, Store, Work
from astro_assets.defs.assets.registry import evidence
from astro_assets.defs.resources import Workspace
from astro_assets.releases.evaluation_inputs import knowledge_inputs
from astro_assets.settings import Settings

RELEASE = "2026-06"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(Settings(home=tmp_path), Store(Home(tmp_path)), False)


def keep(store: Store, asset: str, *parents: Manifest, content: str = "c", **told) -> Manifest:
    work = Work(asset, RELEASE, told, {p.asset: p.fingerprint for p in parents})
    return store.commit(work, Built(f"{asset} {content}", store.home.root))


def reports(workspace: Workspace) -> tuple[Manifest, Manifest]:
    """Keep a release with both reports, as the present settings make them."""
    store, settings = workspace.store, workspace.settings
    base, blocks = keep(store, "base_model"), keep(store, "token_blocks")
    tuned, copies = keep(store, "lora_checkpoint", base, blocks), keep(store, "near_copies")
    return (
        keep(
            store,
            "perplexity_report",
            tuned,
            base,
            copies,
            near_copies=settings.near_copies,
            max_tokens=settings.max_eval_tokens,
        ),
        keep(
            store,
            "knowledge_report",
            tuned,
            base,
            **knowledge_inputs(settings).parameters,
        ),
    )


def judged(workspace: Workspace, made: tuple[Manifest, Manifest]) -> tuple[bool, bool]:
    return evidence(workspace, RELEASE, made[0], knowledge=made[1])


def test_reports_of_what_the_release_holds_are_evidence(workspace: Workspace) -> None:
    assert judged(workspace, reports(workspace)) == (True, True)


def test_a_report_made_with_another_setting_is_not(workspace: Workspace) -> None:
    made = reports(workspace)
    for setting, expected in (
        ({"near_copies": "keep"}, (False, True)),
        ({"max_eval_tokens": 1_000}, (False, True)),
        ({"question_examples": 0}, (True, False)),
        ({"knowledge_margin": 0.123}, (True, False)),
    ):
        settings = workspace.settings.model_copy(update=setting)
        assert judged(replace(workspace, settings=settings), made) == expected


def test_answers_to_other_questions_are_not(workspace: Workspace, tmp_path: Path) -> None:
    made, file = reports(workspace), tmp_path / "mine.jsonl"
    file.write_text('{"question": "Which?", "choices": ["a", "b"], "answer": 0}\n' * 4)
    for setting in ("questions", "other_questions"):
        settings = workspace.settings.model_copy(update={setting: str(file)})
        assert judged(replace(workspace, settings=settings), made) == (True, False)


def test_a_report_from_before_near_copies_were_sought_is_not(workspace: Workspace) -> None:
    perplexity, knowledge = reports(workspace)
    older = replace(perplexity, parameters={})
    assert judged(workspace, (older, knowledge)) == (False, True)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [("near_copies", (False, True)), ("token_blocks", (False, False))],
)
def test_a_report_of_what_was_made_anew_since_is_not(workspace, changed, expected) -> None:
    made = reports(workspace)
    keep(workspace.store, changed, content="another", n=2)
    assert judged(workspace, made) == expected
