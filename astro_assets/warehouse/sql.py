"""SQL models on disk: their headers, what they refer to, the order they run in.

A model is one SELECT in one file; its name is the file's. ``{{ ref('x') }}`` names another model,
``{{ source('x') }}`` a table registered from outside, ``$name`` a bound parameter; nothing else is
replaced. Running them is the runner's work.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import astro_assets
from astro_assets.errors import AstroError

SQL_FOLDER = Path(astro_assets.__file__).parent.parent / "dbt_like_sql"
"""The bundled models and data tests, beside the package in a checkout and in a wheel."""

KEPT = ("table", "view", "files")
"""How a model is kept: computed once, inlined where it is read, or computed once into Parquet files
partitioned by the column that the header field ``partition`` names."""

_TOKEN = re.compile(
    r"""--[^\n]*                                                  # comment
    | \{\{\s*(?P<kind>ref|source)\(\s*'(?P<name>\w+)'\s*\)\s*\}\}  # relation
    | (?P<stray>\{[{%]) | '(?:[^']|'')*' | \$(?P<parameter>\w+)""",
    re.VERBOSE,
)
_FIELD = re.compile(r"--\s?(?P<field>\w+):\s+(?P<value>\S.*)")


class SqlModelError(AstroError):
    """A SQL model cannot be used as it stands: header, reference or order."""


@dataclass(frozen=True)
class Model:
    """One SELECT file."""

    name: str
    path: Path
    text: str
    header: Mapping[str, str]
    """Field -> text: grain, key, kept, why; partition with kept: files."""
    refs: Mapping[str, int]
    """Model referred to -> line of the first mention."""
    sources: Mapping[str, int]
    """Source referred to -> line of the first mention."""
    parameters: tuple[str, ...]
    """Names of the bound parameters, without ``$``."""

    @property
    def kept(self) -> str:
        """``table``, ``view`` or ``files``."""
        return self.header["kept"]

    def render(self) -> str:
        """Return SQL that DuckDB runs: ``ref`` and ``source`` replaced by quoted names."""

        def named(match: re.Match[str]) -> str:
            if match["kind"] is None:
                return match[0]
            return quoted(match["name"] if match["kind"] == "ref" else source_name(match["name"]))

        return _TOKEN.sub(named, self.text)


@dataclass(frozen=True)
class Project:
    """All models of a folder, checked to refer to each other without gaps or circles."""

    models: Mapping[str, Model]

    def order(self, *names: str) -> list[Model]:
        """Return the named models and all they need, each after what it refers to."""
        wanted = set(names)
        for model in reversed(self._all_in_order()):
            if model.name in wanted:
                wanted |= model.refs.keys()
        return [model for model in self._all_in_order() if model.name in wanted]

    def _all_in_order(self) -> list[Model]:
        graph = {name: sorted(model.refs) for name, model in sorted(self.models.items())}
        return [self.models[name] for name in TopologicalSorter(graph).static_order()]


def quoted(name: str) -> str:
    """Return a name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(path: Path) -> str:
    """Return a path as a SQL text, for statements in which DuckDB binds no parameters."""
    return "'" + str(path).replace("'", "''") + "'"


def source_name(name: str) -> str:
    """Return the relation a source is registered under."""
    return f"source_{name}"


def load_project(folder: Path = SQL_FOLDER / "models") -> Project:
    """Read every model below a folder.

    Raises:
        SqlModelError: a bad header, an unknown reference, a name used twice, a circle.
    """
    models: dict[str, Model] = {}
    for path in sorted(folder.rglob("*.sql")):
        model = _read(path, required=("grain", "key", "kept", "why"))
        if model.name in models:
            raise SqlModelError(
                f"{path}:1: the model name {model.name!r} is taken by {models[model.name].path}.",
                expected="one file per model name.",
            )
        _check_kept(model)
        models[model.name] = model
    for model in models.values():
        _check_refs(model, models)
    _check_no_circle(models)
    return Project(models)


def load_data_tests(project: Project, folder: Path = SQL_FOLDER / "tests") -> list[Model]:
    """Read every data test below a folder, sorted by name; they may refer to the project's models.

    Raises:
        SqlModelError: a bad header or an unknown reference.
    """
    tests = [_read(path, required=("why",)) for path in sorted(folder.glob("*.sql"))]
    for test in tests:
        _check_refs(test, project.models)
    return tests


def _read(path: Path, *, required: tuple[str, ...]) -> Model:
    text = path.read_text(encoding="utf-8")
    header = _header(text)
    for field in required:
        if not header.get(field):
            raise SqlModelError(
                f"{path}:1: the header lacks {field!r}.",
                expected=f"comment lines '-- field: text' with {', '.join(required)} on top.",
            )
    relations: dict[str, dict[str, int]] = {"ref": {}, "source": {}}
    parameters: list[str] = []
    for token in _TOKEN.finditer(text):
        line = text.count("\n", 0, token.start()) + 1
        if token["stray"]:
            raise SqlModelError(
                f"{path}:{line}: {text[token.start() :].splitlines()[0][:60]!r} is not understood.",
                expected="{{ ref('model') }} or {{ source('name') }}.",
            )
        if token["kind"]:
            relations[token["kind"]].setdefault(token["name"], line)
        if token["parameter"] and token["parameter"] not in parameters:
            parameters.append(token["parameter"])
    return Model(
        path.stem, path, text, header, relations["ref"], relations["source"], tuple(parameters)
    )


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


def _check_kept(model: Model) -> None:
    if model.kept not in KEPT:
        raise SqlModelError(
            f"{model.path}:1: kept is {model.kept!r}.", expected=f"one of {', '.join(KEPT)}."
        )
    if model.kept == "files" and "partition" not in model.header:
        raise SqlModelError(
            f"{model.path}:1: the header lacks 'partition'.",
            expected="with kept: files, the column the files are partitioned by.",
        )
    if model.kept == "view" and model.parameters:
        raise SqlModelError(
            f"{model.path}:1: a view cannot have the parameter ${model.parameters[0]}.",
            expected="kept: table, because DuckDB binds parameters only where a result is made.",
        )


def _check_refs(model: Model, models: Mapping[str, Model]) -> None:
    for name, line in model.refs.items():
        if name not in models:
            raise SqlModelError(
                f"{model.path}:{line}: ref('{name}') names no model.",
                expected=f"one of {', '.join(sorted(models))}.",
            )


def _check_no_circle(models: Mapping[str, Model]) -> None:
    sorter = TopologicalSorter({name: sorted(models[name].refs) for name in sorted(models)})
    try:
        sorter.prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        first = models[circle[1]]
        raise SqlModelError(
            f"{first.path}:{first.refs[circle[0]]}: models refer to each other in a circle: "
            f"{' -> '.join(reversed(circle))}.",
            expected="refs that run one way, staging to core to marts.",
        ) from None
