"""Mending a page of XML that is not well-formed, so that one paper does not cost the others.

arXiv's pages are now and then ill-formed, because a control character stands in an abstract.
Belongs here: taking out what XML does not allow, and cutting a page that stays ill-formed into its
records. Does not belong here: what a record says (``oai_xml``).
"""

from __future__ import annotations

import re

_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]")
_REFERENCE = re.compile(rb"&#(?:x([0-9a-fA-F]{1,8})|([0-9]{1,10}));")
_START, _STOP = b"<record>", b"</record>"
_TOKEN = re.compile(rb"<resumptionToken[^<>]*>([^<>]*)</resumptionToken>")
_RESPONSE_DATE = re.compile(rb"<responseDate>\s*([0-9TZ:.+-]{1,40})\s*</responseDate>")


def without_illegal_characters(data: bytes) -> tuple[bytes, int]:
    r"""Take out the characters XML 1.0 does not allow; return the rest and how many there were.

    They come raw or as a reference (``&#1;``).

    >>> without_illegal_characters(b"a\x0bb&#1;c&#65;")
    (b'abc&#65;', 2)
    """
    clean, n_raw = _CONTROL.subn(b"", data)
    n_references = 0

    def judged(match: re.Match[bytes]) -> bytes:
        nonlocal n_references
        if _is_legal(int(match[1], 16) if match[1] else int(match[2])):
            return match[0]
        n_references += 1
        return b""

    return _REFERENCE.sub(judged, clean), n_raw + n_references


def as_utf8(data: bytes) -> tuple[bytes, int]:
    r"""Put U+FFFD where bytes are no UTF-8; return the text and how often that was.

    >>> as_utf8(b"a\xffb")
    (b'a\xef\xbf\xbdb', 1)
    """
    text = data.decode(errors="replace")
    return text.encode(), text.count("\ufffd") - data.count("\ufffd".encode())


def records_of(data: bytes) -> list[bytes]:
    """Return the ``<record>`` elements of a page, told by their tags alone."""
    records, start = [], data.find(_START)
    while start >= 0:
        end = data.find(_STOP, start)
        if end < 0:
            break
        records.append(data[start : end + len(_STOP)])
        start = data.find(_START, end)
    return records


def token_of(data: bytes) -> str | None:
    """Return the resumption token in a page's text, or None where it has none or an empty one."""
    tokens = _TOKEN.findall(data)  # the last counts: it stands after the records
    return (tokens[-1].decode(errors="replace").strip() or None) if tokens else None


def response_date_of(data: bytes) -> str:
    """Return the response date in a page's text; empty where there is none."""
    match = _RESPONSE_DATE.search(data)
    return match[1].decode() if match else ""


def _is_legal(code: int) -> bool:
    """Tell whether XML 1.0 allows a character (production 2)."""
    return (
        code in (0x9, 0xA, 0xD)
        or 0x20 <= code <= 0xD7FF
        or 0xE000 <= code <= 0xFFFD
        or 0x10000 <= code <= 0x10FFFF
    )
