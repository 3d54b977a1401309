import gzip
import json
from urllib.parse import quote

import httpx
import pytest

from astro_assets.errors import DamagedArtifactError, HarvestError, MissingArtifactError
from astro_assets.ingest import oai
from astro_assets.ingest.oai import harvest_window, held_window, read_window
from astro_assets.months import Month
from astro_assets.progress import NO_PROGRESS
from tests.builders import record
from tests.fakes.arxiv_oai import FakeArxiv, fail, refuse, send, serving
from tests.fakes.clock import FakeClock

JUNE = Month(2026, 6)


def _records(*days):
    return [
        {**record(f"2606.{i:05d}"), "datestamp": f"2026-{day}"} for i, day in enumerate(days, 1)
    ]


@pytest.fixture
def fake():
    """Serve five June records in three pages, and one from before the window."""
    records = _records("05-29", "05-30", "06-01", "06-15", "06-30", "07-01")
    with serving(FakeArxiv(records)) as fake:
        yield fake


@pytest.fixture
def time():
    return FakeClock()


def _harvest(fake, folder, time, *, month=JUNE):
    with httpx.Client() as client:
        return harvest_window(
            fake.url, month, folder, contact="me@example.org", progress=NO_PROGRESS,
            clock=time.clock, sleep=time.sleep, client=client,
        )  # fmt: skip


def _ids(folder):
    return [i for batch in read_window(folder) for i in batch.column("id").to_pylist()]


WINDOW_IDS = [f"2606.{i:05d}" for i in range(2, 7)]


def test_a_window_is_harvested_page_by_page(fake, tmp_path, time):
    built = _harvest(fake, tmp_path / "w", time)
    assert _ids(tmp_path / "w") == WINDOW_IDS
    assert [b.num_rows for b in read_window(tmp_path / "w")] == [2, 2, 1]
    assert (built.counts["n_pages"], built.counts["n_records"]) == (3, 5)
    assert built.facts == {
        "window": "2026-06",
        "from": "2026-05-30",
        "harvested_at": "2026-07-02T00:00:00+00:00",
        "first_response_date": "2026-07-02T00:00:00Z",
    }
    assert sorted(built.files) == [f"page-0000{i}.xml.gz" for i in (1, 2, 3)]


def test_requests_are_what_the_protocol_asks_for(fake, tmp_path, time):
    _harvest(fake, tmp_path / "w", time)
    tokens = [quote(f"2026-05-30|{skip}", safe="") for skip in (2, 4)]
    assert fake.queries == [
        "verb=ListRecords&metadataPrefix=arXivRaw&from=2026-05-30",
        *(f"verb=ListRecords&resumptionToken={quote(token, safe='')}" for token in tokens),
    ]
    assert all("%257C" in query for query in fake.queries[1:])  # percent-encoded once more
    assert all(agent.endswith("(mailto:me@example.org)") for agent in fake.user_agents)
    assert time.slept == [3.0, 3.0]


def test_pages_are_kept_as_they_came(fake, tmp_path, time):
    _harvest(fake, tmp_path / "w", time)
    first = fake.answer(fake.queries[0])
    assert gzip.decompress((tmp_path / "w" / "page-00001.xml.gz").read_bytes()) == first


def test_the_same_pages_have_the_same_fingerprint_and_others_another(fake, tmp_path, time):
    one, two = (_harvest(fake, tmp_path / name, time).fingerprint for name in "ab")
    fake.records[-1]["title"] = "another"
    assert one == two != _harvest(fake, tmp_path / "c", time).fingerprint


def test_no_window_is_asked_from_before_the_server_allows(fake, tmp_path, time):
    built = _harvest(fake, tmp_path / "w", time, month=Month(1995, 3))
    assert built.facts["from"] == "2005-09-16"


def test_a_finished_window_is_not_asked_for_again(fake, tmp_path, time):
    built = _harvest(fake, tmp_path / "w", time)
    fake.queries.clear()
    assert _harvest(fake, tmp_path / "w", time) == built
    assert held_window(tmp_path / "w") == built
    assert fake.queries == []


def test_a_window_is_held_only_when_it_is_complete_and_whole(fake, tmp_path, time):
    assert held_window(tmp_path / "w") is None
    fake.faults = {2: fail(403)}
    with pytest.raises(HarvestError):
        _harvest(fake, tmp_path / "w", time)
    assert held_window(tmp_path / "w") is None
    _harvest(fake, tmp_path / "w", time)
    assert held_window(tmp_path / "w") is not None
    (tmp_path / "w" / "page-00001.xml.gz").write_bytes(b"damaged")
    assert held_window(tmp_path / "w") is None


@pytest.mark.parametrize("request_that_fails", [2, 3])
def test_a_harvest_cut_short_goes_on_after_the_last_whole_page(
    fake, tmp_path, time, request_that_fails
):
    fake.faults = {request_that_fails: fail(403)}
    with pytest.raises(HarvestError):
        _harvest(fake, tmp_path / "w", time)
    with pytest.raises(MissingArtifactError, match="not been harvested to its end"):
        list(read_window(tmp_path / "w"))
    asked = fake.queries[-1]
    fake.queries.clear()
    built = _harvest(fake, tmp_path / "w", time)
    assert fake.queries[0] == asked
    assert len(fake.queries) == 4 - request_that_fails
    assert _ids(tmp_path / "w") == WINDOW_IDS
    assert built.fingerprint == _harvest(fake, tmp_path / "whole", time).fingerprint


def test_a_harvest_killed_between_page_and_state_goes_on(fake, tmp_path, time, monkeypatch):
    save, n_saved = oai._save, []

    def killed(folder, state):
        n_saved.append(1)
        if len(n_saved) == 2:
            raise KeyboardInterrupt
        save(folder, state)

    monkeypatch.setattr(oai, "_save", killed)
    with pytest.raises(KeyboardInterrupt):
        _harvest(fake, tmp_path / "w", time)
    assert (tmp_path / "w" / "page-00002.xml.gz").is_file()  # but the state knows one page only
    _harvest(fake, tmp_path / "w", time)
    assert _ids(tmp_path / "w") == WINDOW_IDS


def test_a_refused_token_starts_the_window_over(fake, tmp_path, time):
    fake.faults = {3: refuse("badResumptionToken")}
    _harvest(fake, tmp_path / "w", time)
    assert fake.queries[3] == fake.queries[0]
    assert _ids(tmp_path / "w") == WINDOW_IDS


def test_pages_of_a_pass_given_up_are_removed(fake, tmp_path, time):
    fake.faults = {3: refuse("badResumptionToken")}
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "page-00009.xml.gz").write_bytes(b"left over")
    built = _harvest(fake, tmp_path / "w", time)
    assert sorted(p.name for p in (tmp_path / "w").glob("page-*")) == sorted(built.files)


def test_a_server_that_refuses_every_token_is_given_up(fake, tmp_path, time):
    fake.faults = {i: refuse("badResumptionToken") for i in (2, 4, 6)}
    with pytest.raises(HarvestError, match="refused its own resumption tokens 3 times"):
        _harvest(fake, tmp_path / "w", time)


def test_an_empty_window_means_later_and_keeps_nothing(fake, tmp_path, time):
    fake.records.clear()
    with pytest.raises(HarvestError, match="Try again later"):
        _harvest(fake, tmp_path / "w", time)
    assert not (tmp_path / "w").exists()


def test_other_protocol_errors_are_named(fake, tmp_path, time):
    fake.faults = {1: refuse("badArgument")}
    with pytest.raises(HarvestError, match="badArgument"):
        _harvest(fake, tmp_path / "w", time)


def test_a_token_that_leads_nowhere_ends_the_harvest(fake, tmp_path, time):
    fake.faults = {3: lambda handler: _send_page_of(fake, handler, fake.queries[1])}
    with pytest.raises(HarvestError, match="repeats the token"):
        _harvest(fake, tmp_path / "w", time)


def _send_page_of(fake, handler, query):
    send(handler, 200, fake.answer(query))


def test_deleted_records_are_counted_and_left_out(fake, tmp_path, time):
    fake.records[2] = {"id": "2606.00003", "datestamp": "2026-06-01", "deleted": True}
    built = _harvest(fake, tmp_path / "w", time)
    assert (built.counts["n_records"], built.counts["n_deleted"]) == (4, 1)
    assert "2606.00003" not in _ids(tmp_path / "w")


def test_a_damaged_page_is_noticed_and_fetched_again(fake, tmp_path, time):
    _harvest(fake, tmp_path / "w", time)
    page = tmp_path / "w" / "page-00002.xml.gz"
    page.write_bytes(gzip.compress(b"something else"))
    with pytest.raises(DamagedArtifactError, match="its bytes changed"):
        list(read_window(tmp_path / "w"))
    page.unlink()
    with pytest.raises(DamagedArtifactError, match="No such file"):
        list(read_window(tmp_path / "w"))
    _harvest(fake, tmp_path / "w", time)
    assert _ids(tmp_path / "w") == WINDOW_IDS


@pytest.mark.parametrize("state", ["{", "[]", '{"window": "2026-06"}', '{"pages": [{}]}'])
def test_a_damaged_state_is_named(fake, tmp_path, time, state):
    (tmp_path / "state.json").write_text(state)
    with pytest.raises(DamagedArtifactError, match="no harvest state"):
        _harvest(fake, tmp_path, time)


def test_the_folder_of_another_window_is_not_overwritten(fake, tmp_path, time):
    _harvest(fake, tmp_path / "w", time)
    with pytest.raises(HarvestError, match="holds window 2026-06, not 2026-05"):
        _harvest(fake, tmp_path / "w", time, month=Month(2026, 5))


def test_the_real_servers_recorded_harvest_is_walked_to_its_end(shared, tmp_path, time):
    folder = shared / "oai" / "server"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    pages = {}
    for line in (folder / "_index.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["name"].startswith("ListRecords_arXivRaw_all_p"):
            pages[entry["request"].partition("?")[2]] = folder / f"{entry['name']}.xml"

    def answer(request: httpx.Request) -> httpx.Response:
        query = request.url.query.decode().removesuffix("&from=2011-01-30")
        return httpx.Response(200, content=pages[query].read_bytes())

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        built = harvest_window(
            "http://127.0.0.1:8077/oai", Month(2011, 2), tmp_path / "w", contact="me@example.org",
            progress=NO_PROGRESS, clock=time.clock, sleep=time.sleep, client=client,
        )  # fmt: skip
    assert (built.counts["n_pages"], built.counts["n_records"]) == (13, 503)
