"""Lines of JSON as raw records, by DuckDB: what a snapshot's line says, and which lines are broken.

Belongs here: the queries that decode a snapshot. Does not belong here: where the text comes from
(``parts``), and what a record means (``warehouse``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from astro_assets.ingest.lines import MAX_LINE_BYTES, line_too_long
from astro_assets.ingest.parts import Part
from astro_assets.ingest.records import RECORD_SCHEMA

_TYPES = {
    "id": "JSON",
    "versions": 'STRUCT("version" VARCHAR, created VARCHAR, source_type VARCHAR)[]',
    "is_deleted": "JSON",
}
_KAGGLE_NAMES = {"journal_ref": "journal-ref", "report_no": "report-no"}
_FIELDS = {name: _KAGGLE_NAMES.get(name, name) for name in RECORD_SCHEMA.names}
_DECODED = {
    # text only, for a number would lose its zeros (1704.00010); nearly none has an escape, and to
    # take the quotes off costs a tenth of decoding
    "id": r"""if(starts_with(id, '"'), if(contains(id, '\'), id ->> '$', id[2:-2]), null)""",
    "is_deleted": "coalesce(is_deleted::varchar = 'true', false)",
}

_IS_RECORD = """coalesce(starts_with(line.id, '"') and line.id <> '""', false)"""
# said of the id as it stands in the file: the decoded one would be computed twice

_MOST_THREADS = 4


def bounds() -> dict[str, str]:
    """Return how much DuckDB may take, for ``duckdb.connect(config=…)``.

    Every thread that reads JSON holds two lines of the greatest length there may be, 32 MiB; with
    all cores of a large machine that alone would be more than the limit.
    """
    return {"memory_limit": "256MB", "threads": str(min(os.cpu_count() or 1, _MOST_THREADS))}


def records_sql(part: Part) -> str:
    """Return a query of every record of a part, with the columns of RECORD_SCHEMA.

    A record is a line with an id that is text. Fields that are missing are null, and those we do
    not know are ignored. A number or an object where other text should be is taken as text, as
    DuckDB writes it; a list of versions of another shape is null. Of a field that a line names
    twice the first counts.
    """
    decoded = {name: f'"{field}"' for name, field in _FIELDS.items()} | _DECODED
    columns = ", ".join(f"{value} as {name}" for name, value in decoded.items())
    return f"select {columns} from {_lines(part)} where {_IS_RECORD}"


def signs_sql(part: Part) -> str:
    """Return a query of every line of a part that is not blank: what is counted and dated of it.

    Columns is_record, has_categories, id, update_date, created (of every version). A line that is
    no JSON object in UTF-8, or has no id, is no record and has nulls.
    """
    return (
        f"select {_DECODED['id']} as id, update_date, "
        "list_transform(versions, lambda v: v.created) as created, "
        f"{_IS_RECORD} as is_record, {_IS_RECORD} and categories is not null as has_categories "
        f"from {_lines(part)}"
    )


def _lines(part: Part) -> str:
    """Return the relation ``line``: one row per line, fields undecoded; broken ones are nulls."""
    columns = ", ".join(f"'{field}': '{_TYPES.get(n, 'VARCHAR')}'" for n, field in _FIELDS.items())
    return (
        f"read_json('{part.path}', format = 'newline_delimited', compression = 'none', "
        f"ignore_errors = true, maximum_object_size = {MAX_LINE_BYTES}, "
        f"columns = {{{columns}}}) as line"
    )


@contextmanager
def naming_long_lines(path: Path) -> Iterator[None]:
    """Turn what is said where a line does not fit DuckDB's buffers into a named error."""
    try:
        yield
    except (duckdb.Error, OSError) as error:  # while batches are fetched, Arrow's OSError
        if "maximum_object_size" in str(error):
            raise line_too_long(path) from None
        raise
