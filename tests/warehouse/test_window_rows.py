"""A window's rows are made once, prove themselves, and are made again where they do not."""

from pathlib import Path

import duckdb
import pytest

from astro_assets.errors import DamagedArtifactError, MissingArtifactError
from astro_assets.ingest.oai_journal import Beginning, Ending, Journal
from astro_assets.ingest.oai_xml import parse_page
from astro_assets.progress import NO_PROGRESS
from astro_assets.warehouse import window_rows as module
from astro_assets.warehouse.papers import Rules
from astro_assets.warehouse.window_rows import window_rows
from tests.builders import record
from tests.fakes.arxiv_oai import FakeArxiv
from tests.ingest.harvesting import paper
from tests.warehouse.tables import SALT, release, rows

RULES = Rules(SALT, 1.0)
AT = "2026-07-02T00:00:00+00:00"


@pytest.fixture
def window(tmp_path: Path) -> Path:
    """Lay down a window of three papers, the last one twice."""
    folder = tmp_path / "2026-06"
    journal = Journal.read(folder)
    journal.begin(Beginning("2026-06", "2026-05-30", None, AT))
    papers = [paper(i, "06-30") for i in (1, 2, 3)]
    for given in (papers, [paper(3, "06-30", title="later")]):
        data = FakeArxiv(given, per_page=9).answer("verb=ListRecords&metadataPrefix=arXivRaw")
        journal.keep(data, parse_page(data), request="verb=ListRecords", at=AT)
    journal.end(Ending(AT, AT, 3, "2026-06-30"))
    return folder


def made(window: Path, rules: Rules = RULES) -> Path:
    return window_rows(window, rules=rules, progress=NO_PROGRESS)


def titles(path: Path) -> list[tuple[str, str]]:
    query = "select id, title from read_parquet(?) order by ordinal"
    return duckdb.connect().execute(query, [str(path)]).fetchall()


def test_rows_are_those_of_the_pages_in_the_order_they_came(window: Path) -> None:
    assert titles(made(window))[2:] == [
        ("2606.00003", "A survey with the number 2606.00003"),
        ("2606.00003", "later"),
    ]


def test_they_are_made_once(window: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = made(window)
    monkeypatch.setattr(module, "build_window_rows", None)  # whoever calls it fails
    assert made(window) == first


@pytest.mark.parametrize("damage", [b"", b"other bytes"])
def test_what_is_damaged_is_made_again(window: Path, damage: bytes) -> None:
    first = made(window)
    first.write_bytes(damage)
    again = made(window)
    assert len(titles(again)) == 4
    assert sorted(window.glob("rows-*")) == [again]


def test_what_a_killed_write_left_goes_with_the_next(window: Path) -> None:
    (window / ".rows-1.parquet.x").write_bytes(b"half")
    (window / ".duckdb.y" / "spill").mkdir(parents=True)
    assert made(window).is_file()
    assert not list(window.glob(".*"))


def test_other_rules_make_other_rows_and_old_ones_go(window: Path) -> None:
    first = made(window)
    other = made(window, Rules("salt", 0.5))
    assert other != first
    assert sorted(window.glob("rows-*")) == [other]


def test_the_category_rule_makes_no_difference(window: Path) -> None:
    assert made(window) == made(window, Rules(SALT, 1.0, "primary"))


def test_a_window_that_was_harvested_anew_has_new_rows(window: Path) -> None:
    first = made(window)
    journal = Journal.read(window)
    data = FakeArxiv([paper(9, "06-30")]).answer("verb=ListRecords&metadataPrefix=arXivRaw")
    journal.keep(data, parse_page(data), request="verb=ListRecords", at=AT)
    assert made(window) != first
    assert len(titles(made(window))) == 5


def test_a_damaged_page_is_named_and_leaves_no_rows(window: Path) -> None:
    (window / "page-00002.xml.gz").write_bytes(b"damaged")
    with pytest.raises(DamagedArtifactError, match="page-00002"):
        made(window)
    assert not list(window.glob("*.parquet"))


def test_a_window_that_did_not_end_has_no_rows(tmp_path: Path) -> None:
    with pytest.raises(MissingArtifactError, match="not come to its end"):
        made(tmp_path / "2026-06")


def test_of_two_windows_with_one_day_the_later_counts(tmp_path: Path) -> None:
    same_day = {"datestamp": "2023-07-09"}
    one, two = (record("2307.00001", title=title) | same_day for title in ("one", "two"))
    built = release(tmp_path / "a", [record("2306.00001")], windows=[[one], [two]])
    assert rows(built)["2307.00001"]["title"] == "two"
    built = release(tmp_path / "b", [record("2306.00001")], windows=[[two], [one]])
    assert rows(built)["2307.00001"]["title"] == "one"
