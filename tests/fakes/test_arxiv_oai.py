import re
from datetime import UTC, datetime
from urllib.parse import quote
from xml.etree.ElementTree import fromstring

import httpx
import pytest

from tests.builders import record
from tests.fakes.arxiv_oai import FakeArxiv, busy, serving
from tests.fakes.clock import FakeClock

OAI = "{http://www.openarchives.org/OAI/2.0/}"
FROM = "metadataPrefix=arXivRaw&from=2026-06-01"


def _papers(*days):
    return [
        {**record(f"2606.{i:05d}"), "datestamp": f"2026-{day}"} for i, day in enumerate(days, 1)
    ]


@pytest.fixture
def fake():
    return FakeArxiv(_papers("06-01", "06-01", "06-02", "06-03", "06-03"), url="http://x/oai")


def _walk(fake, verb="ListRecords", query=FROM, between=lambda n: None):
    """Return the ids page by page; ``between`` is called after each page."""
    pages, query = [], f"verb={verb}&{query}"
    while query:
        root = fromstring(fake.answer(query))
        pages.append([e.text[-5:] for e in root.iter(f"{OAI}identifier")])
        token = root.findtext(f".//{OAI}resumptionToken")
        query = token and f"verb={verb}&resumptionToken={quote(token, safe='')}"
        between(len(pages))
    return pages


def _error(answer):
    error = fromstring(answer).find(f"{OAI}error")
    return None if error is None else error.get("code")


def test_the_papers_come_in_pages(fake):
    assert _walk(fake) == [["00001", "00002"], ["00003", "00004"], ["00005"]]
    assert _walk(fake, "ListIdentifiers") == [["00001", "00002", "00003", "00004", "00005"]]


def test_an_edit_between_pages_loses_a_record_without_a_word(fake):
    fake.per_page = 1

    def edit(n_pages):
        if n_pages == 1:
            fake.edit("2606.00001", day="2026-06-04")

    # 00002 was to be skipped to behind 00001 of the same day, which is no longer there.
    assert _walk(fake, between=edit) == [["00001"], ["00003"], ["00004"], ["00005"], ["00001"]]


def test_a_day_larger_than_a_page_is_walked_through():
    fake = FakeArxiv(_papers(*["06-02"] * 5), url="http://x/oai")
    assert _walk(fake) == [["00001", "00002"], ["00003", "00004"], ["00005"]]


def test_what_changed_last_comes_last_in_its_day(fake):
    fake.edit("2606.00004", day="2026-06-03", journal_ref="J")
    assert [r["id"][-5:] for r in fake.in_order()] == ["00001", "00002", "00003", "00005", "00004"]
    assert fake.find("2606.00004")["journal-ref"] == "J"


def test_a_withdrawn_paper_has_one_more_version_of_type_i(fake):
    fake.withdraw("2606.00001")
    paper = fake.find("2606.00001")
    assert [v.get("source_type") for v in paper["versions"]] == [None, "I"]
    assert paper["versions"][1]["created"] == "Thu, 02 Jul 2026 00:00:00 GMT"
    assert paper["datestamp"] == "2026-07-02"
    assert b"<source_type>I</source_type>" in fake.answer(
        "verb=GetRecord&metadataPrefix=arXivRaw&identifier=oai:arXiv.org:2606.00001"
    )


def test_a_new_paper_is_of_today_and_new(fake):
    fake.add(record("2607.00001"))
    assert fake.in_order()[-1]["datestamp"] == "2026-07-02"
    with pytest.raises(KeyError, match="already"):
        fake.add(record("2607.00001"))
    with pytest.raises(KeyError, match="no paper"):
        fake.edit("2607.00002")


def test_a_paper_that_loses_its_category_leaves_the_set(fake):
    fake.edit("2606.00002", categories="hep-th")
    assert _walk(fake, query=f"{FROM}&set=physics:astro-ph")[0] == ["00001", "00003"]
    assert ["00002"] in _walk(fake)


def test_a_token_ends_at_midnight(fake):
    fake.now = lambda: datetime(2026, 7, 2, 23, 59, 30, tzinfo=UTC)
    first = fake.answer(f"verb=ListRecords&{FROM}")
    assert b"expirationDate='2026-07-03T00:00:00Z'" in first
    token = fromstring(first).findtext(f".//{OAI}resumptionToken")
    resume = f"verb=ListRecords&resumptionToken={quote(token, safe='')}"
    fake.tick(29)
    assert _error(fake.answer(resume)) is None
    fake.to_tomorrow()
    assert fake.today() == "2026-07-03"
    assert _error(fake.answer(resume)) == "badResumptionToken"
    # A token is not looked up: one of another day, made elsewhere, is as good as any.
    elsewhere = resume.replace("2026-06-02", "2026-06-03")
    assert elsewhere != resume
    assert _error(fake.answer(elsewhere)) is None


def test_time_passes_for_everybody_where_the_clock_is_shared(fake):
    clock = FakeClock()
    fake.now, fake.advance = clock.clock, clock.sleep
    fake.to_tomorrow()
    assert clock.now == fake.moment() == datetime(2026, 7, 3, 0, 0, 1, tzinfo=UTC)


def test_the_future_is_a_bad_argument_and_a_quiet_day_is_none(fake):
    assert _error(fake.answer(f"verb=ListRecords&{FROM.replace('06-01', '07-03')}")) == (
        "badArgument"
    )
    assert _error(fake.answer(f"verb=ListRecords&{FROM.replace('06-01', '07-02')}")) == (
        "noRecordsMatch"
    )


def test_a_poisoned_paper_costs_its_page_and_not_its_header(fake):
    fake.poisoned = {"2606.00003"}
    get = "verb=GetRecord&metadataPrefix=arXivRaw&identifier=oai:arXiv.org:2606.0000"
    replies = [fake.reply(query) for query in (f"verb=ListRecords&{FROM}", f"{get}1", f"{get}3")]
    assert [reply.status for reply in replies] == [200, 200, 500]
    fake.per_page = 3
    assert fake.reply(f"verb=ListRecords&{FROM}").content_type == "text/html; charset=utf-8"
    assert fake.reply(f"verb=ListIdentifiers&{FROM}").status == 200
    fake.poisoned_headers = True
    assert fake.reply(f"verb=ListIdentifiers&{FROM}").status == 500


def test_what_is_wrong_with_a_paper_is_wrong_every_time(fake):
    fake.ill_formed, fake.control = {"2606.00001"}, {"2606.00002"}
    get = "verb=GetRecord&metadataPrefix=arXivRaw&identifier=oai:arXiv.org:2606.0000"
    for query in (f"verb=ListRecords&{FROM}", f"{get}1"):
        assert re.search(rb"<title>a <b [^<]*</title>", fake.answer(query))
    for query in (f"verb=ListRecords&{FROM}", f"{get}2"):
        assert b"\x0b</abstract>" in fake.answer(query)


def test_every_request_is_noted(fake):
    fake.faults = {2: busy("7")}
    with serving(fake), httpx.Client(headers={"User-Agent": "me"}) as client:
        first = client.get(f"{fake.url}?verb=Identify")
        second = client.post(fake.url, data={"verb": "ListSets"})
    assert (first.status_code, second.status_code, second.headers["Retry-After"]) == (200, 503, "7")
    assert fake.queries == ["verb=Identify", "verb=ListSets"]
    assert fake.user_agents == ["me", "me"]
    assert fake.arrivals == sorted(fake.arrivals)
    assert len(fake.arrivals) == 2
    assert fake.faults == {}
