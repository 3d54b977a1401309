"""The window of June 2026 as the fake server has it: five records in it, and what is asked for."""

from urllib.parse import quote

from tests.fakes.arxiv_oai import write_token

DAYS = ("05-29", "05-30", "06-01", "06-15", "06-30", "07-01")
WINDOW_IDS = {f"2606.{i:05d}" for i in range(2, 7)}
FIRST = "verb=ListRecords&metadataPrefix=arXivRaw&from=2026-05-30"
AUDIT = "verb=ListIdentifiers&metadataPrefix=arXivRaw&from=2026-05-30"
AGAIN = "verb=ListRecords&metadataPrefix=arXivRaw&from=2026-07-02"


def token_after(day: str, skip: int = 0) -> str:
    """Return the request that goes on with a list from a day, after so many records."""
    given = {"verb": "ListRecords", "metadataPrefix": "arXivRaw", "from": day}
    token = quote(write_token(given, skip), safe="")
    return f"verb=ListRecords&resumptionToken={token}"
