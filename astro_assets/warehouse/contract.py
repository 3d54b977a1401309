"""What a contract is: the declared columns of a table, and what each of them promises.

What does not belong here: the tables there are (contracts.py, mart_contracts.py), and running the
rules that follow (rules.py, quality.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from astro_assets.errors import DamagedArtifactError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    type: str
    """DuckDB's name of the type."""
    description: str
    nullable: bool = True
    accepted: tuple[str, ...] | tuple[bool, ...] = ()
    """The values it may have; any if empty. Null is ``nullable``'s matter."""
    pattern: str = ""
    """Regular expression that its texts match from end to end; any if empty."""


@dataclass(frozen=True)
class Contract:
    """What a table promises."""

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ("id",)
    """Columns that no two rows agree in."""

    @property
    def arrow_schema(self) -> pa.Schema:
        """The schema of its Parquet files."""
        import pyarrow as pa

        types = {
            "VARCHAR": pa.string(),
            "INTEGER": pa.int32(),
            "BIGINT": pa.int64(),
            "BOOLEAN": pa.bool_(),
            "DATE": pa.date32(),
            "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", tz="UTC"),
        }
        return pa.schema(
            [pa.field(c.name, types[c.type], nullable=c.nullable) for c in self.columns]
        )

    def check(self, found: pa.Schema, path: Path) -> None:
        """Refuse a file whose columns, types or nullability are others.

        Raises:
            DamagedArtifactError: names the first difference.
        """
        expected = self.arrow_schema
        for name in expected.names:
            if name not in found.names:
                self._refuse(f"{path} lacks the column {name!r}.")
            if found.field(name).type != expected.field(name).type:
                self._refuse(
                    f"{path}: column {name!r} is {found.field(name).type}, "
                    f"not {expected.field(name).type}."
                )
            if found.field(name).nullable and not expected.field(name).nullable:
                self._refuse(f"{path}: column {name!r} may hold nulls.")
        extra = [name for name in found.names if name not in expected.names]
        if extra:
            self._refuse(f"{path} has the unknown column {extra[0]!r}.")

    def _refuse(self, found: str) -> None:
        raise DamagedArtifactError(
            found,
            expected=f"the {len(self.columns)} columns declared for {self.name}.",
            do=f"Materialise {self.name} again.",
        )
