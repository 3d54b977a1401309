from datetime import date

import pytest

from astro_assets.ingest.records import Record, Version
from astro_assets.ingest.vintage import Vintage, day_of_version, month_of_id
from astro_assets.months import Month


@pytest.mark.parametrize(
    ("arxiv_id", "month"),
    [
        ("astro-ph/9204001", Month(1992, 4)),
        ("math.GT/0309136", Month(2003, 9)),
        ("hep-th/9108028", Month(1991, 8)),
        ("0704.0001", Month(2007, 4)),
        ("2606.12345", Month(2026, 6)),
        ("2613.12345", None),
        ("2600.12345", None),
        ("nonsense", None),
        ("0704.0001v2", None),
    ],
)
def test_an_id_tells_its_month(arxiv_id, month):
    assert month_of_id(arxiv_id) == month


@pytest.mark.parametrize(
    ("created", "day"),
    [
        ("Mon, 2 Apr 2007 19:18:42 GMT", date(2007, 4, 2)),
        ("Mon, 02 Apr 2007 19:18:42 GMT", date(2007, 4, 2)),
        ("Mon, 31 Feb 2007 19:18:42 GMT", None),
        ("2007-04-02", None),
        ("", None),
    ],
)
def test_a_version_tells_its_day(created, day):
    assert day_of_version(created) == day


TODAY = date(2026, 7, 2)


def _seen(*records):
    vintage = Vintage(today=TODAY)
    for record in records:
        created = [version.created for version in record.versions or ()]
        vintage.see([record.update_date], lambda of=(record.id, created): [of])
    return vintage


def _vintage(*records):
    return _seen(*records).newest()


OLD_VERSION = [Version("v1", "Mon, 2 Apr 2007 19:18:42 GMT")]
NEW_VERSION = [Version("v1", "Mon, 2 Apr 2007 19:18:42 GMT"), Version("v2", "Fri, 1 May 2009 0:0")]


def test_the_newest_update_date_decides_whatever_else_there_is():
    newer_version = Record(id="0905.0001", versions=NEW_VERSION)
    updated = Record(id="0704.0001", update_date="2008-11-26")
    older = Record(id="0704.0002", update_date="2008-01-01")
    assert _vintage(newer_version, updated, older) == ("2008-11-26", "update_date")


def test_an_update_date_that_is_no_day_is_not_believed():
    bad = Record(id="0704.0001", update_date="9999-99-99")
    good = Record(id="0704.0002", update_date="2008-01-01")
    assert _vintage(bad, good) == ("2008-01-01", "update_date")


def test_without_update_dates_the_newest_version_decides():
    records = [Record(id="0704.0001", versions=NEW_VERSION), Record(id="x", versions=OLD_VERSION)]
    assert _vintage(*records) == ("2009-05-01", "versions")


def test_with_ids_alone_the_first_day_of_the_newest_month_does():
    assert _vintage(Record(id="2606.00001"), Record(id="9999.00001")) == ("2026-06-01", "ids")


def test_nothing_tells_nothing():
    assert _vintage(Record(id="nonsense")) is None


def test_days_that_lie_ahead_are_counted_and_not_believed():
    records = [
        Record(id="0704.0001", update_date="2026-07-04"),
        Record(id="0704.0002", update_date="2062-07-01"),
        Record(id="0704.0003", update_date="2026-07-01"),
    ]
    vintage = _seen(*records)
    assert vintage.newest() == ("2026-07-01", "update_date")
    assert vintage.n_future_dates == 2


def test_tomorrow_is_believed():
    vintage = _seen(Record(id="0704.0001", update_date="2026-07-03"))
    assert (vintage.newest(), vintage.n_future_dates) == (("2026-07-03", "update_date"), 0)


def test_versions_and_ids_that_lie_ahead_are_not_believed_either():
    ahead = Record(id="2607.00001", versions=[Version("v1", "Mon, 2 Apr 2068 19:18:42 GMT")])
    assert _vintage(ahead) == ("2026-07-01", "ids")
    vintage = _seen(Record(id="2612.00001", versions=NEW_VERSION), ahead)
    assert vintage.newest() == ("2009-05-01", "versions")
    assert vintage.n_future_dates == 2


def test_where_every_update_date_lies_ahead_the_versions_decide():
    record = Record(id="0704.0001", update_date="2062-07-01", versions=OLD_VERSION)
    assert _vintage(record) == ("2007-04-02", "versions")
