import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_assets.errors import BadSettingError
from astro_assets.ingest.oai_address import server_of


@pytest.mark.parametrize(
    ("address", "server"),
    [
        ("https://oaipmh.arxiv.org/oai", "oaipmh.arxiv.org:443"),
        ("HTTPS://OAIPMH.arXiv.org:443/oai/", "oaipmh.arxiv.org:443"),
        ("http://oaipmh.arxiv.org./oai", "oaipmh.arxiv.org:80"),
        ("http://127.0.0.1:8077/oai", "127.0.0.1:8077"),
        ("http://[::1]:8077/oai", "::1:8077"),
        ("http://a_service/oai", "a_service:80"),
    ],
)
def test_addresses_of_one_server_are_one_server(address, server):
    assert server_of(address) == server


@pytest.mark.parametrize(
    "address",
    ["", "oai", "ftp://x/oai", "file:///etc/passwd", "http://", "http:///oai", "http://:80/oai",
     "http://x/oai?verb=a", "http://x/oai#a", "http://[::1/oai", "http://[v1.a]/oai",
     "http://[fe80::1%25eth0]/oai", "http://127.0.0.1:99999/oai", "http://127.0.0.1:x/oai",
     "http://127.0.0.1:0/oai", "http://999.1.1.1/oai", "http://\u00e9/oai", "http://a\x00b/oai",
     "http://a b/oai", "http://a..b/oai", f"http://{'a' * 64}.org/oai", "http://xn--a/oai",
     f"http://{'a.' * 130}org/oai", f"http://x/{'a' * 1_000}"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(BadSettingError, match="address"):
        server_of(address)


def test_a_password_is_refused_and_not_shown():
    with pytest.raises(BadSettingError) as raised:
        server_of("http://user:s3cret@example.org/oai")
    assert "s3cret" not in str(raised.value)


_PIECES = st.sampled_from(
    [*"ab.:/%[]-_~!0189", "xn--", "::1", "127.0.0.1", "%41", "http:", "//", "\\", "\x7f", "\u0660"]
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(_PIECES, max_size=9).map("".join))
def test_what_is_let_through_can_be_asked(rest):
    address = f"http://{rest}"
    try:
        server_of(address)
    except BadSettingError:
        return
    url = httpx.Request("GET", f"{address}?verb=Identify").url
    assert url.host.encode("idna")  # what is asked of the resolver
    assert url.query == b"verb=Identify"
