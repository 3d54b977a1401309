"""Values out of reports, which may be older than this code or lack a model: absent is None.

What does not belong here: how a value is written (``text``) and which are shown (the sections).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

MODELS = ("base", "tuned", "champion", "model")
"""The order models are shown in; others follow by name."""


def at(report: Any, *path: str) -> Any:
    """Walk down a report; None where a step is missing.

    >>> at({"a": {"b": 1}}, "a", "b"), at({"a": None}, "a", "b")
    (1, None)
    """
    found = report
    for step in path:
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def number_at(report: Any, *path: str) -> float | None:
    """Return a finite number of a report, or None for anything else there.

    >>> number_at({"a": 1}, "a"), number_at({"a": "1"}, "a"), number_at({"a": True}, "a")
    (1.0, None, None)
    """
    found = at(report, *path)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return float(found) if math.isfinite(found) else None


def interval_at(report: Any, *path: str) -> tuple[float, float] | None:
    """Return a ``[low, high]`` of a report, or None where there is no whole one."""
    found = at(report, *path)
    if not isinstance(found, list | tuple) or len(found) != 2:
        return None
    low, high = number_at({"": found[0]}, ""), number_at({"": found[1]}, "")
    return None if low is None or high is None else (low, high)


def ends_at(
    report: Any, *path: str, keys: tuple[str, str] = ("low", "high"), scale: float = 1.0
) -> tuple[float | None, float | None]:
    """Return the two ends of an interval that stand under keys of their own.

    >>> ends_at({"low": 0.1}, scale=10)
    (1.0, None)
    """
    low, high = (number_at(report, *path, key) for key in keys)
    return None if low is None else scale * low, None if high is None else scale * high


def in_order(labels: Iterable[str]) -> list[str]:
    """Return labels of models as they are shown.

    >>> in_order(["z", "tuned", "base"])
    ['base', 'tuned', 'z']
    """
    known = list(labels)
    return [name for name in MODELS if name in known] + sorted(set(known) - set(MODELS))


def measured(models: Any) -> list[str]:
    """Return the labels of a report's ``models`` that something was measured for."""
    return in_order(name for name, found in (models or {}).items() if found)
