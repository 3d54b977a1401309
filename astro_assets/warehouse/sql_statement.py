"""Is a file exactly one SELECT over relations it declares? DuckDB's own parser says so.

A model must not write, read files by name, lean on a table that happens to be registered, or ask
for the time: then lineage, order and re-use would not know of it. What does not belong here:
whether the declared names exist (sql.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from astro_assets.warehouse.sql_file import Model, SqlModelError, quoted, source_name

if TYPE_CHECKING:
    import duckdb

_QUERY_NODES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
_TABLE_FUNCTIONS = {"unnest", "range", "generate_series"}
"""Table functions that only see what they are handed."""
LOOKS_OUTSIDE = frozenset((
    # settings, environment, files
    "current_setting", "getenv", "getvariable", "glob", "read_blob", "read_text", "which_secret",
    # sequences, and what else a call changes
    "currval", "nextval", "setseed", "setval", "sleep_ms", "write_log",
    # the clock
    "ago", "current_date", "current_localtime", "current_localtimestamp", "current_time",
    "current_timestamp", "get_current_time", "get_current_timestamp", "localtime",
    "localtimestamp", "now", "today", "transaction_timestamp",
    # chance
    "gen_random_uuid", "random", "uuid", "uuidv4", "uuidv7",
    # the session
    "current_catalog", "current_connection_id", "current_database", "current_query",
    "current_query_id", "current_role", "current_schema", "current_schemas",
    "current_transaction_id", "current_user", "in_search_path", "session_user", "txid_current",
))  # fmt: skip
"""Functions whose answer does not follow from what they are handed."""
_WITHOUT_BRACKETS = frozenset((
    "current_catalog", "current_date", "current_role", "current_schema", "current_time",
    "current_timestamp", "current_user", "localtime", "localtimestamp", "session_user",
))  # fmt: skip
"""Those that SQL calls by their bare name."""
_THIS = "this_table"
_ONE_SELECT = "exactly one SELECT: no second statement, nothing that writes or changes settings."
_DECLARED = (
    "only {{ ref('model') }} and {{ source('name') }}, and names from the file's own WITH, each "
    "after it is defined."
)
_FUNCTIONS = "functions of columns, texts and $parameters alone."


@dataclass(frozen=True)
class _Fault:
    line: int
    found: str
    expected: str


def check_statement(model: Model) -> None:
    """Refuse a file that is not one SELECT over its own refs and sources.

    Raises:
        SqlModelError: names file and line.
    """
    spelled = [f"ref {name}" for name in model.refs] + [f"source {name}" for name in model.sources]
    taken = [*model.refs, *map(source_name, model.sources), *model.tables]
    fault = _fault(
        model.render(_spelled, this=_THIS),
        frozenset([*spelled, *([_THIS] if model.tables else [])]),
        frozenset(name.lower() for name in taken),
        frozenset(model.parameters),
    )
    if fault is not None:
        raise SqlModelError(f"{model.path}:{fault.line}: {fault.found}", expected=fault.expected)


def _spelled(kind: str, name: str) -> str:
    """Return a relation under a name that nobody types by accident."""
    return quoted(f"{kind} {name}")


@lru_cache(maxsize=256)
def _fault(
    sql: str, relations: frozenset[str], taken: frozenset[str], parameters: frozenset[str]
) -> _Fault | None:
    """Return what is wrong with a statement; by its text, so a file is parsed once a process."""
    import duckdb

    connection = _parser().cursor()
    try:
        statements = connection.extract_statements(sql)
        if len(statements) != 1:
            return _Fault(1, f"the file holds {len(statements)} statements.", _ONE_SELECT)
        (parsed,) = connection.execute("select json_serialize_sql($sql)", {"sql": sql}).fetchall()[
            0
        ]
    except duckdb.Error as error:
        return _unreadable(str(error))
    finally:
        connection.close()
    tree = json.loads(parsed)
    if tree["error"]:
        return _Fault(_line_of_code(sql), f"{tree['error_message']}", _ONE_SELECT)
    walk = _Walk(sql, relations, taken, parameters)
    return next(walk.faults(tree["statements"][0]["node"], frozenset()), None)


@lru_cache(maxsize=1)
def _parser() -> duckdb.DuckDBPyConnection:
    """Return a database that only parses; opening one costs more than reading all models."""
    import duckdb

    return duckdb.connect(":memory:", config={"threads": 1})


def _unreadable(message: str) -> _Fault:
    line = re.search(r"^LINE (\d+):", message, re.MULTILINE)
    said = message.strip().splitlines()[0]
    return _Fault(int(line[1]) if line else 1, f"DuckDB cannot read it: {said}.", _ONE_SELECT)


def _line_of_code(sql: str) -> int:
    """Return the first line that is no comment."""
    lines = enumerate(sql.splitlines(), start=1)
    return next((n for n, line in lines if line.strip() and not line.startswith("--")), 1)


@dataclass(frozen=True)
class _Walk:
    """A walk over DuckDB's syntax tree of one statement."""

    sql: str
    relations: frozenset[str]
    """What may be read, as it is spelled here."""
    taken: frozenset[str]
    """What it is called when it runs: no WITH may have such a name, in lower case."""
    parameters: frozenset[str]

    def faults(self, node: Any, scope: frozenset[str]) -> Iterator[_Fault]:
        """Yield what is wrong below a node; ``scope`` are the names of the WITHs around it."""
        if isinstance(node, list):
            for part in node:
                yield from self.faults(part, scope)
        elif isinstance(node, dict):
            for entry in node.get("cte_map", {}).get("map", []):
                name = entry["key"].lower()
                if name in self.taken:
                    found = f"WITH {name} hides what it is read from."
                    yield self._at(node, found, _DECLARED)
                # Its body sees those before it: its own name there is another relation.
                yield from self.faults(entry["value"], scope)
                scope |= {name}
            fault = self._fault_of(node, scope)
            if fault is not None:
                yield fault
            for key, part in node.items():
                if key != "cte_map":
                    yield from self.faults(part, scope | _repeated(node, key))

    def _fault_of(self, node: Mapping[str, Any], scope: frozenset[str]) -> _Fault | None:
        kind = str(node.get("type"))
        if kind == "BASE_TABLE":
            return self._unknown_table(node, scope)
        if kind == "TABLE_FUNCTION":
            function = node["function"]["function_name"]
            if function.lower() not in _TABLE_FUNCTIONS:
                return self._at(node, f"{function}(…) reads what is not declared.", _DECLARED)
        if called := _called(node) & LOOKS_OUTSIDE:
            return self._at(node, f"{min(called)}(…) looks at what is not declared.", _FUNCTIONS)
        if kind == "VALUE_PARAMETER" and node.get("identifier") not in self.parameters:
            return self._at(node, f"the parameter {node.get('identifier')} has no name.", "$name.")
        if kind == "SHOW_REF" or (kind.endswith("_NODE") and kind not in _QUERY_NODES):
            what = kind.removesuffix("_NODE").replace("_", " ")
            return self._at(node, f"{what} is no SELECT.", _ONE_SELECT)
        return None

    def _unknown_table(self, node: Mapping[str, Any], scope: frozenset[str]) -> _Fault | None:
        name = ".".join(
            part for key in ("catalog_name", "schema_name", "table_name") if (part := node[key])
        )
        is_bare = name == node["table_name"]
        if is_bare and (name in self.relations or name.lower() in scope):
            return None
        return self._at(node, f"{name!r} is read and not declared.", _DECLARED)

    def _at(self, node: Mapping[str, Any], found: str, expected: str) -> _Fault:
        # a byte offset, or a number past the end where the parser does not know
        offset = node.get("query_location", -1)
        source = self.sql.encode()
        if not 0 <= offset <= len(source):
            return _Fault(_line_of_code(self.sql), found, expected)
        return _Fault(source.count(b"\n", 0, offset) + 1, found, expected)


def _repeated(node: Mapping[str, Any], key: str) -> frozenset[str]:
    """Return the name that a part of a WITH RECURSIVE has for itself: only what is repeated has."""
    if node.get("type") == "RECURSIVE_CTE_NODE" and key == "right":
        return frozenset([str(node["cte_name"]).lower()])
    return frozenset()


def _called(node: Mapping[str, Any]) -> frozenset[str]:
    """Return the name of the function a node calls, in lower case; empty if it calls none."""
    if "function_name" in node:
        return frozenset([str(node["function_name"]).lower()])
    names = [str(name).lower() for name in node.get("column_names", [])]
    return frozenset(names) & _WITHOUT_BRACKETS if len(names) == 1 else frozenset()
