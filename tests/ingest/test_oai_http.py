import gzip
import tracemalloc
import zlib

import httpx
import pytest

from astro_assets.errors import BadSettingError, HarvestError
from astro_assets.ingest import oai_http
from astro_assets.ingest.oai_http import MAX_WAITING_SECONDS, PageError, Requester, retry_after
from astro_assets.ingest.oai_pace import Pace
from tests.builders import record
from tests.fakes import arxiv_faults as faults
from tests.fakes.arxiv_oai import FakeArxiv, busy, cut, fail, send, serving
from tests.fakes.clock import START, FakeClock

QUERY = "verb=ListRecords&metadataPrefix=arXivRaw"


@pytest.fixture
def fake():
    with serving(FakeArxiv([{**record(), "datestamp": "2026-06-01"}])) as fake:
        yield fake


@pytest.fixture
def time():
    return FakeClock()


class Unmoved:
    """Jitter that adds nothing."""

    def random(self):
        return 0.0


@pytest.fixture
def requester(fake, time, tmp_path):
    with httpx.Client(timeout=httpx.Timeout(5.0, read=0.1)) as client:
        yield _requester(fake.url, client, time, tmp_path)


def _requester(url, client, time, folder, contact="me@example.org"):
    pace = Pace(folder / "turns.pace", time.clock, time.sleep)
    return Requester(url, contact=contact, client=client, pace=pace, jitter=Unmoved())


def test_the_answer_comes_as_it_was_sent(fake, requester, time):
    assert requester.get(QUERY) == fake.answer(QUERY)
    assert time.slept == []


def test_retry_after_is_obeyed_in_both_forms(fake, requester, time):
    fake.now = time.clock
    fake.faults = {1: busy("20"), 2: busy("Thu, 02 Jul 2026 00:02:00 GMT", status=429)}
    assert requester.get(QUERY) == fake.answer(QUERY)
    assert time.slept == [20.0, 100.0]  # from 00:00:20 to 00:02:00


def test_a_date_to_come_back_at_is_by_the_clock_of_the_server(fake, requester, time):
    fake.tick(86_400)  # its clock is a day ahead of ours
    fake.faults = {1: faults.busy_until(30)}
    assert requester.get(QUERY) == fake.answer(QUERY)
    assert time.slept == [30.0]


@pytest.mark.parametrize(
    "fault",
    [
        cut,
        fail(502),
        busy("soon"),
        faults.html_with_200,
        faults.empty_body,
        faults.truncated_silently,
        faults.wrong_content_type("application/json"),
        faults.slow(0.2),
    ],
)
def test_other_failures_are_tried_again_with_growing_waits(fake, requester, time, fault):
    fake.faults = dict.fromkeys((1, 2, 3), fault)
    assert requester.get(QUERY) == fake.answer(QUERY)
    assert [s for s in time.slept if s >= 10] == [10.0, 20.0, 40.0]


def test_no_two_harvests_come_back_at_the_same_time(fake, time, tmp_path):
    fake.faults = dict.fromkeys(range(1, 8), fail(502))
    with httpx.Client() as client:
        pace = Pace(tmp_path / "turns.pace", time.clock, time.sleep)
        Requester(fake.url, contact="a@b.c", client=client, pace=pace).get(QUERY)
    waits = [s for s in time.slept if s >= 10]
    assert all(base <= s <= 1.25 * base for s, base in zip(waits, (10, 20, 40, 80), strict=False))
    assert len({s / base for s, base in zip(waits, (10, 20, 40, 80), strict=False)}) > 1


def test_patience_ends(fake, requester, time):
    fake.faults = {i: fail(502) for i in range(1, 200)}
    with pytest.raises(HarvestError, match="HTTP 502, after"):
        requester.get(QUERY)
    assert sum(s for s in time.slept if s >= 10) <= MAX_WAITING_SECONDS
    assert max(time.slept) == 300.0


@pytest.mark.parametrize("fault", [fail(500), faults.truncated_silently])
def test_a_page_that_fails_by_itself_is_soon_left(fake, requester, fault):
    fake.faults = {i: fault for i in range(1, 200)}
    with pytest.raises(PageError, match="for one page 4 times"):
        requester.get(QUERY)
    assert len(fake.queries) == 4


def test_a_server_that_asks_for_no_wait_for_ever_is_left_too(fake, requester, time, monkeypatch):
    monkeypatch.setattr(oai_http, "MAX_WAITING_SECONDS", 30.0)
    fake.faults = {i: busy("0") for i in range(1, 200)}
    with pytest.raises(HarvestError, match="HTTP 503"):
        requester.get(QUERY)
    assert time.slept.count(3.0) == 10


def test_an_answer_that_drips_for_ever_is_left(fake, requester, time, monkeypatch):
    monkeypatch.setattr(oai_http, "MAX_ANSWER_SECONDS", -1.0)
    monkeypatch.setattr(oai_http, "MAX_WAITING_SECONDS", 30.0)
    with pytest.raises(HarvestError, match="an answer of more than"):
        requester.get(QUERY)


def test_a_server_that_is_not_there_is_named(time, tmp_path):
    with httpx.Client() as client, pytest.raises(HarvestError, match="ConnectError"):
        _requester("http://127.0.0.1:9/oai", client, time, tmp_path).get(QUERY)


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
def test_a_contact_that_cannot_stand_in_a_header_is_refused(fake, time, tmp_path, contact):
    with httpx.Client() as client, pytest.raises(BadSettingError, match="contact"):
        _requester(fake.url, client, time, tmp_path, contact)


def _gzipped(change=lambda data: data, encoding="gzip"):
    def run(exchange):
        assert exchange.handler.headers["Accept-Encoding"] == "gzip"
        body = change(gzip.compress(exchange.reply().body))
        send(exchange, 200, body, Content_Encoding=encoding)

    return run


@pytest.mark.parametrize("change", [lambda data: data, lambda data: data + b"behind its end"])
def test_a_page_in_gzip_is_unpacked(fake, requester, time, change):
    fake.faults = {1: _gzipped(change, "GZip")}
    assert requester.get(QUERY) == fake.answer(QUERY)
    assert time.slept == []


@pytest.mark.parametrize("n_piece", [1, 7, 1 << 20])
def test_pieces_of_any_size_make_the_page(fake, requester, monkeypatch, n_piece):
    monkeypatch.setattr(oai_http, "_PIECE_BYTES", n_piece)
    fake.faults = {1: _gzipped()}
    assert requester.get(QUERY) == fake.answer(QUERY)


@pytest.mark.parametrize(
    "change",
    [lambda d: d[:-1], lambda d: d[:100], lambda d: b"", lambda d: b"no gzip",
     lambda d: d[:-8] + bytes(8), lambda d: d[:60] + b"\xff\xff\xff" + d[63:]],
)  # fmt: skip
def test_a_page_whose_gzip_is_cut_or_damaged_is_a_bad_page(fake, requester, change):
    fake.faults = dict.fromkeys(range(1, 5), _gzipped(change))
    with pytest.raises(PageError, match=r"(cut off|gzip is damaged).*for one page 4 times"):
        requester.get(QUERY)


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "deflate", "x" * 500])
def test_another_wrapping_than_asked_for_is_not_opened(fake, requester, time, encoding):
    fake.faults = {1: _gzipped(encoding=encoding)}
    assert requester.get(QUERY) == fake.answer(QUERY)
    assert time.slept[0] == 10.0


def test_a_small_answer_that_unpacks_to_a_large_one_does_not_fill_the_memory(
    fake, requester, monkeypatch
):
    monkeypatch.setattr(oai_http, "MAX_PAGE_BYTES", 2 << 20)
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(64)), packer.flush()])
    fake.faults = {1: _gzipped(lambda _: bomb)}
    tracemalloc.start()
    try:
        with pytest.raises(HarvestError, match="is larger than 2 MiB"):
            requester.get(QUERY)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20


def test_what_a_busy_server_asks_is_asked_of_the_next_harvest_too(fake, requester, time, tmp_path):
    fake.faults = {1: busy("86400")}
    with pytest.raises(HarvestError):
        requester.get(QUERY)
    with httpx.Client() as client:
        _requester(fake.url, client, time, tmp_path).get(QUERY)
    assert time.slept == [MAX_WAITING_SECONDS]


@pytest.mark.parametrize("date", [f"Wed, 01 Jul {'9' * 20} 00:00:00 GMT", "soon", "",
                                  f"Wed, 01 Jul 2026 00:00:00 +{'9' * 20}"])  # fmt: skip
def test_a_server_whose_date_is_nonsense_is_read_by_our_clock(fake, requester, time, date):
    until = "Thu, 02 Jul 2026 00:00:30 GMT"
    fake.faults = {1: _busy_with_date(until, date)}
    assert requester.get(QUERY) == fake.answer(QUERY)
    assert time.slept == [30.0]


def _busy_with_date(until, date):
    def run(exchange):
        exchange.handler.date_time_string = lambda timestamp=None: date
        busy(until)(exchange)

    return run


def test_a_token_that_has_no_room_in_a_request_is_named(fake, requester):
    with pytest.raises(PageError, match="cannot be asked for 'verb=ListRecords&resumptionToken=x"):
        requester.get(f"verb=ListRecords&resumptionToken={'x' * 70_000}")
    assert fake.queries == []


@pytest.mark.parametrize("url", ["", "http://x/oai?verb=a", "http://a:b@x/oai", "http://x:99999/"])
def test_an_address_that_is_none_is_refused(time, tmp_path, url):
    with httpx.Client() as client, pytest.raises(BadSettingError, match="address"):
        _requester(url, client, time, tmp_path)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Thu, 02 Jul 2026 00:01:00 GMT", 60.0),
        ("Thu, 02 Jul 2026 00:01:00", 60.0),
        ("Wed, 01 Jul 2026 00:00:00 GMT", 0.0),
        ("9" * 400, float("inf")),
        (f"Wed, 01 Jul {'9' * 20} 00:00:00 GMT", None),
        (f"Wed, 01 Jul 2026 00:01:00 +{'9' * 20}", None),
        (f"Wed, 01 Jul 2026 {'9' * 20}:01:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", None),
        ("-5", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read(value, seconds):
    assert retry_after(value, START) == seconds
