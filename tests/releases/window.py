"""A harvest window on disk, as a harvest that came to its end leaves it."""

from pathlib import Path
from typing import Any

from astro_assets.ingest.oai_journal import Beginning, Ending, Journal
from astro_assets.ingest.oai_xml import parse_page
from tests.fakes.arxiv_xml import envelope, record_xml


def write_window(folder: Path, records: list[dict[str, Any]], *, day: str) -> None:
    """Write one page of records that all changed on ``day``, in the window the folder is named by.

    It is complete as of the first of the month after next, so that it covers its own month.
    """
    inside = "".join(record_xml({**record, "datestamp": day}) for record in records)
    data = envelope(f"<ListRecords>{inside}</ListRecords>")
    at = "2026-07-02T01:00:00+00:00"
    journal = Journal.read(folder)
    journal.begin(Beginning(folder.name, f"{folder.name}-01", None, at))
    journal.keep(data, parse_page(data), request="verb=ListRecords", at=at)
    journal.end(Ending(at, at, len(records), day))
