import httpx
import pytest

from astro_assets.errors import BadSettingError, HarvestError
from astro_assets.ingest import oai_http
from astro_assets.ingest.oai_http import MAX_WAITING_SECONDS, Requester, retry_after
from tests.builders import record
from tests.fakes.arxiv_oai import FakeArxiv, busy, cut, fail, serving
from tests.fakes.clock import START, FakeClock

QUERY = "verb=ListRecords&metadataPrefix=arXivRaw"


@pytest.fixture
def fake():
    with serving(FakeArxiv([{**record(), "datestamp": "2026-06-01"}])) as fake:
        yield fake


@pytest.fixture
def time():
    return FakeClock()


@pytest.fixture
def requester(fake, time):
    with httpx.Client() as client:
        yield _requester(fake.url, client, time)


def _requester(url, client, time, contact="me@example.org"):
    return Requester(url, contact=contact, client=client, clock=time.clock, sleep=time.sleep)


def test_the_answer_comes_as_it_was_sent(fake, requester, time):
    assert requester.get(QUERY) == fake.answer(QUERY)
    assert time.slept == []


def test_three_seconds_lie_between_requests(requester, time):
    for _ in range(3):
        requester.get(QUERY)
    assert time.slept == [3.0, 3.0]


def test_time_that_passed_by_itself_counts(requester, time):
    requester.get(QUERY)
    time.sleep(2.0)
    requester.get(QUERY)
    time.sleep(60.0)
    requester.get(QUERY)
    assert time.slept == [2.0, 1.0, 60.0]


def test_retry_after_is_obeyed_in_both_forms(fake, requester, time):
    fake.faults = {1: busy("20"), 2: busy("Thu, 02 Jul 2026 00:02:00 GMT", status=429)}
    assert requester.get(QUERY) == fake.answer(QUERY)
    assert time.slept == [20.0, 100.0]  # from 00:00:20 to 00:02:00


def test_other_failures_are_tried_again_with_growing_waits(fake, requester, time):
    fake.faults = {1: cut, 2: fail(500), 3: busy("soon")}
    assert requester.get(QUERY) == fake.answer(QUERY)
    assert time.slept == [10.0, 20.0, 40.0]


def test_patience_ends(fake, requester, time):
    fake.faults = {i: fail(502) for i in range(1, 200)}
    with pytest.raises(HarvestError, match="HTTP 502, after"):
        requester.get(QUERY)
    assert sum(time.slept) <= MAX_WAITING_SECONDS
    assert max(time.slept) == 300.0


def test_a_server_that_asks_for_no_wait_for_ever_is_left_too(fake, requester, time, monkeypatch):
    monkeypatch.setattr(oai_http, "MAX_WAITING_SECONDS", 30.0)
    fake.faults = {i: busy("0") for i in range(1, 200)}
    with pytest.raises(HarvestError, match="HTTP 503"):
        requester.get(QUERY)
    assert time.slept == [3.0] * 10


def test_a_server_that_is_not_there_is_named(time):
    with httpx.Client() as client, pytest.raises(HarvestError, match="ConnectError"):
        _requester("http://127.0.0.1:9/oai", client, time).get(QUERY)


def test_a_wait_longer_than_our_patience_is_not_begun(fake, requester, time):
    fake.faults = {1: busy("86400")}
    with pytest.raises(HarvestError, match="86,400 s more"):
        requester.get(QUERY)
    assert time.slept == []


@pytest.mark.parametrize("status", [301, 403, 404])
def test_a_refusal_is_not_repeated(fake, requester, status):
    fake.faults = {1: fail(status)}
    with pytest.raises(HarvestError, match=f"HTTP {status}"):
        requester.get(QUERY)
    assert len(fake.queries) == 1


def test_a_page_without_end_is_not_read_to_its_end(requester, monkeypatch):
    monkeypatch.setattr(oai_http, "MAX_PAGE_BYTES", 100)
    with pytest.raises(HarvestError, match="is larger than"):
        requester.get(QUERY)


def test_the_user_agent_says_who_asks(fake, requester):
    requester.get(QUERY)
    (agent,) = fake.user_agents
    assert agent.startswith("astro-assets/")
    assert agent.endswith("(mailto:me@example.org)")


@pytest.mark.parametrize("contact", ["", "nobody", "a@b\r\nX: y", "ü@example.org"])
def test_a_contact_that_cannot_stand_in_a_header_is_refused(fake, time, contact):
    with httpx.Client() as client, pytest.raises(BadSettingError, match="contact"):
        _requester(fake.url, client, time, contact)


@pytest.mark.parametrize("url", ["", "ftp://x/oai", "file:///etc/passwd", "http://x/oai?verb=a"])
def test_an_address_that_is_none_is_refused(time, url):
    with httpx.Client() as client, pytest.raises(BadSettingError, match="address"):
        _requester(url, client, time)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Thu, 02 Jul 2026 00:01:00 GMT", 60.0),
        ("Thu, 02 Jul 2026 00:01:00", 60.0),
        ("Wed, 01 Jul 2026 00:00:00 GMT", 0.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read(value, seconds):
    assert retry_after(value, START) == seconds
