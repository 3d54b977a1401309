"""Records and snapshots small enough to check by hand."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from astro_assets.ingest.records import Record

MEMBER = "arxiv-metadata-oai-snapshot.json"


def record(id: str = "2307.00001", **fields: Any) -> dict[str, Any]:
    """Return one snapshot record: Kaggle's 14 fields in its order, any of them overridden.

    ``journal-ref`` and ``report-no`` are given with an underscore.
    """
    made: dict[str, Any] = {
        "id": id,
        "submitter": "Ada Example",
        "authors": "Ada Example, Ben Sample (Observatory of Nowhere)",
        "title": f"A survey with the number {id}",
        "comments": "12 pages, 5 figures",
        "journal-ref": None,
        "doi": None,
        "report-no": None,
        "categories": "astro-ph.GA",
        "license": "http://arxiv.org/licenses/nonexclusive-distrib/1.0/",
        "abstract": f"  We observe galaxies and call the result number {id}. It is bright.\n",
        "versions": [{"version": "v1", "created": "Mon, 3 Jul 2023 19:18:42 GMT"}],
        "update_date": "2023-07-04",
        "authors_parsed": [["Example", "Ada", ""], ["Sample", "Ben", ""]],
    }
    for name, value in fields.items():
        key = {"journal_ref": "journal-ref", "report_no": "report-no"}.get(name, name)
        if key not in made:
            raise KeyError(f"a snapshot record has no field {name!r}")
        made[key] = value
    return made


def decoded(made: dict[str, Any]) -> Record:
    """Return a snapshot record as the object that harvests give."""
    return msgspec.convert(made, Record)


def json_lines(records: Iterable[dict[str, Any] | bytes]) -> bytes:
    """Return JSON Lines; ``bytes`` entries are put in as they are (for broken lines)."""
    lines = [r if isinstance(r, bytes) else json.dumps(r).encode() for r in records]
    return b"".join(line + b"\n" for line in lines)


def write_snapshot(
    path: Path, records: Iterable[dict[str, Any] | bytes], form: str = "zip"
) -> Path:
    """Write records to ``path`` as ``zip`` (one member, as Kaggle has it), ``gz`` or ``jsonl``."""
    data = json_lines(records)
    path.parent.mkdir(parents=True, exist_ok=True)
    if form == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            # A fixed time stamp: equal records give equal bytes.
            archive.writestr(zipfile.ZipInfo(MEMBER), data, zipfile.ZIP_DEFLATED)
    elif form == "gz":
        path.write_bytes(gzip.compress(data, mtime=0))
    elif form == "jsonl":
        path.write_bytes(data)
    else:
        raise ValueError(f"form is zip, gz or jsonl, not {form!r}")
    return path
