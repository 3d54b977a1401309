"""What one field may hold, of a recipe or a runtime: rules that read a value or refuse it.

Rules over several fields belong to ``recipe`` and ``runtime``. Nothing but the standard library is
imported: the trainer's image has no validation library.
"""

from __future__ import annotations

import math
import operator
import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from astro_assets.errors import BadSettingError

RULE = "rule"
"""Key of a field's rule in its metadata."""

Rule = Callable[[Any], Any]
"""Returns the value in the field's own type; raises ValueError with what is allowed."""


def real(
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
) -> Mapping[str, Rule]:
    """Return metadata of a number. YAML 1.1 reads 1e-3 as text: it is a number here.

    >>> real(above=0, most=1)["rule"]("1e-3")
    0.001
    """
    bounds: list[tuple[str, float | None, Callable[[float, float], bool]]] = [
        ("above", above, operator.gt),
        ("at least", least, operator.ge),
        ("below", below, operator.lt),
        ("at most", most, operator.le),
    ]
    held = [(words, bound, holds) for words, bound, holds in bounds if bound is not None]
    limits = " and ".join(f"{words} {bound}" for words, bound, _ in held)
    allowed = f"a finite number {limits}".strip()

    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(allowed)
        try:
            number = float(value)
        except (ValueError, OverflowError):
            raise ValueError(allowed) from None
        if not math.isfinite(number) or not all(holds(number, bound) for _, bound, holds in held):
            raise ValueError(allowed)
        return number

    return {RULE: read}


def whole(*, least: int, most: int | None = None) -> Mapping[str, Rule]:
    """Return metadata of a whole number; neither true nor 8.0 nor "8" is one."""
    allowed = f"a whole number of at least {least:,}" + (f" and at most {most:,}" if most else "")

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(allowed)
        if value < least or (most is not None and value > most):
            raise ValueError(allowed)
        return value

    return {RULE: read}


def choice(*values: Any) -> Mapping[str, Rule]:
    """Return metadata of a value out of a few; 1 is not true."""
    allowed = "one of " + ", ".join(_yaml_word(value) for value in values)

    def read(value: Any) -> Any:
        if any(value == one and type(value) is type(one) for one in values):
            return value
        raise ValueError(allowed if len(values) > 1 else _yaml_word(values[0]))

    return {RULE: read}


def matching(pattern: str, allowed: str) -> Mapping[str, Rule]:
    """Return metadata of a text that wholly matches ``pattern``."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or re.fullmatch(pattern, value) is None:
            raise ValueError(allowed)
        return value

    return {RULE: read}


def names() -> Mapping[str, Rule]:
    """Return metadata of a list of one or more different names."""
    allowed = "a list of one or more different names"

    def read(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list | tuple) or not value:
            raise ValueError(allowed)
        if not all(isinstance(one, str) and one for one in value) or len({*value}) < len(value):
            raise ValueError(allowed)
        return tuple(value)

    return {RULE: read}


def pair(each: Mapping[str, Rule]) -> Mapping[str, Rule]:
    """Return metadata of a list of two values under one rule."""

    def read(value: Any) -> tuple[Any, Any]:
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise ValueError("a list of two numbers")
        try:
            return (each[RULE](value[0]), each[RULE](value[1]))
        except ValueError as error:
            raise ValueError(f"a list of two numbers, each {error}") from None

    return {RULE: read}


def or_null(rule: Mapping[str, Rule]) -> Mapping[str, Rule]:
    """Return metadata of a field that may also be null."""

    def read(value: Any) -> Any:
        try:
            return None if value is None else rule[RULE](value)
        except ValueError as error:
            raise ValueError(f"{error}, or null") from None

    return {RULE: read}


def read_fields(owner: Any, *, do: str) -> None:
    """Put every field of a frozen dataclass into its own type, by the rule in its metadata.

    Raises:
        BadSettingError: a field's rule does not allow its value; ``do`` says where to mend it.
    """
    for field in fields(owner):
        value = getattr(owner, field.name)
        try:
            object.__setattr__(owner, field.name, field.metadata[RULE](value))
        except ValueError as error:
            raise refused_field(field.name, value, allowed=str(error), do=do) from None


def refused_field(name: str, value: Any, *, allowed: str, do: str) -> BadSettingError:
    """Return the error that names a field, what was found in it and what is allowed."""
    return BadSettingError(
        f"field {name!r} = {_shown(value)} cannot be used.", expected=f"{allowed}.", do=do
    )


def _shown(value: Any) -> str:
    """Return the beginning of a value; a nested one is not written out first."""
    if isinstance(value, str):
        return repr(value[:60])
    try:
        return repr(reprlib.repr(value)[:60])
    except ValueError:  # Python writes out no whole number of more than 4,300 digits
        return "a number of thousands of digits"


def _yaml_word(value: Any) -> str:
    """Return a value as one writes it in YAML."""
    return {None: "null", True: "true", False: "false"}.get(value, str(value))
