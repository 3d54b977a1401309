from datetime import UTC, datetime, timedelta, timezone

import pytest

from astro_assets.errors import BadReleaseError
from astro_assets.months import Month, newest_ended, parse_release

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def test_a_year_has_an_end():
    assert Month(2025, 12).next() == Month(2026, 1)
    assert Month(2026, 1).plus(-1) == Month(2025, 12)
    assert Month(2026, 6).end == datetime(2026, 7, 1, tzinfo=UTC)
    assert [str(m) for m in Month(2025, 11).through(Month(2026, 2))] == [
        "2025-11",
        "2025-12",
        "2026-01",
        "2026-02",
    ]


def test_the_newest_month_is_the_last_that_ended_in_utc():
    assert newest_ended(NOW) == Month(2026, 10)
    eastern = timezone(timedelta(hours=-5))
    assert newest_ended(datetime(2026, 10, 31, 22, tzinfo=eastern)) == Month(2026, 10)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("2026-11", "not ended"),
        ("2027-01", "not ended"),
        ("1992-03", "before astro-ph"),
        ("2026-13", "not a month"),
        ("2026-6", "not a month"),
        ("2026-06-01", "not a month"),
        ("../../etc", "not a month"),
        ("", "not a month"),
        ("２０２６-06", "not a month"),
    ],
)
def test_a_release_that_cannot_be_is_refused(key: str, said: str):
    with pytest.raises(BadReleaseError, match=said):
        parse_release(key, now=NOW)


def test_the_first_and_the_newest_release_can_be():
    assert str(parse_release("1992-04", now=NOW)) == "1992-04"
    assert str(parse_release("2026-10", now=NOW)) == "2026-10"
