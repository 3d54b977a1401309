"""Which months are due: after the newest with blocks, and those that failed and have none."""

from pathlib import Path

import pytest

from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Built, Store, Work
from astro_assets.months import Month
from astro_assets.releases.due import NEEDED, due_months, missing_parts, newest_with_blocks


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(Home(tmp_path / "home"))


def made(store: Store, asset: str, release: str | None) -> None:
    store.home.root.mkdir(exist_ok=True)
    store.commit(Work(asset, release, {"of": release}, {}), Built("f" * 64, store.home.root))


def months(*keys: str) -> list[Month]:
    return [Month.parse(key) for key in keys]


def test_without_blocks_the_last_month_alone_is_due(store: Store):
    assert newest_with_blocks(store) is None
    assert due_months(store, Month(2026, 6)) == months("2026-06")


def test_every_month_after_the_newest_with_blocks_is_due(store: Store):
    for release in ("2023-07", "2025-12"):
        made(store, "token_blocks", release)
    made(store, "astro_ph_papers", "2026-03")
    made(store, "token_blocks", None)
    assert newest_with_blocks(store) == Month(2025, 12)
    assert due_months(store, Month(2026, 2)) == months("2026-01", "2026-02")
    assert due_months(store, Month(2025, 12)) == due_months(store, Month(2024, 1)) == []


def test_failed_months_are_due_until_they_have_blocks(store: Store):
    made(store, "token_blocks", "2026-04")
    failed = months("2026-02", "2026-05", "2026-09", "2026-04")
    assert due_months(store, Month(2026, 5), failed=failed) == months("2026-02", "2026-05")


def test_what_a_refresh_needs_is_named(store: Store):
    made(store, "base_model", None)
    assert missing_parts(store) == [name for name in NEEDED if name != "base_model"]
