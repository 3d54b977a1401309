import contextlib
import json
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_assets.errors import HarvestError
from astro_assets.ingest.oai_xml import Header, ProtocolError, parse_headers, parse_page
from astro_assets.ingest.records import Record, to_batch
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
    assert _as_snapshot(row) == {**expected, "update_date": "2008-11-26"}
    assert page.response_date == "2026-07-02T00:00:00Z"


def _as_snapshot(row):
    """Return a row without what only OAI-PMH tells."""
    assert row.pop("datestamp") == row["update_date"]
    assert row.pop("is_deleted") is False
    for version in row["versions"]:
        del version["source_type"]
    return row


def test_a_withdrawn_version_says_so():
    version = {"version": "v2", "created": "Mon, 3 Jul 2023 19:18:42 GMT", "source_type": "I"}
    page = parse_page(_list({**record(versions=[version]), "datestamp": "2026-07-01"}))
    assert page.records[0].versions[0].source_type == "I"


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


def test_deleted_records_have_an_id_and_a_day_and_broken_ones_are_counted():
    good = {**record("2607.00001"), "datestamp": "2026-07-01"}
    deleted = {"id": "2607.00002", "datestamp": "2026-07-01", "deleted": True}
    no_metadata = "<record><header><datestamp>2026-07-01</datestamp></header></record>"
    no_id = record_xml(good).replace("<id>2607.00001</id>", "<id> </id>")
    another_id = record_xml(good).replace("<id>2607.00001</id>", "<id>2607.00009</id>")
    no_day = record_xml(good).replace("2026-07-01", "soon")
    page = parse_page(
        _page(
            f"<ListRecords>{record_xml(good)}{record_xml(deleted)}{no_metadata}{no_id}"
            f"{another_id}{no_day}</ListRecords>"
        )
    )
    assert [r.id for r in page.records] == ["2607.00001", "2607.00002"]
    assert page.records[1] == Record(
        "2607.00002", update_date="2026-07-01", datestamp="2026-07-01", is_deleted=True
    )
    assert (page.n_deleted, page.n_broken) == (1, 4)


def test_a_record_without_versions_or_anything_but_an_id_is_a_record():
    bare = {**dict.fromkeys(record()), "id": "2607.00001", "datestamp": "2026-07-01"}
    page = parse_page(_list(bare))
    assert page.records == [
        Record("2607.00001", versions=[], update_date="2026-07-01", datestamp="2026-07-01")
    ]


@pytest.mark.parametrize("strict", [True, False])
def test_a_control_character_does_not_cost_the_page(strict):
    given = {**record(abstract="one\x0btwo\x00 &#1; \ufffe"), "datestamp": "2026-07-01"}
    page = parse_page(_list(given).replace(b"&amp;#1;", b"&#1;"), strict=strict)
    assert page.records[0].abstract == "onetwo  "
    assert page.n_repaired == 4


def _three_with_one_spoiled(piece):
    token = "<resumptionToken expirationDate='x'>more</resumptionToken>"
    given = [{**record(f"2607.0000{i}", title=f"t{i}"), "datestamp": "2026-07-01"} for i in "123"]
    return _list(*given, token=token).replace(b"<title>t2", b"<title>t2" + piece)


def test_an_ill_formed_record_costs_itself_alone():
    data = _three_with_one_spoiled(b"a <b ")
    page = parse_page(data)
    assert [r.id for r in page.records] == ["2607.00001", "2607.00003"]
    assert (page.n_broken, page.resumption_token) == (1, "more")
    assert page.response_date == "2026-07-02T00:00:00Z"
    with pytest.raises(HarvestError, match="no well-formed XML"):
        parse_page(data, strict=True)


def test_of_several_records_one_that_is_no_utf8_is_left_out():
    data = _three_with_one_spoiled(b"\xff\xfe\xe2")
    page = parse_page(data)
    assert [r.id for r in page.records] == ["2607.00001", "2607.00003"]
    assert (page.n_broken, page.n_repaired, page.resumption_token) == (1, 0, "more")
    with pytest.raises(HarvestError, match="no well-formed XML"):
        parse_page(data, strict=True)


def test_bytes_that_are_no_utf8_in_a_lone_record_become_a_sign_that_something_stood_there():
    data = _list({**record("2607.00002", title="t2"), "datestamp": "2026-07-01"})
    page = parse_page(data.replace(b"<title>t2", b"<title>t2\xff\xfe\xe2"))
    assert page.records[0].title == "t2\ufffd\ufffd\ufffd"
    assert (page.n_broken, page.n_repaired) == (0, 3)


def test_headers_have_ids_and_days():
    heads = (
        "<header><identifier>oai:arXiv.org:hep-th/9901002</identifier>"
        "<datestamp>2009-09-17</datestamp><setSpec>physics:hep-th</setSpec></header>"
    )
    token = "<resumptionToken>more</resumptionToken>"
    listed = parse_headers(_page(f"<ListIdentifiers>{heads}{token}</ListIdentifiers>"))
    assert listed.headers == [Header("hep-th/9901002", "2009-09-17")]
    assert (listed.resumption_token, listed.datestamps) == ("more", ["2009-09-17"])


@pytest.mark.parametrize("day", ["", "soon", "2026-13-01", "9999-12-31", "20260701"])
def test_a_list_of_headers_is_whole_or_refused(day):
    heads = f"<header><identifier>oai:arXiv.org:1</identifier><datestamp>{day}</datestamp></header>"
    with pytest.raises(HarvestError, match="no identifier of arXiv's, or no datestamp"):
        parse_headers(_page(f"<ListIdentifiers>{heads}</ListIdentifiers>"))


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
        (_page("<Identify/>"), "it has no ListRecords"),
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
        del one["authors_parsed"]
        assert _as_snapshot(row) == {k.replace("-", "_"): v for k, v in one.items()}
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
    assert page.n_repaired == 1


def test_every_recorded_list_of_identifiers_is_read_whole(shared):
    pages = sorted(_recorded(shared, "server").glob("ListIdentifiers_all_p*.xml"))
    ids = [h.id for path in pages for h in parse_headers(path.read_bytes()).headers]
    assert len(ids) == len(set(ids)) == 503


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.binary(max_size=400))
def test_no_bytes_at_all_crash_the_reader(data):
    for parse in (parse_page, parse_headers):
        for strict in (True, False):
            with contextlib.suppress(HarvestError):
                parse(data, strict=strict)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.data())
def test_no_damage_to_a_page_crashes_the_reader(data):
    page = bytearray(_list(*({**record(f"2607.0000{i}"), "datestamp": "2026-07-01"} for i in "12")))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(page)))
        piece = data.draw(st.sampled_from(PIECES) | st.binary(max_size=8))
        page[start : start + data.draw(st.integers(0, 60))] = piece
    for strict in (True, False):
        try:
            read = parse_page(bytes(page), strict=strict)
        except HarvestError:
            continue
        assert to_batch(read.records).num_rows == len(read.records)
        assert all(date.fromisoformat(day) for day in read.datestamps)


PIECES = [
    b"", b"<", b">", b"&", b"&#0;", b"&#xD800;", b"&#x110000;", b"&lol;", b"]]>", b"<![CDATA[",
    b"<!--", b"</record>", b"<record>", b"<header status='deleted'/>", b"<error code='x'/>",
    b"\xed\xa0\x80", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"<a>" * 2_000,
    b"<?xml version='1.0' encoding='utf-16'?>",
]  # fmt: skip


def test_entities_and_documents_from_elsewhere_are_refused():
    for declared in ('<!ENTITY a "b">', '<!ENTITY a SYSTEM "file:///etc/passwd">'):
        data = _page("<ListRecords>&a;</ListRecords>", start=f"<!DOCTYPE x [{declared}]>")
        with pytest.raises(HarvestError, match="entities or a document type"):
            parse_page(data)
