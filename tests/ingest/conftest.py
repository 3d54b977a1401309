"""A fake server with the window of June 2026 in it, its clock, and a folder to harvest into."""

import pytest

from tests.fakes.arxiv_oai import FakeArxiv, serving
from tests.fakes.clock import FakeClock
from tests.ingest.harvesting import paper
from tests.ingest.june import DAYS


@pytest.fixture
def time():
    return FakeClock()


@pytest.fixture
def fake(time):
    """Serve five records of the window in three pages, and one from before it."""
    records = [paper(i, day) for i, day in enumerate(DAYS, 1)]
    with serving(FakeArxiv(records, now=time.clock)) as fake:
        yield fake


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "2026-06"
