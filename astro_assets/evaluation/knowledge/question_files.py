"""Question files: four choices, one right; and the bundled ones about astronomy (astronomy.jsonl).

A file of one's own is JSON Lines ``{"question", "choices": [4], "answer": 0..3}`` or MMLU-style CSV
with the header question,choice0,choice1,choice2,choice3,answer. Files come from outside: sizes are
bounded and every line is checked before any is used. What does not belong here: asking them.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astro_assets.errors import BadSettingError

N_CHOICES = 4
BUNDLED = Path(__file__).parent / "questions" / "astronomy.jsonl"
_MAX_BYTES = 8 << 20
_MAX_QUESTIONS = 20_000
_MAX_CHARACTERS = 2_000
_LETTERS = "ABCD"


@dataclass(frozen=True)
class Question:
    """A question with four choices."""

    text: str
    choices: tuple[str, ...]
    answer: int
    """Index of the right choice."""


@dataclass(frozen=True)
class QuestionSet:
    """The questions of one file."""

    items: tuple[Question, ...]
    source: str
    """What reports call it."""
    digest: str
    """sha256 of the file's bytes."""


def load_questions(path: Path | None = None) -> QuestionSet:
    """Read a question file; None means the bundled one.

    Raises:
        BadSettingError: missing, too large, empty, or a line is no question (its number is named).
    """
    chosen = path or BUNDLED
    data = _read(chosen)
    items = tuple(_checked(fields, chosen, number) for number, fields in _records(data, chosen))
    if not 1 <= len(items) <= _MAX_QUESTIONS:
        raise BadSettingError(
            f"{chosen} holds {len(items):,} questions.", expected=f"1 to {_MAX_QUESTIONS:,}."
        )
    source = chosen.name[:80] if path else "60 bundled questions"
    return QuestionSet(items, source, hashlib.sha256(data.encode()).hexdigest())


def _read(path: Path) -> str:
    if not path.is_file():
        raise BadSettingError(
            f"There is no question file {path}.", do="Give the path of a .jsonl or .csv file."
        )
    n_bytes = path.stat().st_size
    if n_bytes > _MAX_BYTES:
        raise BadSettingError(f"{path} has {n_bytes:,} bytes.", expected=f"at most {_MAX_BYTES:,}.")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadSettingError(f"{path} is not UTF-8 ({error.reason}).") from None


def _records(text: str, path: Path) -> Iterator[tuple[int, Any]]:
    """Yield line number and raw fields (question, choices, answer) of every question."""
    if path.suffix == ".csv":
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        try:
            for row in reader:
                choices = [row.get(f"choice{i}") for i in range(N_CHOICES)]
                yield reader.line_num, {**row, "choices": choices}
        except csv.Error as error:
            raise _bad_line(path, reader.line_num, f"not CSV ({error})") from None
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError):
                raise _bad_line(path, number, "not JSON") from None


def _checked(fields: Any, path: Path, number: int) -> Question:
    if not isinstance(fields, dict):
        raise _bad_line(path, number, "not an object")
    text, choices, answer = (fields.get(name) for name in ("question", "choices", "answer"))
    if not _is_text(text):
        raise _bad_line(path, number, f"no question of 1 to {_MAX_CHARACTERS} characters")
    if (
        not isinstance(choices, list)
        or len(choices) != N_CHOICES
        or not all(map(_is_text, choices))
    ):
        raise _bad_line(path, number, f"not {N_CHOICES} choices of text")
    index = _answer_index(answer)
    if index is None:
        raise _bad_line(path, number, f"the answer is not one of 0 to {N_CHOICES - 1}")
    return Question(str(text).strip(), tuple(choice.strip() for choice in choices), index)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and len(value) <= _MAX_CHARACTERS


def _answer_index(answer: Any) -> int | None:
    """Return 0 to 3 for an index or a letter A to D, else None."""
    if isinstance(answer, str):
        answer = answer.strip()
        if answer in tuple(_LETTERS):
            return _LETTERS.index(answer)
        answer = int(answer) if answer in tuple("0123") else None
    if isinstance(answer, int) and not isinstance(answer, bool) and 0 <= answer < N_CHOICES:
        return answer
    return None


def _bad_line(path: Path, number: int, why: str) -> BadSettingError:
    return BadSettingError(
        f"{path}, line {number}: {why}.",
        expected='{"question": "…", "choices": ["…", "…", "…", "…"], "answer": 0}, or CSV '
        "with the header question,choice0,choice1,choice2,choice3,answer.",
        do="Correct that line.",
    )
