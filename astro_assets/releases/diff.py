"""What one release holds and another does not: papers of both tables, tokens of each side.

Only shards that differ are read: a paper stands in one month of a table, so months whose content is
equal hold the same papers. Each is compared with its checksum first: from rotten bytes other papers
may be read as if they were whole. Papers that neither release uses, for the same reason, are not
listed, whatever changed in them. What does not belong here: how it is shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from typing import Any

import polars as pl

from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.errors import DamagedArtifactError

SIDES = ("astro_train", "astro_test", "general_train", "general_test")

_SHOWN = ("title", "abstract", "categories", "authors", "comments", "journal_ref", "doi", "license")
"""Columns that are compared one by one, to say what a revision changed."""
_COLUMNS = ("id", "row_sha256", "excluded_because", "side", "submission_month", *_SHOWN)
_EMPTY = pl.DataFrame(schema=dict.fromkeys(_COLUMNS, pl.String))


@dataclass(frozen=True)
class Paper:
    """One paper that differs."""

    id: str
    month: str
    """Of its submission."""
    side: str
    title: str | None
    """As the later release has it, or the earlier one where it is lost. From outside: untrusted."""
    detail: str
    """What a revision changed, or where a lost paper is now; else empty."""


@dataclass(frozen=True)
class TableDiff:
    """How one table differs. ``papers`` are rows whose text is used."""

    n_before: int
    n_after: int
    added: tuple[Paper, ...]
    """Not in the table before; used now."""
    revised: tuple[Paper, ...]
    """Used before and now, and arXiv says something else of it."""
    withdrawn: tuple[Paper, ...]
    """In the table before, excluded as withdrawn now."""
    lost: tuple[Paper, ...]
    """In the table before, not in it now: another category, deleted, or not yet submitted."""
    exclusions: dict[str, int]
    """``before -> after`` of why a text is not used -> papers; withdrawals apart."""


@dataclass(frozen=True)
class ReleaseDiff:
    """How release ``after`` differs from release ``before``."""

    before: str
    after: str
    astro: TableDiff
    general: TableDiff | None
    """None where one of the releases has no general table."""
    tokens_gained: dict[str, int] | None
    """Side -> tokens; None where they cannot be compared, ``notes`` say why."""
    n_shards_read: int
    notes: tuple[str, ...]


def diff_releases(store: Store, before: str, after: str) -> ReleaseDiff:
    """Compare two releases.

    Raises:
        MissingArtifactError: one of them was never made in this home.
        DamagedArtifactError: a shard is gone or its bytes changed; says of which release.
    """
    astro = _Pair.of(store, "astro_ph_papers", before, after)
    general = None
    if all(store.current("general_papers", release) for release in (before, after)):
        general = _Pair.of(store, "general_papers", before, after)
    moved_to = general.ids_after if general else frozenset()
    tokens, notes = _tokens_gained(store, before, after)
    return ReleaseDiff(
        before=before,
        after=after,
        astro=astro.diff("in general_papers now", moved_to),
        general=general.diff("in astro_ph_papers now", astro.ids_after) if general else None,
        tokens_gained=tokens,
        n_shards_read=astro.n_shards + (general.n_shards if general else 0),
        notes=tuple(notes if general else [*notes, "One release has no general_papers."]),
    )


@dataclass(frozen=True)
class _Pair:
    """The rows of one table's shards that differ, before and after."""

    tables: tuple[Manifest, Manifest]
    rows: pl.DataFrame
    """One row per id that differs; columns of the later release end in ``_after``; ``there`` and
    ``there_after`` are 1 where the paper is in the table, else null."""
    n_shards: int

    @classmethod
    def of(cls, store: Store, table: str, before: str, after: str) -> _Pair:
        tables = store.require(table, before), store.require(table, after)
        files = _shards(tables[0]), _shards(tables[1])
        differing = sorted({month for month, _ in files[0].items() ^ files[1].items()})
        old, new = [_EMPTY], [_EMPTY]
        for month in differing:
            rows = [
                _read(store, manifest, listed[month]) if month in listed else _EMPTY
                for manifest, listed in zip(tables, files, strict=True)
            ]
            old.append(_without(rows[0], rows[1]))
            new.append(_without(rows[1], rows[0]))
        joined = (
            pl.concat(old)
            .with_columns(there=pl.lit(1))
            .join(
                pl.concat(new).with_columns(there=pl.lit(1)),
                on="id",
                how="full",
                coalesce=True,
                suffix="_after",
            )
        )
        n_shards = sum(month in listed for month in differing for listed in files)
        return cls(tables, joined.sort("id"), n_shards)

    @property
    def ids_after(self) -> frozenset[str]:
        return frozenset(self.rows.filter(pl.col("there_after").is_not_null())["id"])

    def diff(self, moved: str, moved_to: frozenset[str]) -> TableDiff:
        """Sort the papers; those lost to ``moved_to`` get the word ``moved``."""
        was, now = pl.col("there").is_not_null(), pl.col("there_after").is_not_null()
        used, used_now = pl.col("excluded_because").is_null(), _after("excluded_because").is_null()
        gone = _after("excluded_because") == "withdrawn"
        was_gone = pl.col("excluded_because") == "withdrawn"
        changed = pl.col("row_sha256") != _after("row_sha256")
        stay = self.rows.filter(was & now)
        lost = self.rows.filter(was & ~now)
        return TableDiff(
            n_before=self.tables[0].counts["papers"],
            n_after=self.tables[1].counts["papers"],
            added=_papers(self.rows.filter(~was & now & used_now)),
            revised=tuple(_revised(stay.filter(used & used_now & changed))),
            withdrawn=_papers(stay.filter(gone & ~was_gone.fill_null(False))),
            lost=tuple(
                Paper(row["id"], *_place(row, ""), moved if row["id"] in moved_to else "")
                for row in lost.iter_rows(named=True)
            ),
            exclusions=_exclusions(self.rows.filter(now)),
        )


def _after(column: str) -> pl.Expr:
    return pl.col(f"{column}_after")


def _shards(table: Manifest) -> dict[str, str]:
    """Return month -> shard file of a table; the file's name holds its content."""
    return {shard["month"]: shard["file"] for shard in table.facts["shards"]}


def _read(store: Store, table: Manifest, name: str) -> pl.DataFrame:
    """Return a shard's rows after comparing the very bytes they are read from."""
    where = f"{table.asset}, release {table.release}"
    path, expected = store.path_of(table) / name, table.files.get(name, "")
    do = f"Materialise {where} again; the damaged file will be replaced."
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DamagedArtifactError(
            f"{where}: {path} cannot be read: {error.strerror}.", do=do
        ) from error
    found = sha256(data).hexdigest()
    if found != expected:
        raise DamagedArtifactError(
            f"{where}: {path} has sha256 {found[:12]}….",
            expected=f"{expected[:12]}…, as when it was made.",
            do=do,
        )
    try:
        return pl.read_parquet(BytesIO(data), columns=list(_COLUMNS))
    except pl.exceptions.PolarsError as error:
        reason = " ".join(str(error).split())[:160]
        raise DamagedArtifactError(
            f"{where}: {path} holds other columns than this version reads: {reason}.", do=do
        ) from error


def _without(rows: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that do not stand in ``others`` as they are: few, however large the month."""
    same = ["id", "row_sha256", "excluded_because"]
    return rows.join(others, on=same, how="anti", nulls_equal=True)


def _papers(rows: pl.DataFrame) -> tuple[Paper, ...]:
    return tuple(Paper(row["id"], *_place(row, "_after"), "") for row in rows.iter_rows(named=True))


def _place(row: dict[str, Any], end: str) -> tuple[str, str, str | None]:
    return row[f"submission_month{end}"], row[f"side{end}"], row[f"title{end}"]


def _revised(rows: pl.DataFrame) -> Iterator[Paper]:
    for row in rows.iter_rows(named=True):
        changed = [name for name in _SHOWN if row[name] != row[f"{name}_after"]]
        yield Paper(row["id"], *_place(row, "_after"), ", ".join(changed) or "dates or versions")


def _exclusions(rows: pl.DataFrame) -> dict[str, int]:
    """Count why texts are not used, before -> after; plain additions and withdrawals apart."""
    counted: Counter[str] = Counter()
    for row in rows.iter_rows(named=True):
        was = (row["excluded_because"] or "used") if row["there"] else "not in the table"
        now = row["excluded_because_after"] or "used"
        is_plain = (was, now) == ("not in the table", "used")
        is_withdrawal = now == "withdrawn" and was != "not in the table"
        if was != now and not is_plain and not is_withdrawal:
            counted[f"{was} -> {now}"] += 1
    return dict(sorted(counted.items()))


def _tokens_gained(
    store: Store, before: str, after: str
) -> tuple[dict[str, int] | None, list[str]]:
    """Return the tokens gained by each side, or why they cannot be compared."""
    old, new = (store.current("token_blocks", release) for release in (before, after))
    without = [r for r, blocks in ((before, old), (after, new)) if blocks is None]
    if old is None or new is None:
        return None, [f"Release {' and '.join(without)} has no token_blocks."]
    if old.parameters["tokenizer"] != new.parameters["tokenizer"]:
        return None, ["The releases were tokenised by different tokenizers: tokens do not compare."]
    return {side: new.counts[f"{side}_tokens"] - old.counts[f"{side}_tokens"] for side in SIDES}, []
