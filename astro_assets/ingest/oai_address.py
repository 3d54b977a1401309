"""The address of an OAI-PMH server: checked once, so that no odd one gets as far as a request.

Belongs here: what an address may look like, and which addresses are the same server. Does not
belong here: requests (``oai_http``).
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import httpx

from astro_assets.errors import BadSettingError

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?", re.ASCII)
_MAX_CHARACTERS = 1_000
_REFUSED = set(' "#%<>?@\\^`{|}')
"""No URL, no base URL (a query begins), or a password that would stand in every log."""


def server_of(base_url: str) -> str:
    """Return host and port of a base URL: equal for all addresses of one server.

    Raises:
        BadSettingError: it is no http(s) URL without a query, a user and a password.

    >>> server_of("https://OAIPMH.arxiv.org/oai")
    'oaipmh.arxiv.org:443'
    """
    server = _server(base_url)
    if server is None:
        shown = base_url.rpartition("@")[2]  # without a password
        raise BadSettingError(
            f"The OAI-PMH address cannot be {shown[:80]!r}.",
            expected="a base URL without user and query, as https://oaipmh.arxiv.org/oai.",
            do="Correct ASTRO_OAI_URL.",
        )
    return server


def _server(base_url: str) -> str | None:
    plain = base_url.isascii() and base_url.isprintable() and len(base_url) <= _MAX_CHARACTERS
    if not plain or set(base_url) & _REFUSED:
        return None
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname or "", parts.port
        _ = httpx.URL(base_url).host  # raises where it would raise when it is asked
    except (ValueError, httpx.InvalidURL):
        return None
    is_name = len(host) <= 253 and _HOST.fullmatch(host) is not None
    if parts.scheme not in _PORTS or port == 0 or not (is_name or ":" in host):
        return None
    return f"{host.removesuffix('.')}:{port or _PORTS[parts.scheme]}"
