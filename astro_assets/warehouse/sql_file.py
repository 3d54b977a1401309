"""One SQL file: its header, what it refers to, and its text with relations put in.

What does not belong here: whether the names exist (sql.py) and what the statement does
(sql_statement.py). Importing this costs nothing: the checks of Dagster are listed from headers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from astro_assets.errors import AstroError

_TOKEN = re.compile(
    r"""--[^\n]*                                                     # comment
    | \{\{[ ]*(?P<kind>ref|source)\([ ]*'(?P<name>\w+)'[ ]*\)[ ]*\}\}  # relation
    | \{\{[ ]*(?P<this>this)\(\)[ ]*\}\}                                # a data test's table
    | (?P<stray>\{[{%]) | '(?:[^']|'')*' | "(?:[^"]|"")*" | \$(?P<parameter>\w+)""",
    re.VERBOSE,
)
_FIELD = re.compile(r"--\s?(?P<field>\w+):\s+(?P<value>\S.*)")


class SqlModelError(AstroError):
    """A SQL model cannot be used as it stands: header, reference, statement or order."""


@dataclass(frozen=True)
class Model:
    """One SELECT file."""

    name: str
    path: Path
    text: str
    header: Mapping[str, str]
    """Field -> text: grain, key, kept, why, and what ``kept`` needs; in tests why, tables,
    severity."""
    refs: Mapping[str, int]
    """Model referred to -> line of the first mention."""
    sources: Mapping[str, int]
    """Source referred to -> line of the first mention."""
    parameters: Mapping[str, int]
    """Bound parameter, without ``$`` -> line of the first mention."""
    this_line: int | None
    """Line of the first ``{{ this() }}``, the table a data test looks at."""

    @property
    def kept(self) -> str:
        """``table``, ``view`` or ``files``."""
        return self.header["kept"]

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables a data test is for, one after the other; empty if it names them by ``ref``."""
        return tuple(self.header.get("tables", "").replace(",", " ").split())

    @property
    def blocks(self) -> bool:
        """Whether a data test that fails stops what comes after; else it warns."""
        return self.header.get("severity", "error") == "error"

    def render(
        self, named: Callable[[str, str], str] | None = None, *, this: str | None = None
    ) -> str:
        """Return SQL that DuckDB runs: ``ref``, ``source`` and ``this`` replaced by quoted names.

        Args:
            named: (``ref`` or ``source``, name) -> relation as it stands in SQL; by default a
                model's own name, and what a source is registered under.
            this: Name of the table that ``{{ this() }}`` stands for.
        """
        resolve = named or _registered

        def replaced(match: re.Match[str]) -> str:
            if match["kind"]:
                return resolve(match["kind"], match["name"])
            return quoted(this) if match["this"] and this else match[0]

        return _TOKEN.sub(replaced, self.text)


def quoted(name: str) -> str:
    """Return a name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def source_name(name: str) -> str:
    """Return the relation a source is registered under."""
    return f"source_{name}"


def read_model(path: Path, *, required: tuple[str, ...]) -> Model:
    """Read a file; ``required`` header fields must be there.

    Raises:
        SqlModelError: a header field is missing, or a ``{{ … }}`` is not understood.
    """
    text = path.read_text(encoding="utf-8")
    header = _header(text)
    for field in required:
        if not header.get(field):
            raise SqlModelError(
                f"{path}:1: the header lacks {field!r}.",
                expected=f"comment lines '-- field: text' with {', '.join(required)} on top.",
            )
    mentions: dict[str, dict[str, int]] = {"ref": {}, "source": {}, "parameter": {}, "this": {}}
    for token in _TOKEN.finditer(text):
        line = text.count("\n", 0, token.start()) + 1
        if token["stray"]:
            raise SqlModelError(
                f"{path}:{line}: {text[token.start() :].splitlines()[0][:60]!r} is not understood.",
                expected="{{ ref('model') }} or {{ source('name') }} on one line, and "
                "{{ this() }} in data tests.",
            )
        if token["kind"]:
            mentions[token["kind"]].setdefault(token["name"], line)
        for kind in ("parameter", "this"):
            if token[kind]:
                mentions[kind].setdefault(token[kind], line)
    return Model(
        name=path.stem,
        path=path,
        text=text,
        header=header,
        refs=mentions["ref"],
        sources=mentions["source"],
        parameters=mentions["parameter"],
        this_line=mentions["this"].get("this"),
    )


def _registered(kind: str, name: str) -> str:
    return quoted(name if kind == "ref" else source_name(name))


def _header(text: str) -> dict[str, str]:
    """Return the fields of the comment lines on top; a line without a field continues the last."""
    header: dict[str, str] = {}
    field = ""
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        match = _FIELD.match(line)
        if match:
            field = match["field"]
            header[field] = match["value"].strip()
        elif field:
            header[field] += " " + line.removeprefix("--").strip()
    return header
