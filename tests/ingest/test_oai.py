"""A harvest from its first page to its audit: kept as it came, and gone on with."""

import errno
import gzip
import json
from datetime import date

import httpx
import pytest

from astro_assets.errors import DamagedArtifactError, HarvestError, MissingArtifactError
from astro_assets.ingest.oai import Order, harvest
from astro_assets.ingest.oai_held import held_harvest, read_window
from astro_assets.ingest.oai_http import Requester
from astro_assets.ingest.oai_journal import Journal
from astro_assets.ingest.oai_pace import Pace
from astro_assets.months import Month
from astro_assets.progress import NO_PROGRESS, LineProgress
from tests.fakes import arxiv_faults as faults
from tests.fakes.arxiv_oai import fail
from tests.fakes.clock import FakeClock
from tests.ingest.harvesting import asking, harvest_june, merged
from tests.ingest.june import AGAIN, AUDIT, FIRST, WINDOW_IDS, token_after


def test_a_window_is_listed_audited_and_asked_again_for_what_changed_meanwhile(fake, folder, time):
    built = harvest_june(fake, folder, time)
    assert fake.queries == [
        FIRST,
        token_after("2026-06-15"),
        token_after("2026-07-01"),
        AUDIT,
        AGAIN,
    ]
    assert all("%253D" in query for query in fake.queries[1:3])  # percent-encoded once more
    assert all(agent.endswith("(mailto:me@example.org)") for agent in fake.user_agents)
    assert [b.num_rows for b in read_window(folder)] == [2, 2, 1]
    assert set(merged(folder)) == WINDOW_IDS
    assert built.counts == {
        "n_pages": 3,
        "n_records": 5,
        "n_papers": 5,
        "n_repeated": 0,
        "n_deleted": 0,
        "n_broken": 0,
        "n_repaired_characters": 0,
        "n_recovered": 0,
        "n_unreadable": 0,
        "n_rounds": 1,
    }
    assert (built.facts["window"], built.facts["from"]) == ("2026-06", "2026-05-30")
    assert built.facts["newest"] == "2026-07-01"
    assert built.facts["harvested_at"] < built.facts["ended_at"]


def test_pages_are_kept_as_they_came(fake, folder, time):
    harvest_june(fake, folder, time)
    kept = Journal.read(folder).pages[0]
    assert b"2606.00002" in gzip.decompress((folder / kept.file).read_bytes())
    assert kept.request == FIRST
    assert kept.response_date == "2026-07-02T00:00:00Z"
    assert kept.harvested_at.startswith("2026-07-02T00:00")


def test_another_text_has_another_fingerprint(fake, tmp_path, time):
    time_again = FakeClock()
    one = harvest_june(fake, tmp_path / "a" / "w", time)
    fake.now = time_again.clock
    two = harvest_june(fake, tmp_path / "b" / "w", time_again)
    assert one.fingerprint == two.fingerprint
    fake.edit("2606.00003", title="another")
    assert harvest_june(fake, tmp_path / "c" / "w", time).fingerprint != one.fingerprint


def test_no_window_is_asked_from_before_the_server_allows(fake, folder, time):
    built = harvest_june(fake, folder, time, month=Month(1995, 3))
    assert built.facts["from"] == "2005-09-16"


def test_a_finished_window_is_not_asked_for_again(fake, folder, time):
    built = harvest_june(fake, folder, time)
    fake.queries.clear()
    assert harvest_june(fake, folder, time) == built == held_harvest(folder)
    assert fake.queries == []


def test_a_window_is_held_only_when_it_is_complete_and_whole(fake, folder, time):
    assert held_harvest(folder) is None
    fake.faults = {2: fail(403)}
    with pytest.raises(HarvestError):
        harvest_june(fake, folder, time)
    assert held_harvest(folder) is None
    with pytest.raises(MissingArtifactError, match="not come to its end"):
        list(read_window(folder))
    harvest_june(fake, folder, time)
    assert held_harvest(folder) is not None
    (folder / "page-00001.xml.gz").write_bytes(b"damaged")
    assert held_harvest(folder) is None
    with pytest.raises(DamagedArtifactError, match="page-00001"):
        list(read_window(folder))
    harvest_june(fake, folder, time)
    assert set(merged(folder)) == WINDOW_IDS


@pytest.mark.parametrize("number", range(1, 6))
def test_a_harvest_that_dies_at_any_request_goes_on_there(fake, folder, time, number):
    fake.faults = {number: fail(403)}
    with pytest.raises(HarvestError, match="403"):
        harvest_june(fake, folder, time)
    asked = fake.queries[-1]
    fake.queries.clear()
    built = harvest_june(fake, folder, time)
    # the audit is asked from its start again: it is worth nothing in pieces
    assert fake.queries[0] == (asked if number < 4 else AUDIT)
    assert built.counts["n_pages"] == 3
    assert set(merged(folder)) == WINDOW_IDS


def test_a_full_disk_is_named_and_leaves_a_harvest_to_go_on_with(fake, folder, time, monkeypatch):
    def full(*_arguments, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("astro_assets.artifacts.atomic.write_bytes", full)
        with pytest.raises(HarvestError, match="No space left on device"):
            harvest_june(fake, folder, time)
    harvest_june(fake, folder, time)
    assert set(merged(folder)) == WINDOW_IDS


def test_a_deleted_record_is_a_record_that_says_so(fake, folder, time):
    fake.records[2] = {"id": "2606.00003", "datestamp": "2026-06-01", "deleted": True}
    built = harvest_june(fake, folder, time)
    assert built.counts["n_deleted"] == 1
    assert merged(folder)["2606.00003"].is_deleted


def test_duplicates_on_a_page_are_counted(fake, folder, time):
    fake.faults = {1: faults.duplicate}
    built = harvest_june(fake, folder, time)
    assert (built.counts["n_records"], built.counts["n_repeated"]) == (6, 1)
    assert set(merged(folder)) == WINDOW_IDS


def test_papers_with_control_characters_come_through(fake, folder, time):
    fake.control = {"2606.00003", "2606.00006"}
    built = harvest_june(fake, folder, time)
    assert set(merged(folder)) == WINDOW_IDS
    assert built.counts["n_repaired_characters"] == 2


def test_a_folder_of_another_window_is_refused(fake, folder, time):
    harvest_june(fake, folder, time)
    with pytest.raises(HarvestError, match="holds the harvest 2026-06, not 2026-05"):
        harvest_june(fake, folder, time, month=Month(2026, 5))


def test_progress_tells_pages_papers_and_days_but_no_line_a_record(fake, folder, time):
    lines = []
    progress = LineProgress(lines.append, every_seconds=0.0)
    with asking(fake.url, folder.parent, time) as requester:
        harvest(Order.of_window(Month(2026, 6)), folder, requester, progress=progress)
    assert len(lines) == 4  # one a page, one at the end
    assert lines[-1].startswith("harvest 2026-06: 3 pages")
    assert "papers 5" in lines[-1] and "through 2026-07-01" in lines[-1]


def test_the_recorded_pages_of_the_real_server_are_harvested(shared, tmp_path, time):
    pages = {}
    folder = shared / "oai" / "server"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    for line in (folder / "_index.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["name"].startswith(("ListRecords_arXivRaw_all_p", "ListIdentifiers_all_p")):
            query = entry["request"].partition("?")[2].replace("=oai_dc", "=arXivRaw")
            pages[query] = folder / f"{entry['name']}.xml"

    def answer(request: httpx.Request) -> httpx.Response:
        query = request.url.query.decode().replace("&from=2011-01-30", "")
        if "from=2026" in query:
            body = (folder / "err_badArgument_from_future.xml").read_bytes()
            body = body.replace(b"badArgument", b"noRecordsMatch")
        else:
            body = pages[query].read_bytes()
        return httpx.Response(
            200, stream=httpx.ByteStream(body), headers={"Content-Type": "text/xml"}
        )

    pace = Pace(tmp_path / "turns.pace", time.clock, time.sleep)
    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        requester = Requester(
            "http://127.0.0.1:8077/oai", contact="me@example.org", client=client, pace=pace
        )
        order = Order("recorded", date(2011, 1, 30))
        built = harvest(order, tmp_path / "w", requester, progress=NO_PROGRESS)
    assert (built.counts["n_pages"], built.counts["n_papers"]) == (13, 503)
    assert (built.counts["n_recovered"], built.counts["n_rounds"]) == (0, 1)
