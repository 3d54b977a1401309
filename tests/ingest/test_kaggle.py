"""The store of what Kaggle sends, with kagglehub's real client and a small Kaggle on loopback."""

import errno
import fcntl
import io
import zipfile
from contextlib import nullcontext

import pytest

from astro_assets.errors import (
    BadSettingError,
    BadSnapshotError,
    DamagedArtifactError,
    HomeTakenError,
)
from astro_assets.ingest import kaggle, kaggle_api
from astro_assets.ingest.kaggle import fetch, version_of
from astro_assets.progress import NO_PROGRESS
from tests.fakes.kaggle import FILE, FakeKaggle, reach, serving

requests = pytest.importorskip("requests", reason="the extra `kaggle` is missing")
pytest.importorskip("kagglehub", reason="the extra `kaggle` is missing")

PLAIN = b'{"id": "2307.00001"}\n' * 5_000


def _zipped(data):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:  # stored: large enough to be cut
        archive.writestr(zipfile.ZipInfo(FILE), data)
    return out.getvalue()


OLD, NEW = _zipped(PLAIN), _zipped(PLAIN * 2)


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setattr(kaggle, "_CHUNK_BYTES", 10_000)  # a cut costs what came of one chunk
    fake = FakeKaggle({200: OLD, 230: NEW}, created={230: "2026-07-05T06:07:08.123Z"})
    with serving(fake):
        reach(fake.url, monkeypatch, tmp_path / "person")
        yield fake


@pytest.fixture
def root(tmp_path):
    return tmp_path / "kaggle"


def _fetch(root, version=None, **options):
    return fetch(version, root, progress=NO_PROGRESS, **options)


def test_a_version_is_fetched_once_and_stays_zipped(server, root):
    held = _fetch(root, 200)
    assert held.path.read_bytes() == OLD
    assert held.path == root / "200" / f"{FILE}.zip"
    assert (held.version, held.created) == (200, None)
    assert [name for name, _ in server.calls] == ["GetDataset", "DownloadDataset"]
    assert _fetch(root, 200) == held
    assert len(server.calls) == 2
    assert sorted(p.name for p in held.path.parent.iterdir()) == [
        ".lock", "about.json", held.path.name,
    ]  # fmt: skip


def test_a_file_that_kaggle_does_not_zip_is_kept_as_it_comes(server, root):
    server.versions[201] = PLAIN
    held = _fetch(root, 201)
    assert (held.path.name, held.path.read_bytes()) == (FILE, PLAIN)


def test_unpinned_is_the_newest_and_then_the_one_this_home_took(server, root):
    held = _fetch(root)
    assert (held.version, held.created) == (230, "2026-07-05")
    server.versions[231] = OLD
    n_calls = len(server.calls)
    assert _fetch(root) == held
    assert len(server.calls) == n_calls


def test_pinning_another_version_does_not_move_the_unpinned_one(server, root):
    held = _fetch(root)
    assert _fetch(root, 200).version == 200
    assert _fetch(root) == held


def test_a_home_that_holds_a_pinned_version_still_asks_for_the_newest_once(server, root):
    _fetch(root, 200)
    assert _fetch(root).version == 230


def test_force_asks_for_a_newer_version_but_does_not_fetch_the_same_again(server, root):
    first = _fetch(root)
    assert _fetch(root, force=True) == first
    assert [name for name, _ in server.calls].count("DownloadDataset") == 1
    server.versions[231] = OLD
    assert _fetch(root, force=True).version == 231
    assert _fetch(root).version == 231


def test_force_fetches_again_what_changed_on_disk(server, root):
    held = _fetch(root, 200)
    held.path.write_bytes(b"X" * len(OLD))
    assert _fetch(root, 200, force=True).path.read_bytes() == OLD


def test_a_file_that_is_gone_or_short_is_fetched_again_as_the_same_version(server, root):
    held = _fetch(root)
    server.versions[231] = OLD
    held.path.unlink()
    assert _fetch(root) == held
    held.path.write_bytes(NEW[:-1])
    assert _fetch(root).path.read_bytes() == NEW


def test_a_shared_cache_takes_the_files_and_the_home_keeps_the_choice(
    server, root, tmp_path, monkeypatch
):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "shared"))
    held = _fetch(root)
    assert held.path == tmp_path / "shared" / "astro-assets" / "230" / f"{FILE}.zip"
    assert [p.name for p in root.iterdir()] == ["newest.json"]
    assert _fetch(tmp_path / "another home", 230) == held
    assert [name for name, _ in server.calls].count("DownloadDataset") == 1


@pytest.mark.parametrize("known_by", ["md5", "etag"])
def test_a_cut_download_goes_on_where_it_ended(server, root, known_by):
    server.tells_md5, server.tells_etag = known_by == "md5", known_by == "etag"
    server.cut_after = 40_000
    with pytest.raises(BadSnapshotError, match="connection failed"):
        _fetch(root)
    assert (root / "230" / ".part").stat().st_size == 40_000
    server.versions[231] = OLD  # what was begun is brought to its end
    assert _fetch(root).path.read_bytes() == NEW
    assert server.ranges == [None, "bytes=40000-"]


def test_progress_begins_where_the_download_goes_on(server, root):
    class Recorder:
        def task(self, name, *, total=None, unit=""):
            self.seen = [name, total, unit]
            return nullcontext(self)

        def advance(self, n, **figures):
            self.seen.append(n)

    server.cut_after = 40_000
    with pytest.raises(BadSnapshotError):
        _fetch(root)
    recorder = Recorder()
    fetch(None, root, progress=recorder)
    assert recorder.seen[:4] == ["download snapshot", len(NEW), "bytes", 40_000]
    assert sum(recorder.seen[3:]) == len(NEW)


def test_a_download_killed_before_its_last_step_is_not_fetched_again(server, root):
    held = _fetch(root, 200)
    with kaggle_api.connect() as api:
        offer = api.offer(200)
    part = root / "200" / ".part"
    (root / "200" / "about.json").unlink()
    held.path.rename(part)
    kaggle._write(
        part.with_name(".part.json"),
        {"n_bytes": offer.n_bytes, "md5": offer.md5, "etag": offer.etag},
    )
    asked = len(server.ranges)
    assert _fetch(root, 200).path.read_bytes() == OLD
    assert len(server.ranges) == asked


def test_a_server_without_ranges_sends_the_whole_and_it_is_not_appended(server, root):
    server.cut_after, server.knows_ranges = 40_000, False
    with pytest.raises(BadSnapshotError):
        _fetch(root)
    assert _fetch(root).path.read_bytes() == NEW


def test_pieces_of_different_files_are_never_joined(server, root):
    server.cut_after = 40_000
    with pytest.raises(BadSnapshotError):
        _fetch(root, 230)
    server.versions[230] = _zipped(PLAIN * 3)
    assert _fetch(root, 230).path.read_bytes() == _zipped(PLAIN * 3)
    assert server.ranges == [None, None]


def test_without_anything_that_tells_files_apart_nothing_is_continued(server, root):
    server.cut_after, server.tells_md5, server.tells_etag = 40_000, False, False
    with pytest.raises(BadSnapshotError):
        _fetch(root)
    assert _fetch(root).path.read_bytes() == NEW
    assert server.ranges == [None, None]


@pytest.mark.parametrize("sent", [OLD[:-1] + b"X", OLD + b"X"])
def test_other_bytes_than_promised_are_not_kept(server, root, sent):
    server.swapped = sent
    with pytest.raises(BadSnapshotError, match="starts afresh"):
        _fetch(root, 200)
    assert not (root / "200" / ".part").exists()
    server.swapped = None
    assert _fetch(root, 200).path.read_bytes() == OLD


def test_fewer_bytes_than_promised_are_kept_to_be_continued(server, root):
    server.swapped = OLD[:-9]
    with pytest.raises(BadSnapshotError, match=r"of 105,.* bytes .* came"):
        _fetch(root, 200)
    server.swapped = None
    assert _fetch(root, 200).path.read_bytes() == OLD
    assert server.ranges == [None, f"bytes={len(OLD) - 9}-"]


@pytest.mark.parametrize(
    ("status", "then"),
    [(code, "bytes=40000-") for code in (301, 403, 404, 429, 500, 503)]
    + [(206, None), (416, None)],
)
def test_what_the_store_answers_instead_is_not_appended(server, root, status, then):
    server.cut_after = 40_000
    with pytest.raises(BadSnapshotError):
        _fetch(root)
    server.store_status = status
    kept = "what has been fetched is kept" if then else "it starts afresh"
    with pytest.raises(BadSnapshotError, match=f"answered {status}.*") as raised:
        _fetch(root)
    assert kept in raised.value.do
    server.store_status = 0
    assert _fetch(root).path.read_bytes() == NEW
    assert server.ranges == [None, "bytes=40000-", then]


@pytest.mark.parametrize(
    ("headers", "continues"),
    [
        ({"Content-Range": "bytes 5-9/10", "ETag": '"a"'}, True),
        ({"Content-Range": "bytes 5-9/10"}, True),
        ({"Content-Range": "bytes 5-9/10", "ETag": '"b"'}, False),
        ({"Content-Range": "bytes 4-9/10", "ETag": '"a"'}, False),
        ({"Content-Range": "bytes 55-9/10"}, False),
        ({"ETag": '"a"'}, False),
    ],
)
def test_a_part_is_of_the_same_file_and_begins_where_ours_ends(headers, continues):
    answer = requests.Response()
    answer.headers.update(headers)
    offer = kaggle_api.Offer("https://example.org", 10, None, '"a"')
    assert kaggle._continues(answer, 5, offer) is continues
    assert not kaggle._continues(answer, 0, offer)


def test_a_forced_download_that_is_cut_leaves_the_held_version_in_use(server, root):
    held = _fetch(root)
    server.versions[231] = OLD
    server.cut_after = 40_000
    with pytest.raises(BadSnapshotError):
        _fetch(root, force=True)
    n_calls = len(server.calls)
    assert _fetch(root) == held
    assert len(server.calls) == n_calls
    assert _fetch(root, force=True).version == 231
    assert server.ranges[-1] == "bytes=40000-"
    assert _fetch(root).version == 231


def test_a_first_download_that_was_withdrawn_meanwhile_gives_way_to_the_newest(server, root):
    server.cut_after = 40_000
    with pytest.raises(BadSnapshotError):
        _fetch(root)
    del server.versions[230]
    assert _fetch(root).version == 200
    assert not (root / "begun.json").exists()


def test_a_note_that_finds_no_room_is_named(server, root, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(kaggle.atomic, "write_text", full)
    with pytest.raises(BadSnapshotError, match=r"begun\.json cannot be written: No space left"):
        _fetch(root)


def test_a_file_larger_than_any_snapshot_is_refused(server, root, monkeypatch):
    monkeypatch.setattr(kaggle, "_MAX_BYTES", 1_000)
    with pytest.raises(BadSnapshotError, match=r"has 105,.* bytes"):
        _fetch(root, 200)


def test_a_folder_that_cannot_be_written_to_is_told(server, root):
    (root / "200" / ".part").mkdir(parents=True)
    with pytest.raises(BadSnapshotError, match="cannot be written"):
        _fetch(root, 200)


def test_two_processes_do_not_fetch_one_version_at_once(server, root):
    (root / "200").mkdir(parents=True)
    with (root / "200" / ".lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(HomeTakenError):
            _fetch(root, 200)


def test_a_note_that_is_damaged_is_named(server, root):
    _fetch(root)
    (root / "newest.json").write_text("{")
    with pytest.raises(DamagedArtifactError, match=r"newest\.json"):
        _fetch(root)


@pytest.mark.parametrize(("source", "version"), [("kaggle", None), ("kaggle:1", 1)])
def test_a_source_names_its_version(source, version):
    assert version_of(source) == version


@pytest.mark.parametrize("source", ["kaggle:", "kaggle:0", "kaggle:-1", "kaggle:x", "kaggle:1.0",
                                    "kaggle:٣", "kaggle:9999999999"])  # fmt: skip
def test_a_source_without_a_usable_version_is_refused(source):
    with pytest.raises(BadSettingError, match=r"kaggle:VERSION"):
        version_of(source)
