from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from xml.etree.ElementTree import ParseError, fromstring

import httpx
import pytest

from tests.builders import record
from tests.fakes import arxiv_faults as faults
from tests.fakes.arxiv_oai import FakeArxiv, serving

OAI = "{http://www.openarchives.org/OAI/2.0/}"
QUERY = "verb=ListRecords&metadataPrefix=arXivRaw"


@pytest.fixture
def fake():
    papers = [
        {**record("2606.00001"), "datestamp": "2026-06-01"},
        {**record("2606.00002"), "datestamp": "2026-06-02"},
    ]
    with serving(FakeArxiv(papers)) as fake:
        yield fake


def _get(fake, fault, query=QUERY, **options):
    fake.faults = {len(fake.queries) + 1: fault}
    return httpx.get(f"{fake.url}?{query}", **options)


def test_a_busy_server_says_when_in_both_forms(fake):
    answer = _get(fake, faults.busy("20", status=429))
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "20")
    answer = _get(fake, faults.busy_until(90))
    until = parsedate_to_datetime(answer.headers["Retry-After"])
    assert (answer.status_code, until) == (503, datetime(2026, 7, 2, 0, 1, 30, tzinfo=UTC))


def test_errors_and_web_pages_are_html(fake):
    error, page = _get(fake, faults.fail(500)), _get(fake, faults.html_with_200)
    assert (error.status_code, page.status_code) == (500, 200)
    assert error.headers["Content-Type"] == page.headers["Content-Type"]
    assert error.headers["Content-Type"] == "text/html; charset=utf-8"
    assert error.text.startswith("<!doctype html>")


def test_an_empty_body_and_a_wrong_type_come_with_200(fake):
    empty = _get(fake, faults.empty_body)
    assert (empty.status_code, empty.content) == (200, b"")
    wrong = _get(fake, faults.wrong_content_type("application/json"))
    assert wrong.headers["Content-Type"] == "application/json"
    assert wrong.content == fake.answer(QUERY)


def test_a_cut_page_is_noticed_by_the_client(fake):
    with pytest.raises(httpx.RemoteProtocolError):
        _get(fake, faults.cut)


def test_a_silently_truncated_page_is_only_ill_formed(fake):
    answer = _get(fake, faults.truncated_silently)
    assert "Content-Length" not in answer.headers
    assert fake.answer(QUERY).startswith(answer.content)
    with pytest.raises(ParseError):
        fromstring(answer.content)


def test_a_slow_page_runs_into_the_clients_limit(fake):
    with pytest.raises(httpx.ReadTimeout):
        _get(fake, faults.slow(), timeout=0.05)


def test_a_slow_page_ends_by_itself(fake):
    with pytest.raises(httpx.RemoteProtocolError):
        _get(fake, faults.slow(at_most_seconds=0.01))


def test_a_refusal_is_the_protocols(fake):
    error = fromstring(_get(fake, faults.refuse("noRecordsMatch")).content).find(f"{OAI}error")
    assert error.get("code") == "noRecordsMatch"
    assert error.text.endswith("results in an empty list.")


def test_a_token_is_refused_only_where_there_is_one(fake):
    assert _get(fake, faults.refuse_token).content == fake.answer(QUERY)
    refused = _get(fake, faults.refuse_token, "verb=ListRecords&resumptionToken=x")
    assert b"Token has expired" in refused.content


@pytest.mark.parametrize(
    ("fault", "piece"),
    [
        (faults.control_character(0x0B), b"\x0b"),
        (faults.control_reference(1), b"&#1;"),
        (faults.bad_utf8, b"\xe2\x28\xff"),
        (faults.wholly_ill_formed, b" a <b "),
    ],
)
@pytest.mark.parametrize("query", [QUERY, "verb=ListIdentifiers&metadataPrefix=arXivRaw"])
def test_an_ill_formed_page_is_right_but_for_one_piece(fake, fault, piece, query):
    body = _get(fake, fault, query).content
    with pytest.raises(ParseError):
        fromstring(body)
    assert body.count(piece) == 1
    assert body.replace(piece, b"") == fake.answer(query)


def test_a_page_with_a_document_type_declares_entities(fake):
    body = _get(fake, faults.document_type).content
    assert b"<!DOCTYPE" in body
    assert len(fromstring(body)[0].text) == 2000  # harmless where entities are expanded


@pytest.mark.parametrize(
    ("verb", "tag"), [("ListRecords", "record"), ("ListIdentifiers", "header")]
)
def test_a_duplicate_stands_twice_on_its_page(fake, verb, tag):
    query = f"verb={verb}&metadataPrefix=arXivRaw"
    root = fromstring(_get(fake, faults.duplicate, query).content)
    assert len(root.findall(f"{OAI}{verb}/{OAI}{tag}")) == 3


def test_a_change_is_made_before_the_answer(fake):
    answer = _get(fake, faults.then(lambda f: f.edit("2606.00001", title="another")))
    assert answer.content == fake.answer(QUERY)
    assert b"<title>another</title>" in answer.content
    assert [r["id"] for r in fake.in_order()] == ["2606.00002", "2606.00001"]


def test_a_change_may_come_with_another_fault(fake):
    answer = _get(fake, faults.then(faults.past_midnight, faults.fail(502)))
    assert answer.status_code == 502
    assert fake.today() == "2026-07-03"
