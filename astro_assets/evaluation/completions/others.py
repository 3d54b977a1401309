"""Completions of the same abstracts by models that do not run here: a file of the user's.

JSON Lines ``{"id": arXiv id, "completion": text, "model": name}``, the name optional. Files come
from outside: sizes are bounded and every line is checked before any is used. What does not belong
here: comparing the texts (measures, report).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from astro_assets.errors import BadSettingError

_MAX_BYTES = 32 << 20
_MAX_LINES = 20_000
_MAX_CHARACTERS = 20_000
"""Of one completion: 1,024 tokens are far shorter."""
_MAX_NAME = 80
_MAX_MODELS = 12
_MODEL = re.compile(r"\S(?:[^\x00-\x1f\x7f]*\S)?")
_PREFIX = re.compile(r"\Aarxiv:\s*", re.IGNORECASE)
_VERSION = re.compile(r"(?<=[0-9])v[0-9]{1,4}$")


@dataclass(frozen=True)
class OtherCompletions:
    """The completions of one file."""

    source: str
    """Name of the file, as reports call it."""
    texts: dict[str, dict[str, str]]
    """Name of a model -> arXiv id without version -> its completion."""

    def of(self, paper: str) -> dict[str, str]:
        """Return the completions of one paper by name of the model, in the file's order."""
        key = plain_id(paper)
        return {name: texts[key] for name, texts in self.texts.items() if key in texts}

    def counts(self, papers: Collection[str]) -> dict[str, Any]:
        """Return the file and how many of its completions are of these papers, and of others."""
        wanted = {plain_id(paper) for paper in papers}
        n_all = sum(map(len, self.texts.values()))
        n_matched = sum(len(wanted & texts.keys()) for texts in self.texts.values())
        return {"file": self.source, "n_matched": n_matched, "n_unmatched": n_all - n_matched}


def plain_id(paper: str) -> str:
    """Return an arXiv id without prefix and version.

    >>> plain_id("arXiv:0704.0044v2"), plain_id("astro-ph/9204001")
    ('0704.0044', 'astro-ph/9204001')
    """
    return _VERSION.sub("", _PREFIX.sub("", paper.strip()))


def is_text(value: Any, n_characters: int) -> TypeGuard[str]:
    r"""Tell whether a value is text of that length at most that UTF-8 can hold.

    JSON may spell half a surrogate pair, which no file can be written with.

    >>> is_text("star", 4), is_text("stars", 4), is_text("\ud800", 4), is_text(1, 4)
    (True, False, False, False)
    """
    return (
        isinstance(value, str)
        and len(value) <= n_characters
        and not any("\ud800" <= character <= "\udfff" for character in value)
    )


def load_others(path: Path, *, taken: Collection[str] = ()) -> OtherCompletions:
    """Read a file of completions.

    Args:
        path: The file.
        taken: Names that no model of it may have: those of our own writers.

    Raises:
        BadSettingError: missing, too large, empty, not UTF-8, or a line is no completion (its
            number is named).
    """
    texts: dict[str, dict[str, str]] = {}
    default = path.stem[:_MAX_NAME] or "other"
    for number, fields in _records(path):
        name, paper, completion = _checked(fields, path, number, default=default)
        if name in taken:
            raise _bad_line(path, number, f"a model is called {name!r} like one of our own")
        if paper in texts.setdefault(name, {}):
            raise _bad_line(path, number, "a second completion of that paper by that model")
        if len(texts) > _MAX_MODELS:
            raise _bad_line(path, number, f"more than {_MAX_MODELS} models")
        texts[name][paper] = completion
    if not texts:
        raise BadSettingError(f"{path} holds no completion.", expected="at least one line.")
    return OtherCompletions(path.name[:_MAX_NAME], texts)


def _records(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield line number and JSON value of every line that is not blank."""
    if not path.is_file():
        raise BadSettingError(
            f"There is no file of completions {path}.", do="Give the path of a .jsonl file."
        )
    with path.open("rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise BadSettingError(
            f"{path} has {path.stat().st_size:,} bytes.", expected=f"at most {_MAX_BYTES:,}."
        )
    try:
        lines = data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise BadSettingError(f"{path} is not UTF-8 ({error.reason}).") from None
    if len(lines) > _MAX_LINES:
        raise BadSettingError(f"{path} has {len(lines):,} lines.", expected=f"to {_MAX_LINES:,}.")
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError):
                raise _bad_line(path, number, "not JSON") from None


def _checked(fields: Any, path: Path, number: int, *, default: str) -> tuple[str, str, str]:
    """Return the model's name, the plain arXiv id and the text of one line."""
    if not isinstance(fields, dict):
        raise _bad_line(path, number, "not an object")
    paper, completion = fields.get("id"), fields.get("completion")
    name = fields.get("model", default)
    if not is_text(paper, _MAX_NAME) or not plain_id(paper):
        raise _bad_line(path, number, f"no id of 1 to {_MAX_NAME} characters")
    if not is_text(completion, _MAX_CHARACTERS):
        raise _bad_line(path, number, f"no completion of up to {_MAX_CHARACTERS:,} characters")
    if not is_text(name, _MAX_NAME) or not _MODEL.fullmatch(name):
        raise _bad_line(path, number, f"no model's name of 1 to {_MAX_NAME} characters")
    return name, plain_id(paper), completion.strip()


def _bad_line(path: Path, number: int, why: str) -> BadSettingError:
    return BadSettingError(
        f"{path}, line {number}: {why}.",
        expected='{"id": "0704.0044", "completion": "…", "model": "…"}, the model optional.',
        do="Correct that line.",
    )
