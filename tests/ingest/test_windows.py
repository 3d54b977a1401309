from datetime import date
from pathlib import Path

from astro_assets.artifacts.manifest import Built
from astro_assets.ingest.oai_journal import Beginning, Ending, Journal
from astro_assets.ingest.oai_xml import parse_page
from astro_assets.ingest.windows import build_updates, cover
from astro_assets.months import Month
from tests.fakes.arxiv_oai import FakeArxiv
from tests.ingest.harvesting import paper

APRIL, MAY, JUNE = Month(2026, 4), Month(2026, 5), Month(2026, 6)


def harvested(folder: Path, month: Month, at: str) -> Built:
    """Lay down a window of one page, as if a harvest had been complete at that instant."""
    target = folder / str(month)
    journal = Journal.read(target)
    journal.begin(Beginning(str(month), f"{month}-01", None, at))
    data = FakeArxiv([paper(1, "06-30")]).answer("verb=ListRecords&metadataPrefix=arXivRaw")
    journal.keep(data, parse_page(data), request="verb=ListRecords", at=at)
    journal.end(Ending(at, at, 1, "2026-06-30"))
    return Built("x", target)


class Harvest:
    """Harvests at a fixed instant and remembers what it was asked for."""

    def __init__(self, at: str) -> None:
        self.at, self.asked = at, []

    def __call__(self, month: Month, folder: Path) -> Built:
        self.asked.append(str(month))
        return harvested(folder.parent, month, self.at)


def test_a_snapshot_made_after_the_release_needs_no_window(tmp_path: Path):
    harvest = Harvest("2026-07-02T06:00:00+00:00")
    built = build_updates(date(2026, 7, 1), JUNE, tmp_path, harvest=harvest)
    assert harvest.asked == [] and built.counts["n_windows"] == 0
    assert built.facts == {
        "windows": [],
        "missing": [],
        "updates_through": "2026-06",
        "text_vintage": "2026-07-01",
    }


def test_missing_months_cost_one_harvest(tmp_path: Path):
    harvest = Harvest("2026-07-02T06:00:00+00:00")
    built = build_updates(date(2026, 4, 20), JUNE, tmp_path, harvest=harvest)
    assert harvest.asked == ["2026-04"]
    assert built.facts["windows"] == ["2026-04"] and built.facts["missing"] == []
    assert built.facts["text_vintage"] == "2026-07-02"


def test_without_a_harvest_what_is_missing_is_said(tmp_path: Path):
    built = build_updates(date(2026, 4, 20), JUNE, tmp_path, harvest=None)
    assert built.facts["missing"] == ["2026-04", "2026-05", "2026-06"]
    assert built.facts["updates_through"] == "2026-03"


def test_a_window_covers_only_months_that_had_ended(tmp_path: Path):
    harvested(tmp_path, APRIL, "2026-06-02T06:00:00+00:00")
    coverage = cover(tmp_path, [APRIL, MAY, JUNE])
    assert [window.path.name for window in coverage.windows] == ["2026-04"]
    assert coverage.missing == (JUNE,)


def test_a_later_harvest_does_not_change_an_older_release(tmp_path: Path):
    harvested(tmp_path, APRIL, "2026-05-02T06:00:00+00:00")
    before = build_updates(date(2026, 4, 20), APRIL, tmp_path, harvest=None)
    build_updates(date(2026, 4, 20), JUNE, tmp_path, harvest=Harvest("2026-07-02T06:00:00+00:00"))
    after = build_updates(date(2026, 4, 20), APRIL, tmp_path, harvest=None)
    assert before == after


def test_a_later_harvest_of_earlier_months_does_not_change_an_older_release(tmp_path: Path):
    """An older snapshot asks for windows before those a newer one was made with."""
    harvested(tmp_path, JUNE, "2026-07-02T06:00:00+00:00")
    before = build_updates(date(2026, 6, 10), JUNE, tmp_path, harvest=None)
    harvested(tmp_path, APRIL, "2026-08-20T06:00:00+00:00")
    assert build_updates(date(2026, 6, 10), JUNE, tmp_path, harvest=None) == before


def test_a_harvest_that_was_resumed_covers_what_had_ended_when_it_was_complete(tmp_path: Path):
    journal = Journal.read(tmp_path / "2026-04")
    journal.begin(Beginning("2026-04", "2026-03-30", None, "2026-05-02T06:00:00+00:00"))
    assert cover(tmp_path, [APRIL]).missing == (APRIL,)  # begun is not done
    journal.end(Ending("2026-06-02T06:00:00+00:00", "2026-06-03T00:10:00+00:00", 1, "2026-06-02"))
    assert cover(tmp_path, [APRIL, MAY, JUNE]).missing == (JUNE,)
    built = build_updates(date(2026, 4, 20), MAY, tmp_path, harvest=None)
    assert built.facts["text_vintage"] == "2026-06-03"  # a text may be as new as the last answer


def test_a_damaged_window_counts_as_missing(tmp_path: Path):
    window = harvested(tmp_path, APRIL, "2026-05-02T06:00:00+00:00")
    (window.path / "page-00001.xml.gz").write_bytes(b"other")
    assert cover(tmp_path, [APRIL]).missing == (APRIL,)
