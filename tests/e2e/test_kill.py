"""A refresh killed at random moments leaves a readable home, and one more run gives what it should.

Half of the kills come at a random time of the run, half right before a random change of the home (a
file opened, renamed, removed), so that the narrow gaps between two of them are hit as well. A run
that ended before its kill is not counted. The suite kills a few; ``make torture`` goes on until it
has killed more than a hundred.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL

import pytest

from tests.e2e import refreshes
from tests.e2e.refreshes import Content, Cost, Refresh

pytestmark = pytest.mark.slow

N_IN_SUITE = 2
N_LOTS, N_KILLS_OF_A_LOT = 8, 13
"""Each lot counts its own kills, so that it does not matter which process runs it."""
KILLS_IN_A_ROW = (1, 3, 5, 4)
"""Of one plan after the other; the runs after the first have less to do."""
LEAST_LEFT = 0.15
"""Share of a run that even one with nothing left to make takes."""
MAX_LEFT = 2
"""Hidden files and folders of one killed run; the next one removes them, so they do not add up."""
N_OF_LOT_FROM_NOTHING = 1
"""Plans of a lot that begin with no home at all."""


@dataclass(frozen=True)
class Start:
    """Where a plan begins: May is made, or there is no home."""

    refresh: Refresh
    cost: Cost
    whole: Content
    """What the home holds after an uninterrupted run."""
    from_nothing: bool = False

    def go(self) -> None:
        self.refresh.clear() if self.from_nothing else self.refresh.reset()


@pytest.fixture(scope="module")
def refresh(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Refresh]:
    with refreshes.refresh_in(tmp_path_factory.mktemp("kill"), tiny_base) as made:
        yield made


@pytest.fixture(scope="module")
def with_may(refresh: Refresh) -> Start:
    assert refresh.whole is not None
    return Start(refresh, refresh.cost, refresh.whole)


@pytest.fixture(scope="module")
def with_nothing(with_may: Start) -> Start:
    refresh = with_may.refresh
    refresh.clear()
    refresh.measure()
    whole = refreshes.content_of(refresh.home)
    assert refreshes.of_june(whole) == refreshes.of_june(with_may.whole)
    return Start(refresh, refresh.cost, whole, from_nothing=True)


@pytest.mark.parametrize("plan", range(N_IN_SUITE))
def test_a_killed_refresh_is_readable_and_the_next_run_makes_it_whole(
    plan: int, with_may: Start
) -> None:
    _carry_out(plan, with_may)


@pytest.mark.torture
@pytest.mark.parametrize("lot", range(N_LOTS))
def test_a_lot_of_kills(lot: int, with_may: Start, with_nothing: Start) -> None:
    n_killed = n_plans = 0
    while n_killed < N_KILLS_OF_A_LOT:
        start = with_nothing if n_plans < N_OF_LOT_FROM_NOTHING else with_may
        n_killed += _carry_out(1_000 * (lot + 1) + n_plans, start)
        n_plans += 1
    print(f"lot {lot}: {n_killed} kills in {n_plans} plans")


def _carry_out(plan: int, start: Start) -> int:
    """Kill a few runs in a row, look at the home after each, make it whole; return the kills."""
    chance, refresh = random.Random(plan), start.refresh
    start.go()
    before = refreshes.content_of(refresh.home)
    n_killed, left = 0, 1.0
    for number in range(KILLS_IN_A_ROW[plan % len(KILLS_IN_A_ROW)]):
        share = chance.uniform(0.0, left)
        by_time = chance.random() < 0.5
        killed = _kill(start, share, by_time=by_time)
        while number == 0 and not killed:
            # It was quicker this time. A plan without any kill would show nothing.
            start.go()
            share /= 2
            killed = _kill(start, share, by_time=by_time)
        refreshes.assert_readable(refresh, before)
        found = refreshes.leftovers(refresh.home)
        print(
            f"plan {plan}: {'killed' if killed else 'ended'} at {share:.2f} of {start.cost}, "
            f"by {'time' if by_time else 'change'}, left behind {found}"
        )
        assert len(found) <= MAX_LEFT
        n_killed += killed
        left = max(left - share, LEAST_LEFT)
    said = refresh.run()
    assert said.code == 0, said.err
    refreshes.assert_whole(refresh, start.whole)
    assert n_killed >= 1
    return n_killed


def _kill(start: Start, share: float, *, by_time: bool) -> bool:
    """Start a run and kill it after a share of it; tell whether it was the kill that ended it."""
    refresh, cost = start.refresh, start.cost
    if by_time:
        return refresh.start().kill_after(share * cost.seconds)
    said = refresh.start(dies_before=1 + int(share * cost.n_changes)).wait()
    assert said.code in (0, -SIGKILL), said.err
    return said.code == -SIGKILL
