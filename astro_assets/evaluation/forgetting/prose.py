"""Texts outside astronomy that a user gives, to see what was forgotten there.

A file is JSON Lines ``{"text", "title"}`` (the title may be missing), told by its name's end
``.jsonl`` or ``.ndjson``, or else plain text: paragraphs with blank lines between them. Files come
from outside: sizes are bounded and every line is checked before any is used.

What does not belong here: which of them are read, and scoring them (perplexity).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeGuard

from astro_assets.corpus.texts import clean_abstract
from astro_assets.errors import BadSettingError
from astro_assets.evaluation.samples import Sample

JSON_LINES = (".jsonl", ".ndjson")
_MAX_BYTES = 64 << 20
_MAX_TEXTS = 100_000
_MAX_CHARACTERS = 100_000
_MAX_TITLE = 500

Read = tuple[int, str, str]
"""Line number, title, text."""


def read_prose(path: Path) -> Sample:
    """Read a user's texts: cleaned as abstracts are, in the order of the file.

    Returns:
        Ids are ``prose-`` and the line a text begins on; a paragraph has no title.

    Raises:
        BadSettingError: missing, too large, not UTF-8, without a text, or a line is no text of the
            kind (its number is named).
    """
    content = _content(path)
    read = _json_lines if path.suffix.lower() in JSON_LINES else _paragraphs
    texts: list[Read] = []
    for number, title, text in read(path, content):
        if len(text) > _MAX_CHARACTERS:
            raise _bad_line(path, number, f"a text of {len(text):,} characters")
        cleaned = clean_abstract(text)
        if cleaned:
            texts.append((number, clean_abstract(title), cleaned))
        if len(texts) > _MAX_TEXTS:
            raise _bad_line(path, number, f"more than {_MAX_TEXTS:,} texts")
    if not texts:
        raise BadSettingError(f"{path} holds no text.", expected="one text at least.")
    return Sample(
        ids=tuple(f"prose-{number}" for number, _, _ in texts),
        titles=tuple(title for _, title, _ in texts),
        texts=tuple(text for _, _, text in texts),
    )


def _content(path: Path) -> str:
    if not path.is_file():
        raise BadSettingError(
            f"There is no file of prose {path}.", do="Give the path of a .jsonl or a plain text."
        )
    n_bytes = path.stat().st_size
    if n_bytes > _MAX_BYTES:
        raise BadSettingError(f"{path} has {n_bytes:,} bytes.", expected=f"at most {_MAX_BYTES:,}.")
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        number = 1 + data.count(b"\n", 0, error.start)
        raise BadSettingError(
            f"{path}, line {number}: not UTF-8 ({error.reason}).", do="Save the file as UTF-8."
        ) from None


def _json_lines(path: Path, content: str) -> Iterator[Read]:
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            try:
                fields = json.loads(line)
            except (ValueError, RecursionError):
                raise _bad_line(path, number, "not JSON") from None
            title, text = _checked(fields, path, number)
            yield number, title, text


def _checked(fields: Any, path: Path, number: int) -> tuple[str, str]:
    """Return title and text of a line's object."""
    if not isinstance(fields, dict):
        raise _bad_line(path, number, "not an object")
    title, text = fields.get("title") or "", fields.get("text")
    if not _is_text(text) or not text.strip():
        raise _bad_line(path, number, "no text")
    if not _is_text(title) or len(title) > _MAX_TITLE:
        raise _bad_line(path, number, f"a title that is no text of at most {_MAX_TITLE} characters")
    return title, text


def _is_text(value: Any) -> TypeGuard[str]:
    """Tell text that UTF-8 can hold; JSON may spell half a surrogate pair."""
    if not isinstance(value, str):
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _paragraphs(_path: Path, content: str) -> Iterator[Read]:
    lines: list[str] = []
    for number, line in enumerate([*content.split("\n"), ""], start=1):
        if line.strip():
            lines.append(line)
        elif lines:
            yield number - len(lines), "", "\n".join(lines)
            lines = []


def _bad_line(path: Path, number: int, why: str) -> BadSettingError:
    return BadSettingError(
        f"{path}, line {number}: {why}.",
        expected=f'{{"text": "…"}} on every line of a .jsonl file, or paragraphs with blank lines '
        f"between them; at most {_MAX_TEXTS:,} texts of at most {_MAX_CHARACTERS:,} characters.",
        do="Correct that line.",
    )
