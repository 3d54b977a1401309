"""What the windows of a release show of themselves: the first records of the newest."""

from dataclasses import replace
from datetime import date

from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Store, Work
from astro_assets.defs import tables
from astro_assets.defs.tables import N_PREVIEWED
from astro_assets.ingest.oai_journal import Beginning, Ending, Journal
from astro_assets.ingest.oai_xml import parse_page
from astro_assets.ingest.windows import build_updates
from astro_assets.months import Month
from tests.fakes.arxiv_oai import FakeArxiv
from tests.ingest.harvesting import paper

RELEASE = "2026-06"


def window_of(folder, *pages):
    """Lay down a harvest of these pages, each some numbers of papers."""
    journal = Journal.read(folder)
    at = "2026-07-02T06:00:00+00:00"
    journal.begin(Beginning(folder.name, "2026-05-30", None, at))
    for numbers in pages:
        fake = FakeArxiv([paper(n, "06-15", title=f"the {n}th") for n in numbers], per_page=9)
        data = fake.answer("verb=ListRecords&metadataPrefix=arXivRaw")
        journal.keep(data, parse_page(data), request="verb=ListRecords", at=at)
    journal.end(Ending(at, at, sum(map(len, pages)), "2026-06-15"))


def test_updates_show_the_first_records_of_the_newest_window(tmp_path):
    windows = tmp_path / "windows"
    window_of(windows / "2026-05", [80])
    window_of(windows / "2026-06", range(1, 8), [9])
    built = build_updates(date(2026, 6, 2), Month(2026, 6), windows, harvest=None)
    assert built.facts["windows"] == ["2026-05"]  # the first that covers June
    facts = built.facts | {"windows": ["2026-05", "2026-06"]}
    store = Store(Home(tmp_path))
    manifest = store.commit(
        Work("arxiv_updates", RELEASE, {}, {}), replace(built, facts=facts, path=windows)
    )
    (windows / "2026-06" / "page-00002.xml.gz").unlink()  # no preview needs it
    lines = tables.shown(store, manifest)["preview"].value.splitlines()
    assert len(lines) == 2 + N_PREVIEWED and "the 1th" in lines[2] and "the 5th" in lines[-1]
    assert r"2026\-06\-15" in lines[2]
    (windows / "2026-06" / "page-00001.xml.gz").write_bytes(b"no page")
    assert "No preview" in tables.shown(store, manifest)["preview"].value
    none = replace(manifest, facts=manifest.facts | {"windows": []})
    assert "preview" not in tables.shown(store, none)
