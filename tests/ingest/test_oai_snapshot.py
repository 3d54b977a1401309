import errno
import gzip
import json
from collections import Counter

import pytest

from astro_assets.artifacts import atomic
from astro_assets.errors import HarvestError
from astro_assets.ingest import oai_snapshot
from astro_assets.ingest.oai_held import held_harvest
from astro_assets.ingest.oai_journal import Journal
from astro_assets.ingest.oai_snapshot import finished, harvest_sample, harvest_snapshot
from astro_assets.progress import NO_PROGRESS
from tests.builders import record
from tests.fakes import arxiv_faults as faults
from tests.fakes.arxiv_oai import FakeArxiv, fail, refuse, serving
from tests.fakes.clock import FakeClock
from tests.ingest.harvesting import asking

N_SAMPLES = len(oai_snapshot.GENERAL_SETS) * len(oai_snapshot.GENERAL_FROM)


@pytest.fixture
def time():
    return FakeClock()


@pytest.fixture
def fake(time):
    """Serve seven astro papers, one of them cross-listed, and five of two other fields."""
    fields = [*6 * ["astro-ph.GA"], "astro-ph.CO hep-th", *3 * ["hep-th"], *2 * ["cs.LG"]]
    records = [
        {**record(f"2201.{i:05d}", categories=of), "datestamp": f"2022-07-{i:02d}"}
        for i, of in enumerate(fields, 1)
    ]
    with serving(FakeArxiv(records, per_page=3, now=time.clock)) as fake:
        yield fake


def _harvest(fake, folder, time):
    with asking(fake.url, folder.parent, time) as requester:
        return harvest_snapshot(folder, requester, progress=NO_PROGRESS)


def _ids(made):
    lines = gzip.decompress(made.path.read_bytes()).splitlines()
    return [json.loads(line)["id"] for line in lines]


def test_all_of_astro_and_a_page_of_each_other_field_and_day_make_a_snapshot(fake, tmp_path, time):
    made = _harvest(fake, tmp_path / "oai-2026-07-02", time)
    ids = _ids(made)
    # 00010 is the fourth of hep-th: bounded means that a page is enough
    assert set(ids) == {f"2201.{i:05d}" for i in range(1, 13) if i != 10}
    assert made.vintage == "2026-07-02"
    assert fake.queries[0] == (
        "verb=ListRecords&metadataPrefix=arXivRaw&from=2005-09-16&set=physics%3Aastro-ph"
    )
    samples = Counter(q for q in fake.queries if "ListRecords" in q and "astro-ph" not in q)
    assert len(samples) == N_SAMPLES
    # what is empty is asked for again: an error answer may be old
    assert Counter(samples.values()) == {1: 8, 3: N_SAMPLES - 8}
    assert finished(tmp_path / "oai-2026-07-02") == made


def test_lines_have_the_fields_of_a_snapshot(fake, tmp_path, time):
    made = _harvest(fake, tmp_path / "oai-2026-07-02", time)
    line = json.loads(gzip.decompress(made.path.read_bytes()).splitlines()[0])
    assert {"journal-ref", "report-no", "categories", "versions", "datestamp"} <= set(line)


@pytest.mark.parametrize("number", [2, 4, 6, 20])
def test_a_harvest_that_died_goes_on_and_gives_the_same(fake, tmp_path, time, number):
    fake.faults = {number: fail(403)}
    with pytest.raises(HarvestError, match="403"):
        _harvest(fake, tmp_path / "a", time)
    assert finished(tmp_path / "a") is None
    asked = len(fake.queries)
    made = _harvest(fake, tmp_path / "a", time)
    n_after = len(fake.queries) - asked
    fake.queries.clear()
    whole = _harvest(fake, tmp_path / "b", time)
    assert _ids(made) == _ids(whole)
    assert n_after < len(fake.queries)
    assert made.path.read_bytes()[:10] == whole.path.read_bytes()[:10]  # no time in the header


def test_a_page_of_the_sample_that_fails_in_two_calls_is_left_out_and_counted(fake, tmp_path, time):
    fake.poisoned = {"2201.00011"}  # the first of cs: each page of that set fails for good
    with pytest.raises(HarvestError, match="4 of 76 pages of the general sample"):
        _harvest(fake, tmp_path / "w", time)
    assert finished(tmp_path / "w") is None
    made = _harvest(fake, tmp_path / "w", time)
    assert "2201.00011" not in _ids(made) and "2201.00008" in _ids(made)
    assert made.counts["n_left_out"] == N_SAMPLES - 4


def test_a_page_of_the_sample_that_comes_in_the_next_call_is_kept(fake, tmp_path, time):
    fake.poisoned = {"2201.00011"}
    with pytest.raises(HarvestError):
        _harvest(fake, tmp_path / "w", time)
    fake.poisoned = set()
    made = _harvest(fake, tmp_path / "w", time)
    assert "2201.00011" in _ids(made)
    assert made.counts["n_left_out"] == N_SAMPLES - 8


def test_a_page_that_fails_for_the_first_time_is_asked_for_in_one_more_call(fake, tmp_path, time):
    fake.poisoned = {"2201.00011"}
    with pytest.raises(HarvestError):
        _harvest(fake, tmp_path / "w", time)
    folder = tmp_path / "w" / "general"
    note = (folder / "failed.txt").read_text().splitlines()
    assert len(note) == 4
    (folder / "failed.txt").write_text("\n".join(note[:1]))  # as if three had not failed yet
    with pytest.raises(HarvestError, match="3 of 76"):
        _harvest(fake, tmp_path / "w", time)
    assert (folder / "failed.txt").read_text().splitlines() == note
    assert _harvest(fake, tmp_path / "w", time).counts["n_left_out"] == N_SAMPLES - 4


def test_a_server_that_is_ill_costs_no_page_of_the_sample(fake, tmp_path, time):
    with asking(fake.url, tmp_path, time) as requester:
        fake.faults = dict.fromkeys(range(1, 9), fail(500))  # the page, and then Identify
        with pytest.raises(HarvestError, match="HTTP 500"):
            harvest_sample(tmp_path / "general", requester, progress=NO_PROGRESS)
    assert fake.queries[4:] == 4 * ["verb=Identify"]
    assert not (tmp_path / "general" / "failed.txt").exists()


def test_a_sample_page_that_an_old_answer_says_is_empty_is_had_all_the_same(fake, tmp_path, time):
    with asking(fake.url, tmp_path, time) as requester:
        fake.faults = dict.fromkeys((1, 2), refuse("noRecordsMatch"))
        harvest_sample(tmp_path / "general", requester, progress=NO_PROGRESS)
    (first, *_) = Journal.read(tmp_path / "general").pages
    assert first.request == fake.queries[0] == fake.queries[2]


def test_what_the_harvests_brought_is_counted(fake, tmp_path, time):
    fake.poisoned = {"2201.00005"}  # on the second page, and one by one
    made = _harvest(fake, tmp_path / "w", time)
    astro, general = (held_harvest(tmp_path / "w" / name) for name in ("astro-ph", "general"))
    assert made.counts == {
        **{name: astro.counts[name] + general.counts[name] for name in oai_snapshot._TOLD},
        "n_left_out": N_SAMPLES - 8,
    }
    assert made.counts["n_unreadable"] == 1
    assert made.counts["n_pages"] == sum(1 for _ in (tmp_path / "w").glob("*/page-*"))


@pytest.mark.parametrize("full", ["arxiv-oai.jsonl.gz", "failed.txt", "page-00002.xml.gz"])
def test_a_full_disk_is_named_and_the_harvest_goes_on(fake, tmp_path, time, monkeypatch, full):
    replacing = atomic.replacing

    def failing(path, **options):
        if path.name == full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return replacing(path, **options)

    monkeypatch.setattr(atomic, "replacing", failing)
    if full == "failed.txt":
        fake.poisoned = {"2201.00011"}
    with pytest.raises(HarvestError, match=r"cannot be written: No space left on device"):
        _harvest(fake, tmp_path / "w", time)
    monkeypatch.undo()
    fake.poisoned = set()
    assert len(_ids(_harvest(fake, tmp_path / "w", time))) >= 11


def test_without_any_general_page_there_is_no_snapshot(fake, tmp_path, time):
    del fake.records[7:]
    fake.records[6]["categories"] = "astro-ph.CO"
    with pytest.raises(HarvestError, match="no page of any field but astro-ph"):
        _harvest(fake, tmp_path / "w", time)
    assert finished(tmp_path / "w") is None


def test_the_vintage_is_the_day_nothing_is_missing_before(fake, tmp_path, time):
    fake.faults = {2: faults.then(lambda server: time.advance(86_400))}
    made = _harvest(fake, tmp_path / "w", time)
    assert made.vintage == "2026-07-03"
    assert Journal.read(tmp_path / "w" / "astro-ph").beginning.begun_at.startswith("2026-07-02")
