r"""Which numbers a text holds, so that invented ones can be told from those a model was given.

A number is what is written in digits 0 to 9, by its value: ``1,000``, ``1{,}000`` and ``1000`` are
one number, and so are ``1.50`` and ``1.5``, ``10^{5}``, ``10$^5$``, ``1e5`` and ``100,000``, or
``3 \times 10^{5}`` and ``300000``. Years, page-like numbers, the number of a catalogue
(``NGC 1275``), both ends of a range and both bounds of an error ``5^{+1}_{-2}`` count. Signs of
numbers do not: a minus and a hyphen look alike.

No number is what belongs to a name or a unit: digits right after letters (``M31``, ``H2``,
``J0437-4715``), and an index or exponent of anything but a number (``s^{-1}``, ``M_{200}``,
``$^{12}$CO``). Spelled-out numbers are words.

What does not belong here: what is made of the numbers (measures).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_DECIMAL = (
    r"(?:(?:[0-9]{1,3}(?:(?:,|\{,\}|\\,)[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?"
    r"|(?<![0-9A-Za-z.])\.[0-9]+)"
)
_EXPONENT = r"[-−]?[0-9]{1,4}(?:\.[0-9]{1,4})?"
_BLANKS = r"(?:[\s~$]|\\[,;:! ]){0,6}"


def _power(name: str) -> str:
    """Return the pattern of an exponent on 10; ``^{+0.2}`` is the bound of an error instead."""
    return rf"(?:\$?\s?\^|\*\*)\s?(?:\{{\s?(?P<{name}b>{_EXPONENT})\s?\}}|(?P<{name}>{_EXPONENT}))"


_PIECE = re.compile(
    r"(?<![^\W\d_])(?<!\\)(?!x10\$?\^)[^\W\d_]+[0-9][A-Za-z0-9]*(?:[-+.][0-9]+[A-Za-z0-9]*)*"
    r"|[\^_]\s?(?P<index>\{(?:[^{}]|\{[^{}]{0,40}\}){0,60}\}|[-+−]?[0-9]+(?:\.[0-9]+)?)"
    rf"|(?P<mantissa>{_DECIMAL})(?:[eE](?P<e>[-+]?[0-9]{{1,4}})(?![0-9A-Za-z])"
    rf"|{_BLANKS}(?:\\times|\\cdot|×|·|[xX*]){_BLANKS}10{_power('p')})"
    rf"|(?<![0-9])10{_power('q')}"
    rf"|(?P<plain>{_DECIMAL})"
)
_PLAIN = re.compile(_DECIMAL)
_SEPARATORS = re.compile(r",|\{,\}|\\,")
_BETWEEN = frozenset({"", "$", "}", "}$", "$}"})
"""What may stand between a number and the bounds of its error."""


def numbers_of(text: str) -> list[str]:
    r"""Return every number of a text in its order, equal values as equal strings.

    >>> numbers_of("In 1999, 1,000 of M31's stars had 10^{3} (or 2.5) km s$^{-1}$.")
    ['1999', '1e3', '1e3', '25e-1']
    """
    return list(_numbers(text))


def _numbers(text: str) -> Iterator[str]:
    end_of_number = -1
    for piece in _PIECE.finditer(text):
        found = piece.groupdict()
        if found["index"] is not None:
            if end_of_number < 0 or text[end_of_number : piece.start()] not in _BETWEEN:
                continue
            yield from (_value(number) for number in _PLAIN.findall(found["index"]))
        elif power := found["qb"] or found["q"]:
            yield _value("1", power)
        elif found["mantissa"]:
            yield _value(found["mantissa"], found["e"] or found["pb"] or found["p"])
        elif found["plain"]:
            yield _value(found["plain"])
        else:
            continue
        end_of_number = piece.end()


def _value(number: str, power: str = "0") -> str:
    """Return digits and exponent, without zeros at either end: ``1,500`` is ``15e2``."""
    whole, _, part = _SEPARATORS.sub("", number).partition(".")
    digits = (whole + part).lstrip("0")
    if not digits:
        return "0"
    power, _, tenths = power.replace("−", "-").partition(".")
    shorter = digits.rstrip("0")
    exponent = int(power) - len(part) + len(digits) - len(shorter)
    tenths = tenths.rstrip("0")
    if tenths:  # 10^{10.5} is no decimal: kept as a factor of its own
        exponent -= int(power)
        shorter = f"{shorter}*10^{power}.{tenths}"
    return f"{shorter}e{exponent}" if exponent else shorter
