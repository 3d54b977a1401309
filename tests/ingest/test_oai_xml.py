import json

import pytest

from astro_assets.errors import HarvestError
from astro_assets.ingest.oai_xml import ProtocolError, parse_page
from astro_assets.ingest.records import to_batch
from tests.builders import record
from tests.fakes.arxiv_oai import error_page, record_xml


def _page(inside: str, *, start: str = "<?xml version='1.0' encoding='UTF-8'?>") -> bytes:
    return (
        f'{start}<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">'
        f"<responseDate>2026-07-02T00:00:00Z</responseDate>{inside}</OAI-PMH>"
    ).encode()


def _list(*records, token=""):
    return _page(f"<ListRecords>{''.join(record_xml(r) for r in records)}{token}</ListRecords>")


def test_a_record_comes_through_field_by_field():
    given = record("0704.0001", journal_ref="J <1> & 2")
    page = parse_page(_list({**given, "datestamp": "2008-11-26"}))
    (row,) = to_batch(page.records).to_pylist()
    expected = {k.replace("-", "_"): v for k, v in given.items() if k != "authors_parsed"}
    assert row == {**expected, "update_date": "2008-11-26", "datestamp": "2008-11-26"}
    assert page.response_date == "2026-07-02T00:00:00Z"


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("", None),
        ("<resumptionToken/>", None),
        ("<resumptionToken> </resumptionToken>", None),
        ("<resumptionToken expirationDate='x'>a%3Db</resumptionToken>", "a%3Db"),
    ],
)
def test_the_token_is_there_or_none(token, expected):
    given = {**record(), "datestamp": "2026-07-01"}
    assert parse_page(_list(given, token=token)).resumption_token == expected


def test_deleted_and_broken_records_are_counted():
    good = {**record("2607.00001"), "datestamp": "2026-07-01"}
    deleted = {"id": "2607.00002", "datestamp": "2026-07-01", "deleted": True}
    no_metadata = "<record><header><datestamp>2026-07-01</datestamp></header></record>"
    no_id = record_xml(good).replace("<id>2607.00001</id>", "<id> </id>")
    page = parse_page(
        _page(f"<ListRecords>{record_xml(good)}{record_xml(deleted)}{no_metadata}{no_id}"
              "</ListRecords>")
    )  # fmt: skip
    assert [r.id for r in page.records] == ["2607.00001"]
    assert (page.n_deleted, page.n_broken) == (1, 2)


def test_a_control_character_does_not_cost_the_page():
    given = {**record(abstract="one\x0btwo\x00"), "datestamp": "2026-07-01"}
    page = parse_page(_list(given))
    assert page.records[0].abstract == "onetwo"
    assert page.n_control_characters == 2


@pytest.mark.parametrize(
    "code", ["badArgument", "badResumptionToken", "noRecordsMatch", "badVerb", "never heard of"]
)
def test_a_protocol_error_has_its_code(code):
    with pytest.raises(ProtocolError, match=code) as caught:
        parse_page(error_page(code))
    assert caught.value.code == code


def test_an_empty_window_means_later():
    with pytest.raises(HarvestError, match="Try again later"):
        parse_page(error_page("noRecordsMatch"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no well-formed XML"),
        (b"<html><body>500</body></html>", "root element is 'html'"),
        (_list({**record(), "datestamp": "x"})[:-20], "no well-formed XML"),
        (b"<?xml version='1.0' encoding='klingon'?><a/>", "no well-formed XML"),
        (_page("<Identify/>"), "lists no records"),
        (
            _page("", start='<!DOCTYPE x [<!ENTITY a "b">]>'),
            "entities or a document type",
        ),
    ],
)
def test_what_is_no_page_is_refused(data, message):
    with pytest.raises(HarvestError, match=message):
        parse_page(data)


def _recorded(shared, name):
    path = shared / "oai" / name
    if not path.exists():
        pytest.skip(f"no {path}")
    return path


def test_the_real_page_gives_the_real_records(shared):
    page = parse_page(
        _recorded(shared, "ListRecords_arXivRaw_46001-47000_resumption.xml").read_bytes()
    )
    expected = _recorded(shared, "../data/kaggle_shape_arxivraw_1000.jsonl").read_text()
    given = [json.loads(line) for line in expected.splitlines()]
    assert len(page.records) == len(given) == 1_000
    for row, one in zip(to_batch(page.records).to_pylist(), given, strict=True):
        assert row.pop("datestamp") == row["update_date"]
        del one["authors_parsed"]
        assert row == {k.replace("-", "_"): v for k, v in one.items()}
    assert page.resumption_token == "496549|47001"
    assert page.response_date == "2014-01-16T10:33:29Z"


def test_every_recorded_list_of_the_real_server_is_read_whole(shared):
    index = _recorded(shared, "server/_index.jsonl").read_text().splitlines()
    lists = [
        entry
        for entry in map(json.loads, index)
        if entry["name"].startswith(("ListRecords_arXivRaw", "GetRecord_arXivRaw"))
    ]
    assert len(lists) >= 18
    for entry in lists:
        page = parse_page(_recorded(shared, f"server/{entry['name']}.xml").read_bytes())
        assert len(page.records) == entry["records"]
        assert (page.n_deleted, page.n_broken) == (0, 0)
        assert page.resumption_token == (entry.get("token") or None)
        assert all(r.categories and r.versions and r.datestamp for r in page.records)


NAMED_OTHERWISE = {"err_badVerb_repeated": "badArgument", "err_xml_injection": "idDoesNotExist"}


def test_every_recorded_error_of_the_real_server_is_named(shared):
    folder = _recorded(shared, "server")
    errors = sorted(folder.glob("err_*.xml"))
    assert len(errors) > 25
    for path in errors:
        with pytest.raises(ProtocolError) as caught:
            parse_page(path.read_bytes())
        assert caught.value.code == NAMED_OTHERWISE.get(path.stem, path.stem.split("_")[1])


def test_the_recorded_page_with_a_control_character_is_read(shared):
    page = parse_page(
        _recorded(shared, "server/GetRecord_control_char_not_wellformed.xml").read_bytes()
    )
    assert [r.id for r in page.records] == ["0901.0022"]
    assert page.n_control_characters == 1
