"""A small Kaggle on loopback: the two calls kagglehub's client makes, and the store behind them.

Kaggle's API is asked by POST with JSON, names errors in JSON, and answers a download with a
redirect to a signed address of a store that knows ranges and tells the MD5 of what it keeps.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

API = "/v1/datasets.DatasetApiService/"
FILE = "arxiv-metadata-oai-snapshot.json"
SECRET = "X-Goog-Signature=0badc0ffee"


@dataclass
class FakeKaggle:
    """What is kept, what was asked, and how it misbehaves."""

    versions: dict[int, bytes]
    """Version -> the bytes of its file, zipped or not."""
    created: dict[int, str] = field(default_factory=dict)
    """Version -> when it was made, as the API writes it."""
    token: str = ""
    """The API token that is asked for; empty: none, as for a public data set."""
    url: str = ""
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Names of API calls and their arguments."""
    ranges: list[str | None] = field(default_factory=list)
    """The Range header of every request to the store that was not part of a redirect."""
    status: int = 0
    """What the API answers instead, if not 0."""
    body: bytes | None = None
    """What the API answers to everything, with status 200."""
    cut_after: int | None = None
    """Bytes after which the store breaks the connection, once."""
    knows_ranges: bool = True
    tells_md5: bool = True
    tells_etag: bool = True
    swapped: bytes | None = None
    """What the store sends instead of what it says it keeps."""
    store_status: int = 0
    """What the store answers to a range, if not 0."""


@contextmanager
def serving(fake: FakeKaggle) -> Iterator[FakeKaggle]:
    """Serve on a free loopback port; ``fake.url`` says where."""

    class Handler(_Handler):
        kaggle = fake

    server = _Server(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def reach(url: str, monkeypatch: pytest.MonkeyPatch, person: Path) -> None:
    """Have kagglehub's client ask ``url``, for a person who has no credentials yet."""
    from kagglesdk import kaggle_env

    for name in list(os.environ):
        if name.startswith("KAGGLE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(person))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(person / ".kaggle"))
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, url)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up: what the test sees is what they make of it."""


class _Handler(BaseHTTPRequestHandler):
    kaggle: FakeKaggle
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Answer an API call."""
        fake = self.kaggle
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = self.path.removeprefix(API)
        fake.calls.append((name, asked))
        if fake.body is not None:
            self._send(200, fake.body)
        elif fake.status:
            self._refuse(fake.status)
        elif fake.token and self.headers["Authorization"] != f"Bearer {fake.token}":
            self._refuse(401 if self.headers["Authorization"] else 403)
        elif (asked.get("ownerSlug"), asked.get("datasetSlug")) != ("Cornell-University", "arxiv"):
            self._refuse(404)
        elif name == "GetDataset":
            self._send(200, json.dumps(self._dataset()).encode())
        elif name == "DownloadDataset":
            self._redirect(asked)
        else:
            self._refuse(404)

    def _dataset(self) -> dict[str, Any]:
        fake = self.kaggle
        listed = [
            {"versionNumber": n} | ({"creationDate": fake.created[n]} if n in fake.created else {})
            for n in sorted(fake.versions, reverse=True)
        ]
        return {
            "id": 612177,
            "ref": "Cornell-University/arxiv",
            "title": "arXiv Dataset",
            "currentVersionNumber": max(fake.versions),
            "versions": listed,
        }

    def _redirect(self, asked: dict[str, Any]) -> None:
        version, data = asked.get("datasetVersionNumber"), b""
        if asked.get("fileName") == FILE and version in self.kaggle.versions:
            data = self.kaggle.versions[version]
        if not data:
            return self._refuse(404)
        ending = ".zip" if data[:2] == b"PK" else ""
        self.send_response(302)
        self.send_header("Location", f"{self.kaggle.url}/store/{version}/{FILE}{ending}?{SECRET}")
        self.send_header("Content-Length", "0")
        self.end_headers()
        return None

    def do_GET(self) -> None:
        """Answer from the store; the redirected call, which kagglehub's client makes, is whole."""
        fake = self.kaggle
        match = re.fullmatch(rf"/store/(\d+)/{re.escape(FILE)}(\.zip)?\?{SECRET}", self.path)
        if match is None:
            return self._refuse(403)
        data = fake.versions[int(match[1])]
        redirected = self.headers["User-Agent"].startswith("kagglehub/")
        asked = self.headers["Range"]
        if not redirected:
            fake.ranges.append(asked)
            if fake.store_status:
                return self._refuse(fake.store_status)
        sent = data if redirected or fake.swapped is None else fake.swapped
        begin = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if not fake.knows_ranges:
            begin = 0
        self.send_response(206 if begin else 200)
        self._describe(data)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(sent) - 1}/{len(sent)}")
        self.send_header("Content-Length", str(len(sent) - begin))
        self.end_headers()
        body = sent[begin:]
        if fake.cut_after is not None and not redirected:
            body, fake.cut_after = body[: fake.cut_after], None
            self.close_connection = True
        try:
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client only wanted the headers
        return None

    def _describe(self, data: bytes) -> None:
        digest = hashlib.md5(data, usedforsecurity=False).digest()
        hashes = ["crc32c=n03x6A=="]
        if self.kaggle.tells_md5:
            hashes.append(f"md5={base64.b64encode(digest).decode()}")
        self.send_header("x-goog-hash", ",".join(hashes))
        self.send_header("Accept-Ranges", "bytes")
        if self.kaggle.tells_etag:
            self.send_header("ETag", f'"{digest.hex()}"')

    def _refuse(self, status: int) -> None:
        self._send(status, json.dumps({"code": status, "message": "no\x1b[31m"}).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Kaggle-HubVersion", "99.0.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
