"""Harvests under random faults and kills: whatever happens, what is held is what the server has.

The suite runs a few seeds; ``make torture`` runs them all.
"""

import contextlib
import random
import signal
import subprocess
import sys
import threading

import pytest

from astro_assets.errors import HarvestError
from astro_assets.ingest.oai_held import held_harvest
from astro_assets.ingest.oai_xml import parse_page
from tests.fakes.arxiv_faults import then
from tests.fakes.arxiv_oai import FakeArxiv, serving
from tests.fakes.arxiv_plans import random_faults, random_outage, random_page_sizes
from tests.fakes.clock import FakeClock
from tests.ingest.harvesting import harvest_june, merged, paper

N_SEEDS, N_KILLED_RUNS = 200, 50
N_IN_SUITE = {"faults": 8, "kills": 2}
MAX_CALLS = 12
"""How often a person would start a harvest again that ended in "run again later"."""
WINDOW_STARTS = "2026-05-30"


def _seeds(kind, n):
    few = N_IN_SUITE[kind]
    return [*range(few), *(pytest.param(i, marks=pytest.mark.torture) for i in range(few, n))]


def _server(rng, time, *, quiet_today=False):
    """Return a server of up to 80 papers, many changed on the same days: tokens have offsets."""
    busy_days = [f"06-{rng.randint(1, 30):02d}" for _ in range(rng.randint(1, 4))]
    days = [*3 * busy_days, "05-29", "05-30", "07-01"] + ([] if quiet_today else ["07-02"])
    records = [paper(i, rng.choice(days)) for i in range(1, rng.randint(2, 80))]
    for record in rng.sample(records, min(len(records), 3)):
        record["abstract"] = "With a tab\tand TeX: $\\alpha < \\beta$ & more.\n"
    records.append(paper(99_999, "06-30"))
    fake = FakeArxiv(records, per_page=rng.randint(3, 20), now=time.clock, advance=time.advance)
    fake.control = {record["id"] for record in records if rng.random() < 0.03}
    return fake


def _make_one_unreadable(rng, fake):
    """Let one paper of the window never come; return its id, or None."""
    inside = [r["id"] for r in fake.records if WINDOW_STARTS <= r["datestamp"] < "2026-06-30"]
    if not inside or rng.random() < 0.6:
        return None
    bad = rng.choice(inside)
    rng.choice((fake.poisoned, fake.ill_formed)).add(bad)
    return bad


def _final(fake):
    """Return what the server has of the window, read from single records without faults."""
    fake.faults, fake.control, fake.poisoned, fake.ill_formed = {}, set(), set(), set()
    final = {}
    for record in fake.records:
        if record["datestamp"] >= WINDOW_STARTS:
            identifier = f"oai:arXiv.org:{record['id']}"
            query = f"verb=GetRecord&identifier={identifier}&metadataPrefix=arXivRaw"
            (final[record["id"]],) = parse_page(fake.answer(query)).records
    return final


def _harvest_patiently(fake, folder, time, seed):
    """Harvest as a person would who starts again what said "later"."""
    for _ in range(MAX_CALLS):
        with contextlib.suppress(HarvestError):
            return harvest_june(fake, folder, time, seed=seed)
        time.sleep(3_600)
    raise AssertionError("never came to an end")


@pytest.mark.parametrize("seed", _seeds("faults", N_SEEDS))
def test_whatever_goes_wrong_what_is_held_is_what_the_server_has(seed, tmp_path):
    rng, time = random.Random(seed), FakeClock()
    # Even seeds change papers twice a day. Such a change is seen as long as what changed since the
    # harvest began fits a page (arXiv's do); odd seeds change the size of pages instead.
    twice_a_day = seed % 2 == 0
    fake = _server(rng, time, quiet_today=twice_a_day)
    n_requests = rng.randint(5, 80)
    plan = random_faults(rng, n_requests=n_requests, fake=fake, twice_a_day=twice_a_day)
    if not twice_a_day:
        random_page_sizes(rng, fake, n_requests=n_requests)
    if rng.random() < 0.4:
        plan.append(random_outage(rng, fake))
    bad = _make_one_unreadable(rng, fake)
    folder = tmp_path / "w"
    with serving(fake):
        built = _harvest_patiently(fake, folder, time, seed)
        final = _final(fake)
        unreadable = [final.pop(bad).id] if bad else []
        assert merged(folder) == final, plan
        assert built.facts["unreadable"] == unreadable, plan


HARVESTER = """
import sys
from pathlib import Path
from tests.fakes.clock import FakeClock
from tests.fakes.arxiv_oai import FakeArxiv
from tests.ingest.harvesting import harvest_june
harvest_june(FakeArxiv([], url=sys.argv[1]), Path(sys.argv[2]), FakeClock())
"""


def _harvest_and_kill(fake, folder, rng):
    """Start a harvest in a process of its own; kill it a moment after one of its requests."""
    asked = threading.Event()
    fake.faults = {len(fake.queries) + rng.randint(1, 12): then(lambda _server: asked.set())}
    process = subprocess.Popen([sys.executable, "-c", HARVESTER, fake.url, str(folder)])
    while process.poll() is None and not asked.wait(0.01):
        pass
    with contextlib.suppress(subprocess.TimeoutExpired):
        # somewhere between the request and the next: reading, writing a page, writing its line
        process.wait(timeout=rng.uniform(0.0, 0.02))
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("seed", _seeds("kills", N_KILLED_RUNS))
def test_a_harvest_killed_at_random_moments_loses_nothing(seed, tmp_path):
    rng, time = random.Random(seed), FakeClock()
    fake = _server(rng, time)
    fake.records += [paper(50_000 + i, "06-29") for i in range(12 * fake.per_page)]
    folder = tmp_path / "w"
    with serving(fake):
        for _ in range(rng.randint(1, 5)):
            _harvest_and_kill(fake, folder, rng)
            if held_harvest(folder) is not None:
                break  # it came to its end before
            living = [record["id"] for record in fake.records]
            fake.edit(rng.choice(living), title="edited while nobody harvested", day="2026-07-02")
        fake.faults = {}
        harvest_june(fake, folder, time, seed=seed)
        assert merged(folder) == _final(fake)
