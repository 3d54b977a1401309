"""A snapshot into Parquet: this project's way beside the common ones, the same output, in one run.

Run ``python -m bench.snapshot SNAPSHOT [--table papers|plain] [--repeat N]`` on a plain or zipped
snapshot (400,000 records of the package's generator, say). Two outputs are measured:

- ``papers``: what the project makes, ``snapshot_papers``: typed columns, withdrawals, content
  hashes, a side, copies found, one shard per month. Every way reads by its own means and then runs
  the same SQL models; the fingerprints must be equal.
- ``plain``: what a simple filter makes: eight text columns of every paper with a whole astro-ph
  token, one Parquet file. Rows and texts must be equal.

Each way runs in a fresh process, imports included; the best CPU time of N counts. The floor is
measured in the same run: imports, reading the file (or inflating it) from end to end, and writing
the finished table. What DuckDB and Polars cannot read, a zip, is unpacked first, at their cost.
"""

from __future__ import annotations

import argparse
import functools
import json
import operator
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from astro_assets.artifacts import fingerprint
from astro_assets.ingest.json_records import records_sql
from astro_assets.ingest.lines import open_text
from astro_assets.ingest.parts import text_parts
from astro_assets.ingest.records import RECORD_SCHEMA, Record, to_batch
from astro_assets.progress import NO_PROGRESS
from astro_assets.warehouse import record_stream
from astro_assets.warehouse.papers import build_snapshot_papers
from bench.cost import Cost, cost_of, table

SHARE, SALT = 0.05, "astro-assets"
COLUMNS = (
    "id", "title", "authors", "abstract", "categories", "comments", "journal_ref", "update_date",
)  # fmt: skip
_KAGGLE = {"journal_ref": "journal-ref", "report_no": "report-no"}
_NEEDLE = r"(^|\s)astro-ph(\.\S*)?(\s|$)"
_NOT_IN_KAGGLE = {"datestamp": "null::varchar", "is_deleted": "false"}
_ROWS = 5_000
T = TypeVar("T")

Way = Callable[[Path, Path, str], str]
"""(snapshot, folder to write to, output) -> the papers' fingerprint; nothing of a plain table."""


def ours(path: Path, out: Path, output: str) -> str:
    """Read as the project does: DuckDB with declared columns, a zip inflated beside it."""
    if output == "papers":
        return _papers(path, out)
    with _astro_writer(out) as writer, duckdb.connect() as connection:
        for part in text_parts(path):
            query = f"select {', '.join(COLUMNS)} from ({records_sql(part)})"
            _write_astro(connection, query, writer)
    return ""


def duckdb_columns(path: Path, out: Path, output: str) -> str:
    """Tell DuckDB the columns: ``read_json`` with those that are needed and no others."""
    text = _unpacked(path, out)
    if output == "papers":
        kaggle = [_KAGGLE.get(n, n) for n in RECORD_SCHEMA.names if n not in _NOT_IN_KAGGLE]
        return _papers_of_query(f"select {_as_records()} from {_read_json(text, kaggle)}", out)
    with _astro_writer(out) as writer, duckdb.connect() as connection:
        _write_astro(connection, _plain_query(text), writer)
    return ""


def needle_first(path: Path, out: Path, output: str) -> str:
    """Let grep drop most lines before DuckDB reads the rest from a pipe; a zip by ISA-L."""
    if output == "papers":
        raise SystemExit("a needle drops lines that this output needs")
    inflate = [sys.executable, "-m", "bench.inflate", str(path)]
    with ExitStack() as stack:
        text: Any = stack.enter_context(
            subprocess.Popen(inflate, stdout=subprocess.PIPE).stdout  # type: ignore[arg-type]
            if zipfile.is_zipfile(path)
            else path.open("rb")
        )
        grep = ["grep", "--text", "--fixed-strings", "astro-ph"]
        lines = subprocess.Popen(grep, stdin=text, stdout=subprocess.PIPE, env={"LC_ALL": "C"})
        assert lines.stdout is not None
        stack.enter_context(lines.stdout)
        writer = stack.enter_context(_astro_writer(out))
        connection = stack.enter_context(duckdb.connect())
        _write_astro(connection, _plain_query(f"/dev/fd/{lines.stdout.fileno()}"), writer)
        lines.wait()
    return ""


def duckdb_auto(path: Path, out: Path, output: str) -> str:
    """Let DuckDB find out the columns: ``read_json_auto``."""
    text = _unpacked(path, out)
    query = f"select * from read_json_auto('{text}')"
    if output == "papers":
        # with the usual sample of 20,480 lines the column of licences, empty before 2007, is lost
        query = f"select * from read_json_auto('{text}', sample_size = 100_000)"
        return _papers_of_query(f"select {_as_records()} from ({query})", out)
    with _astro_writer(out) as writer, duckdb.connect() as connection:
        columns = ", ".join(f'"{_KAGGLE.get(c, c)}"::varchar as {c}' for c in COLUMNS)
        _write_astro(connection, f"select {columns} from ({query})", writer)
    return ""


def polars_scan(path: Path, out: Path, output: str) -> str:
    """Scan with Polars."""
    import polars as pl

    text = _unpacked(path, out)
    frame = pl.scan_ndjson(text, schema=_polars_schema(), ignore_errors=True)
    if output == "papers":
        named = frame.rename({kaggle: name for name, kaggle in _KAGGLE.items()})
        return _papers(_polars_batches(named), out)
    frame.filter(pl.col("categories").str.contains(_NEEDLE)).select(
        [pl.col(_KAGGLE.get(c, c)).cast(pl.String).alias(c) for c in COLUMNS]
    ).sink_parquet(out / "plain.parquet", compression="zstd")
    return ""


def line_loop(decode: str, path: Path, out: Path, output: str) -> str:
    """Go through the file line by line; ``decode`` is json or msgspec."""
    if output == "papers":
        records = (_decoded(line, decode) for line in _lines(path))
        return _papers(map(to_batch, _batched(records)), out)
    names = [_KAGGLE.get(name, name) for name in COLUMNS]
    if decode == "msgspec":
        fields = [
            (name, str | None, msgspec.field(default=None, name=k))
            for name, k in zip(COLUMNS, names, strict=True)
        ]
        decoder = msgspec.json.Decoder(msgspec.defstruct("Plain", fields, gc=False)).decode
        values = msgspec.structs.astuple
    else:
        decoder, values = json.loads, operator.itemgetter(*names)
    needle = re.compile(_NEEDLE.encode())
    with _astro_writer(out) as writer:
        # a line without the needle is not decoded; of the others the categories decide
        found = (values(decoder(line)) for line in _lines(path) if b"astro-ph" in line)
        place = COLUMNS.index("categories")
        kept = (row for row in found if needle.search((row[place] or "").encode()))
        for rows in _batched(kept):
            columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
            writer.write_table(pa.table(columns, schema=writer.schema))
    return ""


WAYS: dict[str, Way] = {
    "this project": ours,
    "DuckDB read_json, columns told": duckdb_columns,
    "grep, then DuckDB read_json": needle_first,
    "DuckDB read_json_auto": duckdb_auto,
    "Polars scan_ndjson": polars_scan,
    "line loop, msgspec": functools.partial(line_loop, "msgspec"),
    "line loop, json": functools.partial(line_loop, "json"),
}


def read_through(path: Path) -> int:
    """Floor: read the text from end to end, inflated where it has to be."""
    with open_text(path) as text:
        return sum(len(chunk) for chunk in iter(functools.partial(text.read, 1 << 20), b""))


def write_again(folder: Path, out: Path) -> int:
    """Floor: write a finished table again, file by file."""
    tables = [pq.read_table(path) for path in sorted(folder.rglob("*.parquet"))]
    for number, found in enumerate(tables):
        pq.write_table(found, out / f"{number}.parquet", compression="zstd")
    return len(tables)


def read_again(folder: Path) -> int:
    """Cost of what ``write_again`` does before it writes."""
    return len([pq.read_table(path) for path in sorted(folder.rglob("*.parquet"))])


def main() -> None:
    """Measure every way and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("snapshot", type=Path)
    parser.add_argument("--table", choices=["papers", "plain"], default="papers")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where to write; default: a temporary folder")
    given = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="bench.", dir=given.folder))
    try:
        compare(given.snapshot, scratch, given.table, given.repeat)
    finally:
        shutil.rmtree(scratch)


def compare(snapshot: Path, scratch: Path, output: str, repeat: int) -> None:
    """Run all ways, ``repeat`` times in turn, and print what they cost."""
    ways = {n: way for n, way in WAYS.items() if output == "plain" or way is not needle_first}
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    for _ in range(repeat):
        for name, way in ways.items():
            out = scratch / "out"
            out.mkdir()
            cost = cost_of(_call, way, snapshot, out, output)
            costs[name].append(cost if output == "papers" else replace(cost, value=_digest(out)))
            if name == "this project":
                shutil.rmtree(scratch / "kept", ignore_errors=True)
                out.rename(scratch / "kept")
            else:
                shutil.rmtree(out)
    proofs = {name: {cost.value for cost in found} for name, found in costs.items()}
    if len(set.union(*proofs.values())) != 1:
        raise SystemExit(f"the ways do not make the same output: {proofs}")
    (scratch / "again").mkdir()
    floor = sum(
        sign * min(cost_of(work, *arguments).cpu_seconds for _ in range(repeat))
        for sign, work, arguments in (
            (1, read_through, (snapshot,)),
            (1, write_again, (scratch / "kept", scratch / "again")),
            (-1, read_again, (scratch / "kept",)),
        )
    )
    _show(snapshot, output, costs, floor)


def _show(snapshot: Path, output: str, costs: dict[str, list[Cost]], floor: float) -> None:
    best = {name: min(found, key=lambda cost: cost.cpu_seconds) for name, found in costs.items()}
    mine = best["this project"].cpu_seconds
    rows = [("way", "CPU s", "wall s", "private MB", "of the floor", "of this project")]
    rows += [
        (
            name,
            f"{cost.cpu_seconds:.2f}",
            f"{cost.wall_seconds:.2f}",
            f"{cost.private_bytes / 1e6:.0f}",
            f"{cost.cpu_seconds / floor:.2f}",
            f"{cost.cpu_seconds / mine:.2f}",
        )
        for name, cost in sorted(best.items(), key=lambda item: item[1].cpu_seconds)
    ]
    rows.append(("floor: imports, read or inflate, write", f"{floor:.2f}", "", "", "1.00", ""))
    print(f"{snapshot.name} into {output}; duckdb {duckdb.__version__}\n\n{table(rows)}")


def _call(way: Way, snapshot: Path, out: Path, output: str) -> str:
    return way(snapshot, out, output)


def _papers(records: Any, out: Path) -> str:
    built = build_snapshot_papers(
        records, out, general_share=SHARE, salt=SALT, progress=NO_PROGRESS
    )
    return built.fingerprint


def _papers_of_query(query: str, out: Path) -> str:
    """Run the project's SQL over another query than its own, in this process only."""
    record_stream.records_sql = lambda part: query  # type: ignore[assignment]
    anything = out / "anything"
    anything.write_bytes(b"\n")
    return _papers(anything, out)


def _as_records() -> str:
    """Return the columns of a raw record, from those Kaggle's file has."""
    return ", ".join(
        f"{_NOT_IN_KAGGLE[name]} as {name}"
        if name in _NOT_IN_KAGGLE
        else f'"{_KAGGLE.get(name, name)}"::varchar as {name}'
        for name in RECORD_SCHEMA.names
        if name != "versions"
    ) + (
        ", list_transform(versions, lambda v: {'version': v.version, 'created': v.created, "
        "'source_type': null::varchar}) as versions"
    )


def _plain_query(text: Path | str) -> str:
    named = ", ".join(f'"{_KAGGLE.get(name, name)}" as {name}' for name in COLUMNS)
    return f"select {named} from {_read_json(text, [_KAGGLE.get(c, c) for c in COLUMNS])}"


def _read_json(text: Path | str, kaggle: Sequence[str]) -> str:
    versions = 'STRUCT("version" VARCHAR, created VARCHAR)[]'
    types = ", ".join(f"'{k}': '{versions if k == 'versions' else 'VARCHAR'}'" for k in kaggle)
    return f"read_json('{text}', format = 'newline_delimited', columns = {{{types}}})"


def _polars_schema() -> dict[str, Any]:
    import polars as pl

    versions = pl.List(pl.Struct({"version": pl.String, "created": pl.String}))
    own = {"versions": versions, "datestamp": None, "is_deleted": None}
    schema = {_KAGGLE.get(n, n): own.get(n, pl.String) for n in RECORD_SCHEMA.names}
    return {name: dtype for name, dtype in schema.items() if dtype is not None}


def _polars_batches(frame: Any) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a lazy frame as batches of raw records."""
    for part in frame.collect_batches(chunk_size=_ROWS):
        found = part.to_arrow()
        columns = [
            found.column(field.name).combine_chunks().cast(field.type)
            if field.name in found.column_names and field.name != "versions"
            else _versions(found)
            if field.name == "versions"
            else pa.repeat(pa.scalar(False), part.height)
            if field.name == "is_deleted"
            else pa.nulls(part.height, field.type)
            for field in RECORD_SCHEMA
        ]
        yield from pa.table(columns, schema=RECORD_SCHEMA).to_batches()


def _versions(found: pa.Table) -> pa.Array:
    lists = found.column("versions").combine_chunks()
    structs = lists.values
    strings = [structs.field(name).cast(pa.string()) for name in ("version", "created")]
    strings.append(pa.nulls(len(structs), pa.string()))
    fields = list(RECORD_SCHEMA.field("versions").type.value_type)
    made = pa.StructArray.from_arrays(strings, fields=fields)
    return pa.ListArray.from_arrays(lists.offsets.cast(pa.int32()), made)


def _decoded(line: bytes, decode: str) -> Record:
    if decode == "msgspec":
        return msgspec.json.decode(line, type=Record)
    return msgspec.convert(json.loads(line), Record)


def _lines(path: Path) -> Iterator[bytes]:
    """Yield lines as everybody does: a file, or the standard library's zipfile."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as handle:
            yield from handle
        return
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as member:
        yield from member


def _batched(records: Iterator[T]) -> Iterator[list[T]]:
    batch: list[T] = []
    for record in records:
        batch.append(record)
        if len(batch) == _ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _unpacked(path: Path, out: Path) -> Path:
    if not zipfile.is_zipfile(path):
        return path
    with zipfile.ZipFile(path) as archive:
        return Path(archive.extract(archive.namelist()[0], out.parent / "unpacked"))


def _astro_writer(out: Path) -> pq.ParquetWriter:
    schema = pa.schema([pa.field(name, pa.string()) for name in COLUMNS])
    return pq.ParquetWriter(out / "plain.parquet", schema, compression="zstd")


def _write_astro(connection: Any, query: str, writer: pq.ParquetWriter) -> None:
    rows = connection.sql(f"from ({query}) where regexp_matches(categories, '{_NEEDLE}')")
    for batch in rows.to_arrow_reader(50_000):
        writer.write_batch(batch.cast(writer.schema))


def _digest(out: Path) -> str:
    """Return the digest of a plain table, whatever order its rows are in."""
    rows = pq.read_table(out / "plain.parquet").sort_by("id").to_pylist()
    return fingerprint.of_value([[row[name] for name in COLUMNS] for row in rows])


if __name__ == "__main__":
    main()
