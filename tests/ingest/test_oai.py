import errno
import gzip
import json
from datetime import date, timedelta
from urllib.parse import quote

import httpx
import pytest

from astro_assets.errors import DamagedArtifactError, HarvestError, MissingArtifactError
from astro_assets.ingest import oai, oai_walk
from astro_assets.ingest.oai import Order, harvest
from astro_assets.ingest.oai_held import held_harvest, read_window
from astro_assets.ingest.oai_http import Requester
from astro_assets.ingest.oai_journal import Journal
from astro_assets.ingest.oai_pace import Pace
from astro_assets.months import Month
from astro_assets.progress import NO_PROGRESS, LineProgress
from tests.fakes import arxiv_faults as faults
from tests.fakes.arxiv_oai import FakeArxiv, fail, refuse, serving, write_token
from tests.fakes.clock import FakeClock
from tests.ingest.harvesting import asking, harvest_june, merged, paper

DAYS = ("05-29", "05-30", "06-01", "06-15", "06-30", "07-01")
WINDOW_IDS = {f"2606.{i:05d}" for i in range(2, 7)}
FIRST = "verb=ListRecords&metadataPrefix=arXivRaw&from=2026-05-30"
AUDIT = "verb=ListIdentifiers&metadataPrefix=arXivRaw&from=2026-05-30"
AGAIN = "verb=ListRecords&metadataPrefix=arXivRaw&from=2026-07-02"


@pytest.fixture
def time():
    return FakeClock()


@pytest.fixture
def fake(time):
    """Serve five records of the window in three pages, and one from before it."""
    records = [paper(i, day) for i, day in enumerate(DAYS, 1)]
    with serving(FakeArxiv(records, now=time.clock)) as fake:
        yield fake


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "2026-06"


def _token(day, skip=0):
    given = {"verb": "ListRecords", "metadataPrefix": "arXivRaw", "from": day}
    token = quote(write_token(given, skip), safe="")
    return f"verb=ListRecords&resumptionToken={token}"


def test_a_window_is_listed_audited_and_asked_again_for_what_changed_meanwhile(fake, folder, time):
    built = harvest_june(fake, folder, time)
    assert fake.queries == [FIRST, _token("2026-06-15"), _token("2026-07-01"), AUDIT, AGAIN]
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


def test_a_refused_token_starts_again_from_the_last_day_seen(fake, folder, time):
    fake.faults = {3: refuse("badResumptionToken")}
    built = harvest_june(fake, folder, time)
    assert fake.queries[2:4] == [
        _token("2026-07-01"),
        "verb=ListRecords&metadataPrefix=arXivRaw&from=2026-06-30",
    ]
    assert set(merged(folder)) == WINDOW_IDS
    assert (built.counts["n_records"], built.counts["n_repeated"]) == (6, 1)


def test_a_token_that_expired_while_nobody_harvested_is_no_loss(fake, folder, time):
    fake.faults = {2: fail(403)}
    with pytest.raises(HarvestError):
        harvest_june(fake, folder, time)
    time.sleep(3 * 86_400)
    harvest_june(fake, folder, time)
    assert set(merged(folder)) == WINDOW_IDS


def test_what_lies_behind_a_token_that_is_refused_for_ever_is_fetched_paper_by_paper(
    fake, folder, time
):
    fake.per_page = 1
    fake.records = [paper(i, "06-30") for i in range(1, 4)]
    fake.faults = {i: faults.refuse_token for i in range(1, 100)}
    built = harvest_june(fake, folder, time)
    assert set(merged(folder)) == {"2606.00001", "2606.00002", "2606.00003"}
    assert built.counts["n_recovered"] == 2


def test_an_edit_during_the_harvest_shifts_a_paper_out_of_the_list_and_the_audit_finds_it(
    fake, folder, time
):
    fake.records = [paper(i, "06-30") for i in range(1, 6)]
    # between the first and the second page a paper of the first goes to the end of the list
    fake.faults = {2: faults.then(lambda server: server.edit("2606.00001", title="edited"))}
    built = harvest_june(fake, folder, time)
    held = merged(folder)
    assert set(held) == {f"2606.{i:05d}" for i in range(1, 6)}
    assert held["2606.00001"].title == "edited"
    assert built.counts["n_recovered"] == 1
    assert any("verb=GetRecord" in query for query in fake.queries)
    assert built.counts["n_rounds"] == 2  # the first was not clean


def test_a_second_edit_on_one_day_is_seen_though_its_datestamp_stays(fake, folder, time):
    fake.records.append(paper(7, "07-02", title="first"))
    fake.faults = {4: faults.then(lambda server: server.edit("2606.00007", title="second"))}
    harvest_june(fake, folder, time)
    assert merged(folder)["2606.00007"].title == "second"


def test_many_missing_papers_are_listed_again_and_not_fetched_one_by_one(
    fake, folder, time, monkeypatch
):
    monkeypatch.setattr(oai, "MAX_SINGLE_RECORDS", 1)
    fake.faults = {
        4: faults.then(lambda s: [s.edit(f"2606.0000{i}", day="2026-06-20") for i in (3, 4)])
    }
    harvest_june(fake, folder, time)
    assert not any("verb=GetRecord" in query for query in fake.queries)
    assert {merged(folder)[f"2606.0000{i}"].datestamp for i in (3, 4)} == {"2026-06-20"}


def test_papers_that_listing_again_does_not_bring_are_fetched_one_by_one_however_many(
    fake, folder, time, monkeypatch
):
    """A day with a page that cannot be made, and more papers on it than are fetched singly."""
    monkeypatch.setattr(oai, "MAX_SINGLE_RECORDS", 4)
    fake.per_page = 4
    fake.records = [paper(i, "06-15") for i in range(1, 201)] + [paper(999, "06-30")]
    fake.poisoned = {"2606.00003"}
    built = harvest_june(fake, folder, time)
    assert len(merged(folder)) == 200
    assert built.facts["unreadable"] == ["2606.00003"]


def _outage(fake, time, *, minutes, after):
    """Let every request fail from the n-th on, for some minutes of the clock."""
    until = []

    def fault(exchange):
        until or until.append(time.now + timedelta(minutes=minutes))
        if time.now < until[0]:
            fail(500)(exchange)
        else:
            exchange.answer()

    fake.faults = {i: fault for i in range(after, after + 500)}


@pytest.mark.parametrize("minutes", [1, 3, 10, 120])
def test_an_outage_while_papers_are_fetched_singly_loses_none(fake, folder, time, minutes):
    fake.records = [paper(i, "06-30") for i in range(1, 6)]
    fake.edit("2606.00001", day="2026-06-30", title="first edit")

    def go_dark(server):
        server.edit("2606.00002", title="edited")
        _outage(server, time, minutes=minutes, after=len(server.queries) + 3)

    fake.faults = {2: faults.then(go_dark)}
    for _ in range(5):
        try:
            built = harvest_june(fake, folder, time)
            break
        except HarvestError:
            time.advance(3_600)
    assert set(merged(folder)) == {f"2606.{i:05d}" for i in range(1, 6)}
    assert merged(folder)["2606.00002"].title == "edited"
    assert built.counts["n_unreadable"] == 0


def test_a_paper_that_could_not_be_had_is_asked_for_again_by_a_resumed_harvest(fake, folder, time):
    fake.records = [paper(1, "06-01"), paper(2, "06-02")]
    fake.ill_formed = {"2606.00001"}
    with pytest.raises(HarvestError, match="no change after 2026-06-02"):
        harvest_june(fake, folder, time)
    fake.ill_formed = set()
    fake.add(paper(3, "06-30"))
    built = harvest_june(fake, folder, time)
    assert set(merged(folder)) == {"2606.00001", "2606.00002", "2606.00003"}
    assert built.facts["unreadable"] == []


def test_a_paper_whose_last_edit_cannot_be_had_is_named_though_an_older_text_is_held(
    fake, folder, time
):
    def edit_badly(server):
        server.edit("2606.00003", title="the edit")
        server.ill_formed = {"2606.00003"}

    fake.faults = {4: faults.then(edit_badly)}
    built = harvest_june(fake, folder, time)
    assert merged(folder)["2606.00003"].datestamp == "2026-06-01"
    assert built.facts["unreadable"] == ["2606.00003"]


@pytest.mark.parametrize("how", ["poisoned", "ill_formed"])
def test_a_server_that_gives_none_of_its_papers_is_not_well(fake, folder, time, how):
    setattr(fake, how, {record["id"] for record in fake.records})
    with pytest.raises(HarvestError, match=r"cannot be had|no OAI-PMH page|HTTP 500"):
        harvest_june(fake, folder, time)
    assert held_harvest(folder) is None


def test_a_full_disk_is_named_and_leaves_a_harvest_to_go_on_with(fake, folder, time, monkeypatch):
    def full(*_arguments, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("astro_assets.artifacts.atomic.write_bytes", full)
        with pytest.raises(HarvestError, match="No space left on device"):
            harvest_june(fake, folder, time)
    harvest_june(fake, folder, time)
    assert set(merged(folder)) == WINDOW_IDS


def test_a_server_whose_clock_is_years_ahead_can_be_harvested(fake, folder, time):
    fake.tick(10 * 365 * 86_400)
    harvest_june(fake, folder, time)
    assert set(merged(folder)) == WINDOW_IDS


def test_a_day_of_change_far_ahead_is_not_believed(fake, folder, time):
    def spoiled(exchange):
        body = exchange.reply().body.replace(b"<datestamp>2026-06", b"<datestamp>2126-06", 1)
        faults.send(exchange, 200, body)

    fake.faults = {1: spoiled, 2: faults.refuse_token}
    built = harvest_june(fake, folder, time)
    assert {i: one.datestamp for i, one in merged(folder).items()} == {
        record["id"]: record["datestamp"] for record in fake.records[1:]
    }
    assert (built.counts["n_broken"], built.counts["n_unreadable"]) == (1, 0)


def test_a_month_has_ended_only_when_both_clocks_say_so(fake, folder, time):
    fake.tick(-6 * 86_400)
    fake.records = fake.records[:5]
    with pytest.raises(HarvestError, match="known up to 2026-06-26"):
        harvest_june(fake, folder, time)
    fake.tick(6 * 86_400)
    fake.edit("2606.00002", day="2026-06-28", title="edited since")
    built = harvest_june(fake, folder, time)
    assert merged(folder)["2606.00002"].title == "edited since"
    assert built.facts["harvested_at"].startswith("2026-07-02")


def test_months_that_are_caught_up_must_all_be_told(fake, folder, time):
    """The server knows nothing after June; in September that is no window of three months."""
    time.advance(62 * 86_400)
    with pytest.raises(HarvestError, match=r"no change after 2026-07-01.*\n.*up to 2026-08-31"):
        harvest_june(fake, folder, time)
    fake.add(paper(8, "06-30") | {"datestamp": "2026-08-30"})
    harvest_june(fake, folder, time)


def test_a_damaged_page_costs_the_others_nothing(fake, folder, time):
    harvest_june(fake, folder, time)
    kept = (folder / "page-00003.xml.gz").read_bytes()
    (folder / "page-00001.xml.gz").write_bytes(b"damaged")
    fake.queries.clear()
    fake.edit("2606.00006", day="2026-07-02", title="months later")
    built = harvest_june(fake, folder, time)
    assert set(merged(folder)) == WINDOW_IDS
    assert (folder / "page-00003.xml.gz").read_bytes() == kept
    assert built.counts["n_recovered"] == 3  # two papers of the page, one edited since


def test_arxiv_that_does_not_stand_still_is_left_for_later(fake, folder, time, monkeypatch):
    monkeypatch.setattr(oai, "MAX_ROUNDS", 2)
    fake.faults = {
        i: faults.then(lambda s, i=i: s.edit("2606.00002", title=f"edit {i}")) for i in range(50)
    }
    with pytest.raises(HarvestError, match="something new in each of 2 rounds"):
        harvest_june(fake, folder, time)
    fake.faults = {}
    harvest_june(fake, folder, time)
    assert merged(folder)["2606.00002"].title.startswith("edit ")


def test_an_empty_window_means_later(fake, folder, time):
    fake.records.clear()
    with pytest.raises(HarvestError, match="Try again later"):
        harvest_june(fake, folder, time)
    assert held_harvest(folder) is None
    fake.records.append(paper(1, "06-30"))
    assert harvest_june(fake, folder, time).counts["n_papers"] == 1


@pytest.mark.parametrize("request_that_is_empty", [1, 2, 4])
def test_an_error_answer_out_of_a_cache_is_not_believed_at_once(
    fake, folder, time, request_that_is_empty
):
    fake.faults = {request_that_is_empty: refuse("noRecordsMatch")}
    harvest_june(fake, folder, time)
    assert set(merged(folder)) == WINDOW_IDS


def test_an_audit_that_lists_nothing_is_no_audit(fake, folder, time):
    fake.faults = {i: refuse("noRecordsMatch") for i in range(4, 60)}
    with pytest.raises(HarvestError, match="Try again later"):
        harvest_june(fake, folder, time)
    assert held_harvest(folder) is None


def test_a_window_in_which_nothing_changed_for_days_is_not_complete_yet(fake, folder, time):
    fake.records = [paper(1, "06-01"), paper(2, "06-22")]
    with pytest.raises(HarvestError, match="no change after 2026-06-22"):
        harvest_june(fake, folder, time)
    assert held_harvest(folder) is None
    fake.add(paper(3, "06-30"))
    fake.queries.clear()
    harvest_june(fake, folder, time)
    assert set(merged(folder)) == {"2606.00001", "2606.00002", "2606.00003"}
    assert FIRST not in fake.queries  # what was listed is not listed again


@pytest.mark.parametrize("code", ["badArgument", "cannotDisseminateFormat", "badVerb"])
def test_other_protocol_errors_are_named_at_once(fake, folder, time, code):
    fake.faults = {1: refuse(code)}
    with pytest.raises(HarvestError, match=code):
        harvest_june(fake, folder, time)
    assert len(fake.queries) == 1


def test_a_token_that_leads_nowhere_ends_the_harvest(fake, folder, time):
    def same_page(exchange):
        body = fake.answer(fake.queries[1])
        faults.send(exchange, 200, body)

    fake.faults = {3: same_page}
    with pytest.raises(HarvestError, match="repeats the token"):
        harvest_june(fake, folder, time)


def test_a_list_without_an_end_is_left(fake, folder, time, monkeypatch):
    monkeypatch.setattr(oai_walk, "MAX_PAGES", 2)
    with pytest.raises(HarvestError, match="more than 2 pages"):
        harvest_june(fake, folder, time)


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


def test_an_ill_formed_paper_costs_itself_and_is_named(fake, folder, time):
    fake.ill_formed = {"2606.00004"}
    built = harvest_june(fake, folder, time)
    assert set(merged(folder)) == WINDOW_IDS - {"2606.00004"}
    assert built.facts["unreadable"] == ["2606.00004"]
    assert built.counts["n_unreadable"] == 1


def test_a_page_the_server_cannot_make_is_fetched_paper_by_paper(fake, folder, time):
    """A page that is HTTP 500 for good: the rest of the window comes all the same."""
    fake.records = [paper(i, f"06-{20 + i}") for i in range(1, 10)]
    fake.poisoned = {"2606.00004"}
    built = harvest_june(fake, folder, time)
    assert set(merged(folder)) == {f"2606.{i:05d}" for i in range(1, 10) if i != 4}
    assert built.facts["unreadable"] == ["2606.00004"]


def test_a_page_that_cannot_be_made_at_the_end_of_the_list_is_no_loss(fake, folder, time):
    fake.poisoned = {"2606.00006"}
    built = harvest_june(fake, folder, time)
    assert set(merged(folder)) == WINDOW_IDS - {"2606.00006"}
    assert built.facts["unreadable"] == ["2606.00006"]


def test_a_list_that_cannot_be_audited_is_not_complete(fake, folder, time):
    fake.poisoned, fake.poisoned_headers = {"2606.00004"}, True
    with pytest.raises(HarvestError, match="HTTP 500 for one page"):
        harvest_june(fake, folder, time)
    assert held_harvest(folder) is None
    fake.poisoned = set()
    harvest_june(fake, folder, time)
    assert set(merged(folder)) == WINDOW_IDS


def test_a_damaged_page_on_the_way_is_asked_for_again(fake, folder, time):
    fake.faults = {1: faults.bad_utf8, 2: faults.wholly_ill_formed}
    built = harvest_june(fake, folder, time)
    assert set(merged(folder)) == WINDOW_IDS
    assert (built.counts["n_repaired_characters"], built.counts["n_broken"]) == (0, 0)


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
