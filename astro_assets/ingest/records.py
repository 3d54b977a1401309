"""The raw record: one shape for a paper's metadata, however it came in.

Belongs here: the Arrow schema, the record as an object, the columns of a batch. Does not belong
here: where records come from (``json_records``, ``oai_xml``), and what they mean (``warehouse``).
Nothing is cleaned here; control characters, mojibake and blanks pass as they came.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pyarrow as pa

RECORD_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("submitter", pa.string()),
        pa.field("authors", pa.string()),
        pa.field("title", pa.string()),
        pa.field("comments", pa.string()),
        pa.field("journal_ref", pa.string()),
        pa.field("doi", pa.string()),
        pa.field("report_no", pa.string()),
        pa.field("categories", pa.string()),
        pa.field("license", pa.string()),
        pa.field("abstract", pa.string()),
        pa.field(
            "versions",
            pa.list_(
                pa.struct(
                    {
                        "version": pa.string(),
                        "created": pa.string(),
                        "source_type": pa.string(),
                    }.items()
                )
            ),
        ),
        pa.field("update_date", pa.string()),
        pa.field("datestamp", pa.string()),
        pa.field("is_deleted", pa.bool_(), nullable=False),
    ]
)
"""Columns of a raw record; ``datestamp`` (day of last change), the versions' ``source_type`` and
``is_deleted`` are known only from OAI-PMH."""


class Version(msgspec.Struct, frozen=True, gc=False):
    """One version of a paper."""

    version: str | None = None
    """``v1``, ``v2``, …"""
    created: str | None = None
    """As the source writes it: ``Mon, 2 Apr 2007 19:18:42 GMT``, the day not padded."""
    source_type: str | None = None
    """arXiv's letters for the files of the version; ``I`` stands for a withdrawal."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One paper's metadata; every field but the id may be missing."""

    id: str
    submitter: str | None = None
    authors: str | None = None
    title: str | None = None
    comments: str | None = None
    journal_ref: str | None = msgspec.field(default=None, name="journal-ref")
    doi: str | None = None
    report_no: str | None = msgspec.field(default=None, name="report-no")
    categories: str | None = None
    license: str | None = None
    abstract: str | None = None
    versions: list[Version] | None = None
    update_date: str | None = None
    datestamp: str | None = None
    """Not in a snapshot; the OAI-PMH header's day of last change (UTC)."""
    is_deleted: bool = False
    """Not in a snapshot; the server says there is no such paper any more, and nothing else."""


def to_batch(records: Sequence[Record]) -> pa.RecordBatch:
    """Return records as one batch of RECORD_SCHEMA, in the order given."""
    columns = [
        pa.array(
            [_plain_versions(r.versions) for r in records]
            if field.name == "versions"
            else [getattr(r, field.name) for r in records],
            type=field.type,
        )
        for field in RECORD_SCHEMA
    ]
    return pa.RecordBatch.from_arrays(columns, schema=RECORD_SCHEMA)


def _plain_versions(
    versions: list[Version] | None,
) -> list[tuple[str | None, str | None, str | None]] | None:
    return None if versions is None else [(v.version, v.created, v.source_type) for v in versions]
