"""A home with two releases, a month and its harvested changes apart, made once per session."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from astro_assets.ingest.synthetic import generate
from astro_assets.months import Month
from tests.builders import write_snapshot
from tests.e2e.world import World, write_recipe
from tests.releases.window import write_window

BEFORE, AFTER = "2026-05", "2026-06"
PARTS = (
    "arxiv_snapshot",
    "snapshot_papers",
    "base_model",
    "arxiv_updates",
    "astro_ph_papers",
    "general_papers",
    "token_blocks",
    "near_copies",
)


def changes(old: list[dict], new: list[dict]) -> list[dict]:
    """Return June's harvest: new papers; one revised, one withdrawn, one leaves, one is deleted."""
    astro = [r for r in old if r["categories"].startswith("astro-ph")]
    revised, withdrawn, leaving, deleted = (dict(record) for record in astro[:4])
    revised["abstract"] = "We say something new about old stars, with [red]more[/red] words."
    revised["title"] = "A better title with \x85control and [bold]markup[/bold]"
    withdrawn["comments"] = "This paper has been withdrawn by the author"
    leaving["categories"] = "math.CO"
    edited = [revised, withdrawn, leaving, {"id": deleted["id"], "deleted": True}]
    return [*new, *edited]


@pytest.fixture(scope="session")
def two_releases(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> World:
    """A world with releases 2026-05 and 2026-06; tests must not change it."""
    root = tmp_path_factory.mktemp("releases")
    # Few months: a shard each is what takes time.
    records = [r for r in generate(3_000, until=Month.parse(AFTER)) if r["id"][:2] in ("25", "26")]
    is_new = [(r["update_date"] or "") >= "2026-06" or r["id"][:4] == "2606" for r in records]
    old = [r for r, new in zip(records, is_new, strict=True) if not new]
    new = [r for r, new in zip(records, is_new, strict=True) if new]
    world = World(
        root,
        write_snapshot(root / "snapshot.zip", old),
        tiny_base,
        write_recipe(root / "tiny.yaml"),
    )
    ended = world.run(*PARTS, release=BEFORE)
    assert ended.success, ended.errors
    write_window(world.home / "windows" / AFTER, changes(old, new), day="2026-06-30")
    ended = world.run(*PARTS, release=AFTER)
    assert ended.success, ended.errors
    assert world.store.require("arxiv_updates", AFTER).facts["windows"] == [AFTER]
    return world


@pytest.fixture
def world(two_releases: World, tmp_path: Path) -> World:
    """The same world in a home of the test's own."""
    shutil.copytree(two_releases.home, tmp_path / "home")
    return replace(two_releases, root=tmp_path)
