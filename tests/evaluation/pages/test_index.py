"""The index over releases."""

import json
import re
from pathlib import Path

import pytest

from astro_assets.evaluation.pages.content import IndexEntry
from astro_assets.evaluation.pages.index import render_index
from tests.evaluation.pages.content import index_entries
from tests.evaluation.pages.test_release import ATTACKS, Page, assert_harmless


def rendered(entries: list[IndexEntry], folder: Path) -> Page:
    return assert_harmless(render_index(entries, folder / "index.html").read_text("utf-8"))


def test_it_lists_newest_first_and_marks_the_champion(tmp_path: Path) -> None:
    entries = [
        IndexEntry("2026-04", "2026-04.html"),
        IndexEntry(
            "2026-06", "2026-06.html", "astrollama 4", False, False, 25_331, 81.25, 61.5, 0.3
        ),
        IndexEntry(
            "2026-05", "2026-05.html", "<b>astrollama 3", True, True, 24_100, 81.1, 64.2, 0.01
        ),
    ]
    page = rendered(entries, tmp_path)
    assert "The champion is <b>astrollama 3 , of 2026-05" in page.text
    table = page.text.split("and its base beneath")[1].split("Forgetting is the change")[0]
    assert re.findall(r"2026-0\d", table) == ["2026-06", "2026-05", "2026-04"]
    rows = table.split("2026-0")
    assert "not promoted" in rows[1] and "61.50 base 81.25" in rows[1] and "+30.0 %" in rows[1]
    assert "champion" in rows[2] and "champion" not in rows[1]


def test_it_shows_how_everything_grew(tmp_path: Path) -> None:
    page = rendered(index_entries(), tmp_path)
    said = {found["aria-label"] for tag, found in page.tags if tag == "svg"}
    assert len(said) == 3
    assert any("In 2026-06: base 1.2531, tuned 1.1480, champion 1.1505" in str(s) for s in said)
    assert any("far fields +2.5" in str(s) and "0.150 nats" in str(s) for s in said)
    assert any("25,250 papers" in str(s) for s in said)
    assert "Bits per byte Forgetting Perplexity Papers" in page.text
    assert "1.1480 base 1.2531" in page.text and "+0.150 nats" in page.text


@pytest.mark.parametrize("n", [0, 1, 40])
def test_none_one_and_many_releases_are_sensible(n: int, tmp_path: Path) -> None:
    page = rendered(index_entries(n), tmp_path)
    assert ("No release has been made yet" in page.text) == (n == 0)
    assert [tag for tag, _ in page.tags].count("svg") == (6 if n else 0)


def test_every_number_stands_beside_it_as_json(tmp_path: Path) -> None:
    rendered(index_entries(2), tmp_path)
    releases = json.loads((tmp_path / "index.json").read_text())["releases"]
    assert [found["release"] for found in releases] == ["2026-02", "2026-01"]
    assert releases[0]["tuned_bits"] == pytest.approx(1.16)
    assert releases[1]["champion_bits"] is None


def test_the_leaderboard_is_linked_where_there_is_one(tmp_path: Path) -> None:
    def links() -> list[str | None]:
        return [found.get("href") for _, found in rendered(index_entries(1), tmp_path).tags]

    assert "leaderboard.html" not in links()
    (tmp_path / "leaderboard.html").write_text("")
    assert "leaderboard.html" in links()


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_name_can_become_markup(attack: str, tmp_path: Path) -> None:
    entries = [IndexEntry(attack, "a.html", attack, True, True, 1, tuned_bits=1.0)]
    page = rendered(entries, tmp_path)
    assert attack[:20] in page.text
    assert {"script", "img"}.isdisjoint(tag for tag, _ in page.tags)


@pytest.mark.parametrize("page", ["javascript:alert(1)", "../x.html", "//evil.example/a.html", "a"])
def test_it_links_to_files_beside_it_only(page: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no file name of a page"):
        render_index([IndexEntry("2026-06", page)], tmp_path / "index.html")
    assert not (tmp_path / "index.html").exists()
