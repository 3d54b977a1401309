import errno
import os
import subprocess
import sys
import time as clock
from datetime import timedelta
from itertools import pairwise

import pytest

from astro_assets.errors import BadSettingError
from astro_assets.ingest import oai_pace
from astro_assets.ingest.oai_pace import Pace
from tests.fakes.arxiv_oai import FakeArxiv, serving
from tests.fakes.clock import START, FakeClock
from tests.ingest.harvesting import paper

PAUSE = oai_pace.SECONDS_BETWEEN_REQUESTS + oai_pace._MARGIN_SECONDS


@pytest.fixture
def time():
    return FakeClock()


@pytest.fixture
def pace(tmp_path, time):
    return Pace(tmp_path / "turns.pace", time.clock, time.sleep)


def _take(pace, n=1):
    for _ in range(n):
        with pace.turn():
            pass


def test_the_first_turn_waits_for_nothing(pace, time):
    _take(pace)
    assert time.slept == []


def test_three_seconds_and_a_little_lie_between_turns(pace, time):
    _take(pace, 3)
    assert time.slept == pytest.approx([PAUSE, PAUSE])


def test_the_pause_counts_from_the_end_of_a_request(pace, time):
    with pace.turn():
        time.sleep(50.0)
    _take(pace)
    assert time.slept == [50.0, pytest.approx(PAUSE)]


def test_time_that_passed_by_itself_counts(pace, time):
    _take(pace)
    time.sleep(2.0)
    _take(pace)
    time.sleep(60.0)
    _take(pace)
    assert time.slept == [2.0, pytest.approx(PAUSE - 2.0), 60.0]


def test_others_on_the_same_file_are_waited_for(tmp_path, time):
    one, two = (Pace(tmp_path / "turns.pace", time.clock, time.sleep) for _ in range(2))
    _take(one)
    _take(two)
    assert time.slept == [pytest.approx(PAUSE)]


def test_a_turn_that_was_killed_is_counted_from_its_start(pace, time):
    descriptor = pace._opened()
    pace._note(descriptor)  # what a killed process leaves behind
    os.close(descriptor)
    _take(pace)
    assert time.slept == [pytest.approx(PAUSE)]


def test_a_clock_that_was_set_back_costs_one_pause(pace, time):
    _take(pace)
    time.now = START - timedelta(days=300)
    _take(pace)
    assert time.slept == [pytest.approx(PAUSE)]


@pytest.mark.parametrize(
    "noted",
    [b"\xff not a time", b"nan", b"nan nan", b"inf inf", b"0 nan", b"1e999 1", b"1 2 3", b"\n"],
)
def test_a_file_that_says_nothing_readable_costs_one_pause(pace, time, noted):
    pace.path.write_bytes(noted)
    _take(pace, 2)
    assert time.slept == pytest.approx([PAUSE, PAUSE])


def test_a_wall_clock_that_is_set_takes_no_pause_away(tmp_path, time):
    wall = FakeClock()
    pace = Pace(tmp_path / "turns.pace", wall.clock, time.sleep, ticks=lambda: time.now.timestamp())
    _take(pace)
    wall.advance(3_600)
    _take(pace)
    wall.advance(-7_200)
    _take(pace)
    assert time.slept == pytest.approx([PAUSE, PAUSE])
    assert pace.clock() == wall.now


def test_pauses_are_measured_by_a_clock_nobody_sets(tmp_path):
    pace = Pace(tmp_path / "turns.pace")
    before = clock.clock_gettime(oai_pace._CLOCK)
    assert before <= pace.seconds_now() <= clock.clock_gettime(oai_pace._CLOCK)


def test_what_a_server_asks_of_one_holds_for_all(tmp_path, time):
    one, two = (Pace(tmp_path / "turns.pace", time.clock, time.sleep) for _ in range(2))
    with one.turn() as turn:
        turn.seconds_away = 20.0
    time.advance(5.0)
    _take(two, 2)
    assert time.slept == pytest.approx([15.0, PAUSE])


@pytest.mark.parametrize("seconds", [90_000.0, float("inf")])
def test_no_server_keeps_all_away_for_longer_than_an_hour(pace, time, seconds):
    with pace.turn() as turn:
        turn.seconds_away = seconds
    _take(pace)
    assert time.slept == pytest.approx([oai_pace.MAX_SECONDS_AWAY])
    last = time.now.timestamp()
    pace.path.write_bytes(f"{last} {last + 1e9}".encode())  # whoever wrote that
    _take(pace)
    assert time.slept[1:] == pytest.approx([oai_pace.MAX_SECONDS_AWAY])


def test_a_machine_that_started_anew_has_forgotten_what_was_asked(pace, time):
    with pace.turn() as turn:
        turn.seconds_away = 600.0
    time.now = START - timedelta(days=3)  # its clock began at nought again
    _take(pace)
    assert time.slept == pytest.approx([PAUSE])


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_regular_file_is_refused(tmp_path, time, make):
    make(tmp_path / "turns.pace")
    with pytest.raises(BadSettingError, match=r"turns\.pace (is no regular|cannot be opened)"):
        _take(Pace(tmp_path / "turns.pace", time.clock, time.sleep))


def test_a_file_that_cannot_be_written_is_named(pace, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(oai_pace.os, "pwrite", full)
    with pytest.raises(BadSettingError, match="cannot be written: No space left"):
        _take(pace)


def test_the_file_is_for_every_user_and_no_link_is_followed(tmp_path, time):
    previous = os.umask(0o077)
    try:
        _take(Pace(tmp_path / "turns.pace", time.clock, time.sleep))
    finally:
        os.umask(previous)
    assert (tmp_path / "turns.pace").stat().st_mode & 0o777 == 0o666
    (tmp_path / "link.pace").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadSettingError, match=r"link\.pace cannot be opened"):
        _take(Pace(tmp_path / "link.pace", time.clock, time.sleep))


def test_equal_servers_share_a_file_and_others_do_not():
    here = Pace.of("https://oaipmh.arxiv.org/oai")
    assert here.path == Pace.of("https://OAIPMH.arxiv.org/oai/").path
    assert here.path != Pace.of("http://127.0.0.1:8077/oai").path
    assert here.seconds == 3.0


CLIENT = """
import sys
from pathlib import Path
import httpx
from astro_assets.ingest.oai_http import Requester
from astro_assets.ingest.oai_pace import Pace
url, file, seconds, n = sys.argv[1:]
with httpx.Client() as client:
    pace = Pace(Path(file), seconds=float(seconds))
    requester = Requester(url, contact="me@example.org", client=client, pace=pace)
    for _ in range(int(n)):
        requester.get("verb=Identify")
"""


def ask_in_parallel(fake, file, *, n_processes, n_requests, seconds):
    """Let processes ask as fast as they may; return the pauses between arrivals, in seconds."""
    command = [sys.executable, "-c", CLIENT, fake.url, str(file), str(seconds), str(n_requests)]
    processes = [subprocess.Popen(command) for _ in range(n_processes)]
    assert [process.wait(timeout=120) for process in processes] == [0] * n_processes
    times = sorted(fake.arrivals)
    assert len(times) == n_processes * n_requests
    return [later - earlier for earlier, later in pairwise(times)]


def test_processes_take_turns_as_the_server_sees_it(tmp_path):
    with serving(FakeArxiv([paper(1, "06-01")])) as fake:
        pauses = ask_in_parallel(
            fake, tmp_path / "turns.pace", n_processes=3, n_requests=3, seconds=0.1
        )
    assert min(pauses) >= 0.1


@pytest.mark.torture
def test_never_two_requests_within_three_seconds(tmp_path):
    with serving(FakeArxiv([paper(1, "06-01")])) as fake:
        pauses = ask_in_parallel(
            fake, tmp_path / "turns.pace", n_processes=4, n_requests=3, seconds=3.0
        )
    print(f"least pause of {len(pauses)}: {min(pauses):.3f} s")
    assert min(pauses) >= 3.0
