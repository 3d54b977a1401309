"""SQL models on disk: which there are, what they may name, the order they run in.

A model is one SELECT in one file; its name is the file's. ``{{ ref('x') }}`` names another model,
``{{ source('x') }}`` a table registered from outside, ``$name`` a bound parameter; nothing else is
replaced. The dialect is told in ``dbt_like_sql/README.md``. Running models is the runner's work.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import astro_assets
from astro_assets.warehouse.inputs import PARAMETERS, SOURCES, TABLES, TEST_PARAMETERS
from astro_assets.warehouse.sql_file import Model, SqlModelError, quoted, read_model, source_name
from astro_assets.warehouse.sql_statement import check_statement

__all__ = [
    "Model",
    "Outside",
    "Project",
    "SqlModelError",
    "literal",
    "load_data_tests",
    "load_project",
    "quoted",
    "read_data_tests",
    "source_name",
]

SQL_FOLDER = Path(astro_assets.__file__).parent.parent / "dbt_like_sql"
"""The bundled models and data tests, beside the package in a checkout and in a wheel."""

KEPT = ("table", "view", "spool")
"""How a model is kept: computed once, inlined where it is read, or computed once into a file on
disk that lasts as long as the build (header fields ``numbered`` and ``index``, see ``spool``)."""

SEVERITIES = ("error", "warn")
"""What a failing data test does: stops what comes after, or is only shown."""


@dataclass(frozen=True)
class Outside:
    """What models may name that is no model: sources that are registered, parameters bound."""

    sources: frozenset[str]
    parameters: frozenset[str]


DECLARED = Outside(frozenset(SOURCES), frozenset(PARAMETERS))
"""What the bundled models may name."""
DECLARED_FOR_TESTS = Outside(frozenset(), frozenset(TEST_PARAMETERS))
"""What the bundled data tests may name."""


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

    def over(self, tables: Collection[str], *, sources: Collection[str] = ()) -> Project:
        """Return the models that need nothing but these tables and sources.

        The tables themselves are no models of it: whoever runs it registers them.
        """
        found: dict[str, Model] = {}
        for model in self._all_in_order():
            known = model.refs.keys() <= {*tables, *found} and model.sources.keys() <= set(sources)
            if model.refs and known and not model.parameters and model.name not in tables:
                found[model.name] = model
        return Project(found)

    def leaves_of(self, model: Model) -> set[str]:
        """Return what a model reads in the end that is no model of this project."""
        leaves: set[str] = set()
        for name in model.refs:
            leaves |= self.leaves_of(self.models[name]) if name in self.models else {name}
        return leaves

    def _all_in_order(self) -> list[Model]:
        graph = {name: sorted(model.refs) for name, model in sorted(self.models.items())}
        ordered = TopologicalSorter(graph).static_order()
        return [self.models[name] for name in ordered if name in self.models]


def literal(path: Path) -> str:
    """Return a path as a SQL text, for statements in which DuckDB binds no parameters."""
    return "'" + str(path).replace("'", "''") + "'"


def load_project(folder: Path = SQL_FOLDER / "models", *, outside: Outside = DECLARED) -> Project:
    """Read every model below a folder.

    Raises:
        SqlModelError: a bad header, a file that is not one SELECT, a name that is unknown or used
            twice, a circle. The message begins with file and line.
    """
    models: dict[str, Model] = {}
    for path in sorted(folder.rglob("*.sql")):
        model = read_model(path, required=("grain", "key", "kept", "why"))
        if model.name in models:
            raise SqlModelError(
                f"{path}:1: the model name {model.name!r} is taken by {models[model.name].path}.",
                expected="one file per model name.",
            )
        _check_kept(model)
        if model.this_line is not None:
            raise SqlModelError(
                f"{path}:{model.this_line}: a model has no this().", expected="ref or source."
            )
        models[model.name] = model
    for model in models.values():
        _check_names(model, models, outside)
        check_statement(model)
    _check_no_circle(models)
    return Project(models)


def read_data_tests(folder: Path = SQL_FOLDER / "tests") -> list[Model]:
    """Read the headers of every data test below a folder, sorted by name; nothing is parsed.

    Raises:
        SqlModelError: a bad header.
    """
    tests = [read_model(path, required=("why",)) for path in sorted(folder.glob("*.sql"))]
    for test in tests:
        if (test.this_line is None) == bool(test.tables):
            raise SqlModelError(
                f"{test.path}:{test.this_line or 1}: this() and the header's 'tables' go together.",
                expected="both, for a test of one table at a time; or neither.",
            )
        if test.header.get("severity", "error") not in SEVERITIES:
            raise SqlModelError(
                f"{test.path}:1: severity is {test.header['severity']!r}.",
                expected=f"one of {', '.join(SEVERITIES)}.",
            )
    return tests


def load_data_tests(
    project: Project,
    folder: Path = SQL_FOLDER / "tests",
    *,
    outside: Outside = DECLARED_FOR_TESTS,
) -> list[Model]:
    """Read and check every data test below a folder, sorted by name.

    Raises:
        SqlModelError: a bad header, a file that is not one SELECT, an unknown name.
    """
    tests = read_data_tests(folder)
    for test in tests:
        for table in test.tables:
            if table not in {*project.models, *TABLES}:
                raise SqlModelError(
                    f"{test.path}:1: tables names {table!r}, which is no table.",
                    expected=f"some of {', '.join(sorted({*project.models, *TABLES}))}.",
                )
        _check_names(test, project.models, outside)
        check_statement(test)
    return tests


def _check_kept(model: Model) -> None:
    if model.kept not in KEPT:
        raise SqlModelError(
            f"{model.path}:1: kept is {model.kept!r}.", expected=f"one of {', '.join(KEPT)}."
        )
    if model.kept == "view" and model.parameters:
        name, line = next(iter(model.parameters.items()))
        raise SqlModelError(
            f"{model.path}:{line}: a view cannot have the parameter ${name}.",
            expected="kept: table, because DuckDB binds parameters only where a result is made.",
        )


def _check_names(model: Model, models: Mapping[str, Model], outside: Outside) -> None:
    for told, mentions, known in (
        ("ref('{}') names no model.", model.refs, models.keys()),
        ("source('{}') is declared nowhere.", model.sources, outside.sources),
        ("${} is a parameter that nobody binds.", model.parameters, outside.parameters),
    ):
        for name, line in mentions.items():
            if name not in known:
                raise SqlModelError(
                    f"{model.path}:{line}: {told.format(name)}",
                    expected=f"one of {', '.join(sorted(known))}." if known else "none at all.",
                    do="Correct the name, or declare it in astro_assets/warehouse/inputs.py."
                    if mentions is not model.refs
                    else "",
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
