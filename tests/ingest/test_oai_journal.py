import gzip

import pytest

from astro_assets.errors import DamagedArtifactError
from astro_assets.ingest.oai_journal import Beginning, Ending, Journal
from astro_assets.ingest.oai_xml import parse_page
from tests.fakes.arxiv_oai import FakeArxiv
from tests.ingest.harvesting import paper

BEGINNING = Beginning("2026-06", "2026-05-30", None, "2026-07-02T00:00:00+00:00")
ENDING = Ending(
    "2026-07-02T00:01:00+00:00", "2026-07-02T00:02:00+00:00", 3, "2026-06-30", ("2606.00009",)
)
QUERY = "verb=ListRecords&metadataPrefix=arXivRaw&from=2026-05-30"


def _pages(n):
    fake = FakeArxiv([paper(i, f"06-{i:02d}") for i in range(1, n + 1)], per_page=1)
    page, query = None, QUERY
    for _ in range(n):
        data = fake.answer(query)
        page = parse_page(data)
        yield query, data, page
        query = f"verb=ListRecords&resumptionToken={page.resumption_token}"


@pytest.fixture
def folder(tmp_path):
    """A harvest of three pages that came to its end."""
    journal = Journal.read(tmp_path / "w")
    journal.begin(BEGINNING)
    for query, data, page in _pages(3):
        journal.keep(data, page, request=query, at="2026-07-02T00:00:09+00:00")
    journal.note_audit(at="2026-07-02T00:01:00+00:00", n_listed=4, n_missing=1)
    journal.end(ENDING)
    return tmp_path / "w"


def _state(journal):
    return journal.beginning, journal.pages, journal.audits, journal.ending


def test_a_folder_without_a_journal_is_a_harvest_that_has_not_begun(tmp_path):
    journal = Journal.read(tmp_path / "none")
    assert _state(journal) == (None, [], [], None)
    assert not (tmp_path / "none").exists()


def test_what_was_written_is_read_again(folder):
    journal = Journal.read(folder)
    assert (journal.beginning, journal.ending) == (BEGINNING, ENDING)
    assert [kept.file for kept in journal.pages] == [f"page-0000{i}.xml.gz" for i in (1, 2, 3)]
    assert [kept.newest for kept in journal.pages] == ["2026-06-01", "2026-06-02", "2026-06-03"]
    assert journal.pages[0].request == QUERY
    assert journal.pages[2].next_token is None
    assert journal.audits == [{"at": "2026-07-02T00:01:00+00:00", "n_listed": 4, "n_missing": 1}]
    assert (journal.n_records, journal.is_whole()) == (3, True)


def test_a_page_is_kept_as_it_came(folder):
    data = next(_pages(3))[1]
    assert gzip.decompress((folder / "page-00001.xml.gz").read_bytes()) == data
    journal = Journal.read(folder)
    assert journal.read_page(journal.pages[0]) == parse_page(data)


def test_a_kill_at_any_byte_of_the_journal_leaves_a_journal(folder):
    """Cut at every byte: what is read is a beginning of the whole, and writing goes on from it."""
    whole = (folder / "journal.jsonl").read_bytes()
    full = Journal.read(folder)
    for n_bytes in range(len(whole)):
        (folder / "journal.jsonl").write_bytes(whole[:n_bytes])
        journal = Journal.read(folder)
        assert journal.pages == full.pages[: len(journal.pages)]
        journal.note_audit(at="now", n_listed=n_bytes, n_missing=0)
        again = Journal.read(folder)
        assert _state(again) == _state(journal)
        assert again.audits[-1]["n_listed"] == n_bytes


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_damaged_page_is_set_aside_and_costs_itself_alone(folder, number):
    name = f"page-0000{number}.xml.gz"
    (folder / name).write_bytes(b"damaged")
    damaged = Journal.read(folder)
    assert not damaged.is_whole()
    with pytest.raises(DamagedArtifactError, match=name):
        damaged.read_page(damaged.pages[number - 1])
    left = damaged.without_damage()
    assert [kept.file for kept in left.pages] == [
        kept.file for kept in damaged.pages if kept.file != name
    ]
    assert (left.beginning, left.ending, left.is_whole()) == (BEGINNING, None, True)
    assert _state(Journal.read(folder)) == _state(left)
    assert (folder / f"{name}.damaged").read_bytes() == b"damaged"


def test_a_new_page_takes_no_number_that_was_used(folder):
    before = {path.name: path.read_bytes() for path in folder.glob("page-*")}
    (folder / "page-00003.xml.gz").write_bytes(b"damaged")
    left = Journal.read(folder).without_damage()
    query, data, page = next(_pages(1))
    left.keep(data, page, request=query, at="2026-08-02T00:00:00+00:00")
    assert left.pages[-1].file == "page-00004.xml.gz"
    for name in ("page-00001.xml.gz", "page-00002.xml.gz"):
        assert (folder / name).read_bytes() == before[name]


def test_a_page_that_is_gone_is_forgotten(folder):
    (folder / "page-00002.xml.gz").unlink()
    left = Journal.read(folder).without_damage()
    assert [kept.file for kept in left.pages] == ["page-00001.xml.gz", "page-00003.xml.gz"]


def test_a_page_with_other_bytes_in_whole_gzip_is_damaged(folder):
    (folder / "page-00002.xml.gz").write_bytes(gzip.compress(b"another page"))
    journal = Journal.read(folder)
    with pytest.raises(DamagedArtifactError, match="its bytes changed"):
        journal.read_page(journal.pages[1])


@pytest.mark.parametrize(
    "line", [b"no json", b"[1]", b"{}", b'{"event": "page", "file": 1}', b'{"event": "end"}']
)
def test_a_whole_line_that_is_no_entry_is_damage(folder, line):
    path = folder / "journal.jsonl"
    path.write_bytes(line + b"\n" + path.read_bytes())
    with pytest.raises(DamagedArtifactError, match="cannot be used"):
        Journal.read(folder)
