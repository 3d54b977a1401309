"""A written grammar: rules of phrases with slots, expanded to text by a seeded draw.

The phrases lie beside this file in ``phrases/*.txt``: a line ``[rule]`` opens a rule, every line
below it up to a blank one is a phrase, ``# `` starts a comment, ``name: …`` before the first rule
is a note. (A line that starts with two blanks goes on the phrase above it, as arXiv's comments do.)
Slots of a phrase:

- ``<rule>`` any phrase of that rule; within one text, one not used yet where there is one;
- ``<=rule>`` the same phrase every time within one text, so that a text keeps to its subject;
- ``<n:2:40>`` a whole number of that range, both ends included; ``<x:0.5:2.0>`` a decimal one.

Belongs here: reading and expanding rules. Does not belong here: what a paper consists of
(``synthetic``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

FOLDER = Path(__file__).parent / "phrases"
_SLOT = re.compile(r"<(?:(=?)([a-z_]+)|([nx]):([\d.]+):([\d.]+))>")
_ARTICLE = re.compile(r"\b([Aa]) (?=8|1[18]\b|[aeio](?!ne\b|ne-|u)|u(?!ni|s))")
_N_TRIES = 4


@dataclass(frozen=True)
class Slot:
    """A phrase of another rule."""

    rule: str
    kept: bool
    """Whether the text keeps to the first phrase drawn."""


@dataclass(frozen=True)
class Number:
    """A number of a range, with as many decimals as its bounds are written with."""

    low: float
    span: float
    n_decimals: int


Phrase = tuple[str | Slot | Number, ...]


@dataclass(frozen=True)
class Phrases:
    """One file of the grammar."""

    notes: Mapping[str, tuple[str, ...]]
    """The words after ``name:``."""
    rules: Mapping[str, tuple[Phrase, ...]]

    def over(self, shared: Phrases) -> Phrases:
        """Return these phrases together with shared ones: rules of one name are joined."""
        names = {*self.rules, *shared.rules}
        joined = {
            name: self.rules.get(name, ()) + shared.rules.get(name, ()) for name in sorted(names)
        }
        return Phrases(self.notes, joined)


@cache
def load(name: str) -> Phrases:
    """Read ``phrases/<name>.txt``."""
    notes: dict[str, tuple[str, ...]] = {}
    rules: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("[") and line.endswith("]"):
            lines = rules.setdefault(line[1:-1], [])
        elif line.startswith("  ") and lines:
            lines[-1] += "\n" + line
        elif not rules and ": " in line and not line.startswith("#"):
            key, words = line.split(": ", 1)
            notes[key] = tuple(words.split())
        elif line and not line.startswith("# "):
            lines.append(line)
    return Phrases(notes, {rule: tuple(map(_compile, made)) for rule, made in rules.items()})


def _compile(line: str) -> Phrase:
    parts: list[str | Slot | Number] = []
    end = 0
    for match in _SLOT.finditer(line):
        if match.start() > end:
            parts.append(line[end : match.start()])
        end = match.end()
        if match[2]:
            parts.append(Slot(match[2], kept=bool(match[1])))
        else:
            parts.append(_number(match[3], match[4], match[5]))
    if end < len(line):
        parts.append(line[end:])
    return tuple(parts)


def _number(kind: str, low: str, high: str) -> Number:
    if kind == "n":
        return Number(int(low), int(high) - int(low) + 1, 0)
    return Number(float(low), float(high) - float(low), len(low.partition(".")[2]))


class Text:
    """One text under way: remembers its subject and the phrases it has used."""

    def __init__(self, phrases: Phrases, random: Random, **kept: str) -> None:
        """Draw from ``random``; ``kept`` gives the phrases of ``<=name>`` slots from outside.

        Only ``random.random()`` is drawn from: its values are the same in every Python.
        """
        self._rules, self._draw = phrases.rules, random.random
        self._kept = kept
        self._used: set[int] = set()

    def phrase(self, rule: str) -> str:
        """Return one expanded phrase of a rule."""
        return self._article(self._expand(rule))

    def sentence(self, rule: str) -> str:
        """Return one expanded phrase with a capital first letter."""
        text = self.phrase(rule)
        return text[0].upper() + text[1:]

    @staticmethod
    def _article(text: str) -> str:
        return _ARTICLE.sub(r"\1n ", text)

    def _expand(self, rule: str) -> str:
        return "".join(
            part
            if isinstance(part, str)
            else self._fill(part)
            if isinstance(part, Slot)
            else self._count(part)
            for part in self._pick(self._rules[rule])
        )

    def _pick(self, phrases: tuple[Phrase, ...]) -> Phrase:
        for _ in range(_N_TRIES):
            phrase = phrases[int(self._draw() * len(phrases))]
            if id(phrase) not in self._used:
                break
        self._used.add(id(phrase))
        return phrase

    def _fill(self, slot: Slot) -> str:
        if not slot.kept:
            return self._expand(slot.rule)
        if slot.rule not in self._kept:
            self._kept[slot.rule] = self._expand(slot.rule)
        return self._kept[slot.rule]

    def _count(self, number: Number) -> str:
        value = number.low + self._draw() * number.span
        return f"{value:.{number.n_decimals}f}" if number.n_decimals else str(int(value))
