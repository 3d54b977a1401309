"""Release months: ``YYYY-MM`` keys, their first and last instants (UTC), and the months between.

A release month is everything arXiv held when that month ended, so it exists only once it has ended.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from astro_assets.errors import BadReleaseError

_KEY = re.compile(r"([0-9]{4})-([0-9]{2})")


@dataclass(frozen=True, order=True)
class Month:
    """One calendar month, ordered and hashable."""

    year: int
    number: int

    @classmethod
    def parse(cls, key: str) -> Month:
        """Read ``YYYY-MM``; anything else is a BadReleaseError."""
        match = _KEY.fullmatch(key)
        if match is None or not 1 <= int(match[2]) <= 12:
            raise BadReleaseError(
                f"{key[:40]!r} is not a month.", expected="YYYY-MM, as in 2023-07."
            )
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, day: date) -> Month:
        """Return the month a day or instant lies in."""
        return cls(day.year, day.month)

    @property
    def start(self) -> datetime:
        """The first instant, UTC."""
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The first instant that no longer belongs to it, UTC (E of a release)."""
        return self.next().start

    def next(self) -> Month:
        """Return the month after."""
        return self.plus(1)

    def plus(self, n_months: int) -> Month:
        """Return the month ``n_months`` later (earlier if negative)."""
        index = self.year * 12 + self.number - 1 + n_months
        return Month(index // 12, index % 12 + 1)

    def is_before(self, day: date) -> bool:
        """Tell whether the month had ended before ``day`` began; its end is not before itself."""
        return day > self.end.date()

    def through(self, last: Month) -> Iterator[Month]:
        """Yield every month from this one to ``last``, both included."""
        month = self
        while month <= last:
            yield month
            month = month.next()

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"


FIRST_RELEASE = Month(1992, 4)
"""astro-ph opened in April 1992; the paper's corpus starts there (arXiv:2309.06126, section 2)."""


def newest_ended(now: datetime) -> Month:
    """Return the newest month that has ended at ``now`` (UTC)."""
    return Month.of(now.astimezone(UTC)).plus(-1)


def parse_release(key: str, *, now: datetime) -> Month:
    """Read a release month and refuse one that cannot exist at ``now``.

    Raises:
        BadReleaseError: malformed, before 1992-04, or not ended.
    """
    month = Month.parse(key)
    if month < FIRST_RELEASE:
        raise BadReleaseError(
            f"Release {month} lies before astro-ph.",
            expected=f"{FIRST_RELEASE} or later.",
            do=f"Choose a month from {FIRST_RELEASE} to {newest_ended(now)}.",
        )
    if month > newest_ended(now):
        raise BadReleaseError(
            f"Release {month} has not ended yet (now is {now.astimezone(UTC):%Y-%m-%d %H:%M} UTC).",
            expected="a month that has ended: a release is all that arXiv held at its end.",
            do=f"The newest release is {newest_ended(now)}.",
        )
    return month
