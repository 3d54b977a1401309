"""Harvests that are held: what came, read again from the disk; nobody is asked.

What does not belong here: how a harvest comes about (``oai``) and its files (``oai_journal``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from astro_assets.artifacts import fingerprint
from astro_assets.artifacts.manifest import Built
from astro_assets.errors import MissingArtifactError
from astro_assets.ingest.oai_journal import Journal, made_by
from astro_assets.ingest.records import Record, to_batch

_MAX_UNREADABLE_SHOWN = 100


def held_harvest(folder: Path) -> Built | None:
    """Return a harvest that came to its end and is whole, else None; asks nobody.

    Raises:
        DamagedArtifactError: the journal cannot be read.
    """
    journal = Journal.read(folder)
    return built(journal) if journal.ending is not None and journal.is_whole() else None


def harvest_fingerprint(folder: Path) -> str:
    """Return the fingerprint of a harvest by its journal; its pages are not read.

    Raises:
        MissingArtifactError: it did not come to its end.
    """
    return built(_ended(folder)).fingerprint


def read_window(folder: Path) -> Iterator[pa.RecordBatch]:
    """Yield the records of a harvest, one batch of RECORD_SCHEMA a page, in the order they came.

    Raises:
        MissingArtifactError: it did not come to its end.
        DamagedArtifactError: a page is gone or is not what the server sent.
    """
    return map(to_batch, read_records(folder))


def read_records(folder: Path) -> Iterator[list[Record]]:
    """Yield the records of a harvest page by page; raises as ``read_window``."""
    journal = _ended(folder)
    for kept in journal.pages:
        yield journal.read_page(kept).records


def _ended(folder: Path) -> Journal:
    journal = Journal.read(folder)
    if journal.ending is None:
        raise MissingArtifactError(
            f"The harvest in {folder} has not come to its end.",
            do=f"Materialise {made_by(folder)} again.",
        )
    return journal


def built(journal: Journal) -> Built:
    """Return what a harvest that came to its end has brought."""
    pages, begun, ending = journal.pages, journal.beginning, journal.ending
    assert begun is not None and ending is not None, "asked of a harvest that has not ended"
    n_records = journal.n_records
    return Built(
        fingerprint=fingerprint.of_value([kept.sha256 for kept in pages]),
        path=journal.folder.absolute(),
        counts={
            "n_pages": len(pages),
            "n_records": n_records,
            "n_papers": ending.n_papers,
            "n_repeated": n_records - ending.n_papers,
            "n_deleted": sum(kept.n_deleted for kept in pages),
            "n_broken": sum(kept.n_broken for kept in pages),
            "n_repaired_characters": sum(kept.n_repaired for kept in pages),
            "n_recovered": sum(kept.request.startswith("verb=GetRecord") for kept in pages),
            "n_unreadable": len(ending.unreadable),
            "n_rounds": len(journal.audits),
        },
        files={kept.file: kept.file_sha256 for kept in pages},
        facts={
            "window": begun.name,
            "from": begun.asked_from,
            "harvested_at": ending.complete_at,
            "ended_at": ending.at,
            "newest": ending.newest,
            "unreadable": list(ending.unreadable[:_MAX_UNREADABLE_SHOWN]),
        },
    )
