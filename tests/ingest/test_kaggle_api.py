"""kagglehub's real client, asked through ours, against a small Kaggle on loopback."""

import logging
import re
import socket
import sys

import pytest

from astro_assets.errors import AstroError, BadSettingError, BadSnapshotError
from astro_assets.ingest import kaggle_api
from astro_assets.ingest.kaggle import fetch
from astro_assets.progress import NO_PROGRESS
from tests.fakes.kaggle import FILE, SECRET, FakeKaggle, reach, serving

pytest.importorskip("kagglehub", reason="the extra `kaggle` is missing")


@pytest.fixture
def server(monkeypatch, tmp_path):
    fake = FakeKaggle({200: b"PK old", 230: b"PK new"}, created={230: "2026-07-05T06:07:08.123Z"})
    with serving(fake):
        reach(fake.url, monkeypatch, tmp_path / "person")
        yield fake


@pytest.fixture
def root(tmp_path):
    return tmp_path / "kaggle"


def _fetch(root, version=None):
    return fetch(version, root, progress=NO_PROGRESS)


def test_versions_and_the_place_of_one_are_told(server):
    with kaggle_api.connect() as api:
        assert api.versions() == kaggle_api.Versions(230, {230: "2026-07-05"})
        offer = api.offer(200)
    assert (offer.n_bytes, offer.md5) == (6, "w+UUB0Zhp7IaHobxdzu0kg==")
    assert offer.url.startswith(f"{server.url}/store/200/{FILE}.zip?")


def test_credentials_are_asked_for_when_kaggle_asks_and_nothing_is_fetched(server, root):
    server.token = "KGAT_right"
    with pytest.raises(BadSettingError, match="no credentials") as raised:
        _fetch(root)
    assert "KAGGLE_API_TOKEN" in raised.value.do
    assert not server.ranges
    assert not root.exists()


def test_credentials_that_are_refused_are_told_from_missing_ones(server, root, monkeypatch):
    server.token = "KGAT_right"
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_wrong")
    with pytest.raises(BadSettingError, match=r"the credentials it was sent \(401") as raised:
        _fetch(root)
    assert "KGAT_wrong" not in str(raised.value)
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_right")
    assert _fetch(root).version == 230


def test_a_credentials_file_that_cannot_be_read_is_named(server, root, tmp_path):
    folder = tmp_path / "person" / ".kaggle"
    folder.mkdir(parents=True)
    (folder / "kaggle.json").write_text("{not json, key: s3cret")
    with pytest.raises(
        BadSettingError, match=r"credentials cannot be read.*kaggle\.json"
    ) as raised:
        _fetch(root)
    assert "s3cret" not in str(raised.value)
    assert not server.calls


def test_a_version_that_does_not_exist_is_told(server, root):
    with pytest.raises(BadSnapshotError, match=r"does not have .* of version 999"):
        _fetch(root, 999)


@pytest.mark.parametrize("status", [400, 429, 500, 503])
def test_an_answer_that_is_an_error_is_told_with_what_the_server_says(server, root, status):
    server.status = status
    with pytest.raises(BadSnapshotError, match=re.escape(rf"{status}, 'no\x1b[31m'")):
        _fetch(root)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"3", b'"x"', b"null", b"{}", b'{"currentVersionNumber": "7"}',
     b'{"currentVersionNumber": 0}', b'{"currentVersionNumber": true}', b'{"code": 500}',
     b'{"code": "x"}', b'{"currentVersionNumber": 3, "versions": 3}',
     b'{"currentVersionNumber": 3, "versions": [{"versionNumber": 3, "creationDate": "soon"}]}'],
)  # fmt: skip
def test_an_answer_that_is_nonsense_is_told(server, root, body):
    server.body = body
    with pytest.raises(BadSnapshotError):
        _fetch(root)
    assert not root.exists()


def test_a_kaggle_that_cannot_be_reached_is_told(root, monkeypatch, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    reach(url, monkeypatch, tmp_path)
    with pytest.raises(BadSnapshotError, match="connection failed"):
        _fetch(root)


def test_a_kaggle_that_never_answers_is_given_up(root, monkeypatch, tmp_path):
    monkeypatch.setattr(kaggle_api, "TIMEOUT_SECONDS", (0.05, 0.05))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        reach(url, monkeypatch, tmp_path)
        with pytest.raises(BadSnapshotError, match="ReadTimeout"):
            _fetch(root)


def test_the_signed_address_is_never_shown(server, root):
    server.cut_after = 1
    with pytest.raises(AstroError) as raised:
        _fetch(root)
    assert SECRET not in str(raised.value)
    with kaggle_api.connect() as api:
        offer = api.offer(230)
    assert SECRET in offer.url
    assert SECRET not in repr(offer)


def test_nothing_is_written_to_standard_output(server, root, monkeypatch, capfd):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_any")  # only then is the version compared
    _fetch(root)
    logging.getLogger("kagglehub").handlers[0].flush()
    assert capfd.readouterr().out == ""


def test_without_kagglehub_the_extra_is_named(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(BadSettingError) as raised:
        _fetch(root)
    assert "pip install 'astro-assets[kaggle]'" in raised.value.do


def test_the_fake_names_the_file_as_we_do():
    assert kaggle_api.FILE == FILE
