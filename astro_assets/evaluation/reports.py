"""One way to write a report: rounded numbers, their fingerprint, and the files beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from astro_assets.artifacts import fingerprint
from astro_assets.artifacts.manifest import Built

REPORT = "report.json"
SIGNIFICANT_DIGITS = 9
"""Beyond these, float32 sums differ with the number of threads."""


def rounded(value: Any) -> Any:
    """Return plain JSON values with every float at nine significant digits.

    >>> rounded({"nll": [0.123456789012, 3]})
    {'nll': [0.123456789, 3]}
    """
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    if isinstance(value, Mapping):
        return {str(name): rounded(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return value


def write_report(folder: Path, report: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``report.json`` into a folder under construction and return it as written.

    Raises:
        ValueError: a number is not finite; callers refuse those with a named error before.
    """
    plain: dict[str, Any] = rounded(report)
    text = json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / REPORT).write_text(text + "\n", encoding="utf-8")
    return plain


def built_report(out: Path, report: Mapping[str, Any], counts: Mapping[str, int]) -> Built:
    """Return what a finished report folder is: fingerprinted by its numbers, kept in the facts."""
    return Built(
        fingerprint=fingerprint.of_value(report),
        path=out,
        counts=dict(counts),
        files=fingerprint.of_folder(out),
        facts={"report": dict(report)},
    )
