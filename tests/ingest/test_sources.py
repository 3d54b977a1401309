import pytest

from astro_assets.artifacts.fingerprint import of_file
from astro_assets.artifacts.home import Home
from astro_assets.errors import BadSettingError, BadSnapshotError, HarvestError
from astro_assets.ingest import sources
from astro_assets.ingest.kaggle import Held
from astro_assets.ingest.snapshot import inspect_snapshot, read_batches
from astro_assets.ingest.sources import locate_snapshot
from astro_assets.months import Month
from astro_assets.progress import NO_PROGRESS
from tests.builders import record, write_snapshot
from tests.fakes.arxiv_oai import FakeArxiv, fail, serving
from tests.fakes.clock import FakeClock
from tests.ingest.harvesting import asking

UNTIL = Month(2026, 6)


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


def _locate(source, home, **options):
    return locate_snapshot(str(source), home, until=UNTIL, progress=NO_PROGRESS, **options)


def test_a_file_is_located_without_being_read(tmp_path, home):
    path = write_snapshot(tmp_path / "a", [b"prose"], "jsonl")
    located = _locate(path, home)
    assert (located.path, located.source, located.origin) == (path, str(path), "file")
    assert (located.vintage, located.identity) == (None, {})
    assert located.stamp[0] == path.stat().st_size
    assert not home.root.exists()


def test_a_missing_file_is_refused(tmp_path, home):
    with pytest.raises(BadSnapshotError, match="There is no snapshot"):
        _locate(tmp_path / "nothing", home)


def test_a_zip_that_cannot_be_opened_is_refused(tmp_path, home):
    path = write_snapshot(tmp_path / "a", [b"prose"])
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(BadSnapshotError, match="cannot be read to its end"):
        _locate(path, home)


def test_kaggle_is_asked_for_the_version_named_and_says_what_it_gave(tmp_path, home, monkeypatch):
    path = write_snapshot(tmp_path / "a", [b"prose"])
    asked = []

    def fetch(version, root, *, progress, force):
        asked.append((version, root, force))
        return Held(path, version or 230, "2026-06-28" if version is None else None)

    monkeypatch.setattr(sources.kaggle, "fetch", fetch)
    newest, named = _locate("kaggle", home, force=True), _locate("kaggle:200", home)
    folder = home.snapshots / "kaggle"
    assert asked == [(None, folder, True), (200, folder, False)]
    assert (newest.origin, newest.vintage) == ("kaggle", ("2026-06-28", "kaggle"))
    assert (newest.identity, named.identity) == ({"kaggle_version": 230}, {"kaggle_version": 200})
    assert named.vintage is None


def test_a_kaggle_version_that_is_no_number_is_refused(home):
    with pytest.raises(BadSettingError, match="kaggle:newest"):
        _locate("kaggle:newest", home)


@pytest.mark.parametrize(
    "source", ["synthetic", "synthetic:", "synthetic:0", "synthetic:-5", "synthetic:x",
               "synthetic:1e3", "synthetic:٣", "synthetic:²", "synthetic:999999999999"]
)  # fmt: skip
def test_a_generator_without_a_usable_number_is_refused(home, source):
    with pytest.raises(BadSettingError, match="snapshot cannot be"):
        _locate(source, home)


def test_a_generator_asked_for_more_than_ids_can_number_says_how_many(home):
    with pytest.raises(BadSettingError, match="1 to 5,999,940"):
        _locate("synthetic:6000000", home)


def test_a_generated_snapshot_is_the_same_in_two_homes(tmp_path):
    one, two = (_locate("synthetic:70", Home(tmp_path / name)) for name in ("one", "two"))
    assert of_file(one.path) == of_file(two.path)
    assert (one.origin, one.vintage) == ("synthetic", ("2026-07-01", "generator"))
    assert one.path.name == "synthetic-70-2026-06.zip"
    assert sum(b.num_rows for b in read_batches(one.path, progress=NO_PROGRESS)) == 70


def test_a_good_generated_snapshot_is_used_again_and_a_bad_one_written_again(home):
    path = _locate("synthetic:70", home).path
    first, digest = path.stat().st_mtime_ns, of_file(path)
    _locate("synthetic:70", home)
    assert path.stat().st_mtime_ns == first
    path.write_bytes(path.read_bytes()[:-100])
    assert of_file(_locate("synthetic:70", home).path) == digest


def test_a_file_of_another_generator_is_written_again(home, monkeypatch):
    digest = of_file(_locate("synthetic:70", home).path)
    monkeypatch.setattr(sources.synthetic, "GENERATOR_VERSION", "another")
    assert of_file(_locate("synthetic:70", home).path) != digest  # its comment says so


@pytest.fixture
def time():
    return FakeClock()


@pytest.fixture
def arxiv(time):
    papers = [
        {**record(f"2201.{i:05d}", categories=of), "datestamp": f"2022-07-{i:02d}"}
        for i, of in enumerate(["astro-ph.GA", "astro-ph.CO", "hep-th"], 1)
    ]
    with serving(FakeArxiv(papers, now=time.clock)) as fake:
        yield fake


def test_oai_is_harvested_once_and_anew_only_when_forced(tmp_path, home, arxiv, time):
    def locate(**options):
        return _locate("oai", home, server=lambda: asking(arxiv.url, tmp_path, time), **options)

    first = locate()
    assert (first.origin, first.vintage) == ("oai", ("2026-07-02", "harvest"))
    assert first.path == home.snapshots / "oai-2026-07-02" / "arxiv-oai.jsonl.gz"
    records = [
        i for b in read_batches(first.path, progress=NO_PROGRESS) for i in b["id"].to_pylist()
    ]
    assert set(records) == {"2201.00001", "2201.00002", "2201.00003"}
    n_asked = len(arxiv.queries)
    assert locate() == first and len(arxiv.queries) == n_asked
    time.advance(86_400)
    assert locate(force=True).path.parent.name == "oai-2026-07-03"
    assert locate().path.parent.name == "oai-2026-07-03"
    assert first.path.is_file()  # releases are bound to it


def test_a_harvest_that_died_is_gone_on_with_on_another_day(tmp_path, home, arxiv, time):
    def locate():
        return _locate("oai", home, server=lambda: asking(arxiv.url, tmp_path, time))

    arxiv.faults = {9: fail(403)}
    with pytest.raises(HarvestError, match="403"):
        locate()
    time.advance(2 * 86_400)
    assert locate().path.parent.name == "oai-2026-07-02"
    firsts = [q for q in arxiv.queries if "from=2005-09-16" in q and "ListRecords" in q]
    assert len(firsts) == 1


def test_a_forced_harvest_that_fails_leaves_the_held_snapshot_in_use(tmp_path, home, arxiv, time):
    def locate(**options):
        return _locate("oai", home, server=lambda: asking(arxiv.url, tmp_path, time), **options)

    held = locate()
    time.advance(86_400)
    n_asked = len(arxiv.queries)
    arxiv.faults = {n_asked + 9: fail(403)}
    with pytest.raises(HarvestError, match="403"):
        locate(force=True)
    n_asked = len(arxiv.queries)
    assert _locate("oai", home) == held  # nobody is asked
    time.advance(86_400)
    again = locate(force=True)
    assert again.path.parent.name == "oai-2026-07-03"  # it went on with what was begun
    assert not [q for q in arxiv.queries[n_asked:] if "from=2005-09-16" in q and "Records" in q]
    assert locate() == again


def test_a_harvested_snapshot_tells_what_came_and_is_the_same_by_it(tmp_path, home, arxiv, time):
    located = _locate("oai", home, server=lambda: asking(arxiv.url, tmp_path, time))
    assert located.identity == {}
    assert located.told["n_left_out"] == 72 and located.told["n_unreadable"] == 0
    built = inspect_snapshot(located, sha256="0f", today=time.now.date(), progress=NO_PROGRESS)
    assert built.counts.items() >= located.told.items()


def test_oai_without_a_server_is_refused(home):
    with pytest.raises(BadSettingError, match="no server was named"):
        _locate("oai", home)
