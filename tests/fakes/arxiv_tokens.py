"""Resumption tokens as arXiv makes them: the whole request and an offset, percent-encoded.

A token holds no state of the server's: a day to begin from and how many records to skip. What was
edited between two pages therefore shifts the offset, and a record is passed over without a word.
"""

from __future__ import annotations

from urllib.parse import parse_qs, quote, unquote, urlencode


class TokenError(ValueError):
    """The text is no token; the message is the server's reason."""


def write_token(arguments: dict[str, str], skip: int) -> str:
    """Return the token for a request that goes on after ``skip`` records."""
    return quote(urlencode({**arguments, "skip": str(skip)}))


def read_token(text: str) -> tuple[dict[str, str], int]:
    """Return the arguments a token stands for, and how many records to skip.

    Raises:
        TokenError: it is none.
    """
    arguments = {name: values[0] for name, values in parse_qs(unquote(text)).items()}
    skip = arguments.pop("skip", "")
    if not (skip.isascii() and skip.isdigit()) or "verb" not in arguments:
        raise TokenError("Token decoding failed or format is invalid.")
    return arguments, int(skip)
