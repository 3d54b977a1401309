"""Question files: two to ten options, one right; and the bundled ones about astronomy.

A file of one's own is JSON Lines or CSV (see ``load_questions``). Files come from outside: sizes
are bounded and every line is checked before any is used. What does not belong here: asking them.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astro_assets.errors import BadSettingError
from astro_assets.evaluation.completions.others import is_text

LETTERS = "ABCDEFGHIJ"
MAX_OPTIONS = len(LETTERS)
BUNDLED = Path(__file__).parent / "questions" / "astronomy.jsonl"
_MAX_BYTES = 8 << 20
_MAX_QUESTIONS = 20_000
_MAX_CHARACTERS = 2_000
_COLUMNS = (tuple(f"choice{i}" for i in range(MAX_OPTIONS)), tuple(LETTERS))
"""How the options of a table may be called."""


@dataclass(frozen=True)
class Question:
    """A question with two to ten options."""

    text: str
    choices: tuple[str, ...]
    answer: int
    """Index of the right option."""


@dataclass(frozen=True)
class QuestionSet:
    """The questions of one file."""

    items: tuple[Question, ...]
    source: str
    """What reports call it."""
    digest: str
    """sha256 of the file's bytes."""
    examples: tuple[Question, ...] = ()
    """Questions that are marked as examples; they are never asked."""

    def parted(self, n_examples: int) -> tuple[tuple[Question, ...], tuple[Question, ...]]:
        """Return the fixed examples and the questions that are asked.

        Examples are the first marked ones; in a file that marks none, its first questions.

        Raises:
            BadSettingError: there are not so many examples, or no question is left.
        """
        if self.examples and n_examples > len(self.examples):
            raise BadSettingError(
                f"{n_examples} examples were asked of {self.source}.",
                expected=f"at most the {len(self.examples)} that it marks.",
            )
        if self.examples or not n_examples:
            return self.examples[:n_examples], self.items
        if n_examples >= len(self.items):
            raise BadSettingError(
                f"{self.source} holds {len(self.items)} questions, of which {n_examples} are to be "
                "examples.",
                expected="at least one more, to be asked.",
            )
        return self.items[:n_examples], self.items[n_examples:]


def load_questions(path: Path | None = None) -> QuestionSet:
    """Read a question file; None means the bundled one.

    - JSON Lines: ``{"question": "…", "choices": ["…", …], "answer": 0}``; ``options`` is another
      name of ``choices``, and so are fields A, B, C …; ``"example": true`` marks an example.
    - CSV: the header has question, answer, and choice0, choice1 … (MMLU) or A, B, C …; cells at the
      end of a row may be empty.

    The answer is an index from 0 or a letter.

    Raises:
        BadSettingError: missing, too large, empty, or a line is no question (its number is named).
    """
    chosen = path or BUNDLED
    data = _read(chosen)
    items: list[Question] = []
    examples: list[Question] = []
    for fields, number in _records(data, chosen):
        question, is_example = _checked(fields, chosen, number)
        (examples if is_example else items).append(question)
    if not 1 <= len(items) <= _MAX_QUESTIONS:
        raise BadSettingError(
            f"{chosen} holds {len(items):,} questions.", expected=f"1 to {_MAX_QUESTIONS:,}."
        )
    source = chosen.name[:80] if path else f"{len(items)} bundled questions"
    digest = hashlib.sha256(data.encode()).hexdigest()
    return QuestionSet(tuple(items), source, digest, tuple(examples))


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


def _records(text: str, path: Path) -> Iterator[tuple[Any, int]]:
    """Yield the raw fields and the line number of every question."""
    if path.suffix.lower() == ".csv":
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        try:
            for row in reader:
                yield row, reader.line_num
        except csv.Error as error:
            raise _bad_line(path, reader.line_num, f"not CSV ({error})") from None
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield json.loads(line), number
            except (ValueError, RecursionError):
                raise _bad_line(path, number, "not JSON") from None


def _checked(fields: Any, path: Path, number: int) -> tuple[Question, bool]:
    """Return a line's question, and whether it is marked as an example."""
    if not isinstance(fields, dict):
        raise _bad_line(path, number, "not an object")
    text, choices = fields.get("question"), _choices(fields)
    if not _is_text(text):
        raise _bad_line(path, number, f"no question of 1 to {_MAX_CHARACTERS} characters")
    if not (2 <= len(choices) <= MAX_OPTIONS and all(map(_is_text, choices))):
        raise _bad_line(path, number, f"not 2 to {MAX_OPTIONS} choices of text")
    index = _answer_index(fields.get("answer"), len(choices))
    if index is None:
        raise _bad_line(path, number, f"the answer is not one of 0 to {len(choices) - 1}")
    question = Question(str(text).strip(), tuple(choice.strip() for choice in choices), index)
    return question, fields.get("example") is True


def _choices(fields: Mapping[str, Any]) -> list[Any]:
    """Return a line's options however they are called; cells of a table end at the last filled."""
    for name in ("choices", "options"):
        if isinstance(fields.get(name), list):
            return list(fields[name])
    names = next((names for names in _COLUMNS if fields.get(names[0]) is not None), ())
    cells = [fields.get(name) for name in names]
    while cells and (cells[-1] is None or cells[-1] == ""):
        cells.pop()
    return cells


def _is_text(value: Any) -> bool:
    return is_text(value, _MAX_CHARACTERS) and bool(value.strip())


def _answer_index(answer: Any, n_choices: int) -> int | None:
    """Return the index that an index from 0 or a letter means, None where it is neither."""
    if isinstance(answer, str):
        answer = answer.strip()
        if answer in tuple(LETTERS[:n_choices]):
            return LETTERS.index(answer)
        answer = int(answer) if answer in tuple("0123456789") else None
    if isinstance(answer, int) and not isinstance(answer, bool) and 0 <= answer < n_choices:
        return answer
    return None


def _bad_line(path: Path, number: int, why: str) -> BadSettingError:
    return BadSettingError(
        f"{path}, line {number}: {why}.",
        expected='{"question": "…", "choices": ["…", "…"], "answer": 0}, or CSV with the header '
        "question,choice0,choice1,choice2,choice3,answer.",
        do="Correct that line.",
    )
