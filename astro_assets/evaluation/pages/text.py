"""Text and numbers for people: bounded, free of control characters, None as a dash.

Escaping is the template engine's work, always on; here text is only made harmless to *read*. What
does not belong here: markup.
"""

from __future__ import annotations

import math
import re
import unicodedata

NOTHING = "–"
"""What stands where there is no number."""

_BLANKS = re.compile(r"[^\S\u00a0\u202f]+")
"""All but those that must not be broken at."""
_NOT_ZERO = re.compile("[1-9]")
_MINUS = "\N{MINUS SIGN}"


def cleaned(text: object, n_characters: int) -> str:
    r"""Return a text on one line, without control or direction characters, bounded.

    >>> cleaned("a\x00b\n  c\u202e", 20)
    'a\ufffdb c\ufffd'
    >>> cleaned("abcdefgh", 3)
    'abc… (8 characters in all)'
    """
    whole = str(text)
    # Cut first: the rest of a very long text must not be walked through.
    line = _BLANKS.sub(" ", whole[: 4 * n_characters]).strip()
    line = "".join(_shown(character) for character in line)
    if len(line) <= n_characters and len(whole) <= 4 * n_characters:
        return line
    return f"{line[:n_characters].rstrip()}… ({len(whole):,} characters in all)"


def number(value: float | None, form: str = ",.4g") -> str:
    """Return a number in a format, with a real minus sign; a dash for None and NaN.

    What is rounded to zero has no sign.

    >>> number(-0.5), number(None), number(25745, ",d"), number(-0.0001, "+.3f")
    ('−0.5', '–', '25,745', '0.000')
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    told = format(value, form)
    if not _NOT_ZERO.search(told):
        told = told.lstrip("+-")
    return told.replace("-", _MINUS)


def perplexity(value: float | None) -> str:
    """Return a perplexity with as many decimals as are worth reading.

    >>> perplexity(6.5), perplexity(123.45), perplexity(2345.6)
    ('6.50', '123.5', '2,346')
    """
    if value is None:
        return NOTHING
    return number(value, ",.2f" if value < 100 else ",.1f" if value < 1000 else ",.0f")


def percent(share: float | None, form: str = "+.1%") -> str:
    """Return a share in percent with a thin space.

    >>> percent(-0.325)
    '−32.5\u202f%'
    """
    return number(share, form).replace("%", "\N{NARROW NO-BREAK SPACE}%")


def _shown(character: str) -> str:
    """Return a character, or the replacement character for one that cannot be seen."""
    if character == " " or not unicodedata.category(character).startswith("C"):
        return character
    return "\N{REPLACEMENT CHARACTER}"
