"""Two questions to Kaggle: which versions are there, and where do the bytes of one lie.

Belongs here: kagglehub's client (an optional extra, imported when it is needed) and naming what
goes wrong between it and Kaggle. Does not belong here: fetching and keeping (``kaggle``).

The arXiv data set is public, and kagglehub asks without credentials where it finds none. So they
are asked for only when Kaggle itself does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from astro_assets.errors import BadSettingError, BadSnapshotError

FILE = "arxiv-metadata-oai-snapshot.json"
TIMEOUT_SECONDS = (10.0, 60.0)
"""For a connection, and between two pieces of an answer."""
_OWNER, _DATASET = "Cornell-University", "arxiv"
_INSTALL = "pip install 'astro-assets[kaggle]'"
_TOKEN = (
    "Make an API token at kaggle.com/settings/api and set KAGGLE_API_TOKEN, or put it into "
    "~/.kaggle/access_token; KAGGLE_USERNAME with KAGGLE_KEY and ~/.kaggle/kaggle.json work too."
)


@dataclass(frozen=True)
class Versions:
    """What Kaggle tells about the data set's versions."""

    newest: int
    created: dict[int, str]
    """Version -> ISO day (UTC) it was made, for those whose day is told."""


@dataclass(frozen=True)
class Offer:
    """Where the file of one version lies and what is known of it before it is fetched."""

    url: str = field(repr=False)
    """Signed, for some hours: it is a key as much as an address, so it is never shown."""
    n_bytes: int | None
    md5: str | None
    """In base64."""
    etag: str | None


class Api:
    """Kaggle, asked through kagglehub's client."""

    def __init__(self, client: Any, *, signed_in: bool) -> None:
        """Ask through an open client; ``signed_in`` tells whether it sends credentials."""
        self._datasets = client.datasets.dataset_api_client
        self._signed_in = signed_in

    def versions(self) -> Versions:
        """Return the newest version's number, and when versions were made.

        Raises:
            BadSettingError: Kaggle wants (other) credentials.
            BadSnapshotError: it cannot be reached, or answers something else.
        """
        from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetRequest

        request = ApiGetDatasetRequest()
        request.owner_slug, request.dataset_slug = _OWNER, _DATASET
        with self._asking("the list of versions"):
            answer = self._datasets.get_dataset(request)
            newest = answer.current_version_number
            if type(newest) is not int or newest < 1:
                raise ValueError("no version number")
            created = {
                version.version_number: version.creation_date.date().isoformat()
                for version in answer.versions
                if version.creation_date is not None
            }
        return Versions(newest, created)

    def offer(self, version: int) -> Offer:
        """Return where the snapshot file of a version lies.

        Raises:
            BadSettingError: Kaggle wants (other) credentials.
            BadSnapshotError: no such version, it cannot be reached, or answers something else.
        """
        from kagglesdk.datasets.types.dataset_api_service import ApiDownloadDatasetRequest

        request = ApiDownloadDatasetRequest()
        request.owner_slug, request.dataset_slug = _OWNER, _DATASET
        request.dataset_version_number, request.file_name = version, FILE
        with self._asking(f"{FILE} of version {version}"):
            answer = self._datasets.download_dataset(request)
            with answer:  # its body is fetched in a request of our own: from where we have got to
                encoded = "Content-Encoding" in answer.headers  # then another length is told
                length = None if encoded else answer.headers.get("Content-Length")
                return Offer(
                    answer.url,
                    n_bytes=None if length is None else int(length),
                    md5=_md5(answer.headers.get("x-goog-hash", "")),
                    etag=answer.headers.get("ETag"),
                )

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Turn what kagglehub's client raises into named errors; addresses are kept out of them."""
        import requests

        # requests' own JSONDecodeError is a ValueError too
        unclear = (ValueError, TypeError, AttributeError, KeyError)
        try:
            yield
        except requests.HTTPError as error:
            raise self._refused(error.response, what) from None
        except unclear as error:
            raise BadSnapshotError(
                f"Kaggle was asked for {what}, and its answer cannot be understood "
                f"({type(error).__name__}).",
                expected="an answer in the form kagglehub's version 1 knows.",
                do=f"Try again later, or bring kagglehub up to date: {_INSTALL}.",
            ) from None
        except requests.RequestException as error:
            raise unreachable(error, what) from None

    def _refused(self, answer: Any, what: str) -> BadSettingError | BadSnapshotError:
        status, said = _status_of(answer)
        if status in {401, 403}:
            held = "the credentials it was sent" if self._signed_in else "no credentials"
            return BadSettingError(
                f"Kaggle does not give {what} to somebody with {held} ({status}{said}).",
                expected="credentials of an account that may read Cornell-University/arxiv.",
                do=_TOKEN,
            )
        if status == 404:
            return BadSnapshotError(
                f"Kaggle does not have {what} ({status}{said}).",
                expected="a version of kaggle.com/datasets/Cornell-University/arxiv.",
                do="Name one that exists, as in kaggle:200, or `kaggle` for the newest.",
            )
        return BadSnapshotError(
            f"Kaggle was asked for {what} and answered {status}{said}.",
            do="Run this again later; what has been fetched is kept.",
        )


@contextmanager
def connect() -> Iterator[Api]:
    """Open kagglehub's client, with the person's Kaggle credentials where there are any.

    Raises:
        BadSettingError: kagglehub is not installed, or the credentials cannot be read.
    """
    try:
        from kagglehub import clients, config
    except ImportError:
        raise BadSettingError(
            "The snapshot is to come from Kaggle, and kagglehub is not installed.",
            expected="the optional extra `kaggle`.",
            do=f"{_INSTALL}, or download the file by hand and give its path.",
        ) from None
    try:
        signed_in = config.get_kaggle_credentials() is not None
        client = clients.build_kaggle_client()
    except (ValueError, TypeError, OSError) as error:
        raise BadSettingError(
            f"Kaggle's credentials cannot be read: {str(error)[:200]}.",
            expected="KAGGLE_API_TOKEN, or the files in ~/.kaggle as Kaggle gives them.",
            do=_TOKEN,
        ) from error
    # It would print on standard output, which belongs to --json.
    clients.already_printed_version_warning = True
    with client:
        session = client.http_client()._session
        # Without a time-out of its own it would wait for ever for an answer that does not come.
        session.send = partial(session.send, timeout=TIMEOUT_SECONDS)
        yield Api(client, signed_in=signed_in)


def unreachable(error: Exception, what: str) -> BadSnapshotError:
    """Return the named error for a connection that failed; the error's text tells the address."""
    return BadSnapshotError(
        f"Kaggle was asked for {what}, and the connection failed ({type(error).__name__}).",
        expected="a connection that lasts.",
        do="Run this again: what has been fetched is kept, and the rest is fetched from there.",
    )


def _status_of(answer: Any) -> tuple[int, str]:
    """Return an error's status and, bounded and escaped, what the server says about it."""
    try:
        told = answer.json()
        status, said = int(told.get("code", answer.status_code)), str(told.get("message", ""))
    except (ValueError, TypeError, AttributeError):
        return int(answer.status_code), ""
    return status, f", {said[:200]!a}" if said else ""


def _md5(header: str) -> str | None:
    """Return the MD5 (base64) of ``crc32c=n03x6A==,md5=Ojk9c3dhfxgoKVVHYwFbHQ==``, if told."""
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        if name == "md5":
            return value
    return None
