"""Random plans of faults, edits and days that pass, equal for equal seeds.

Belongs here: which fault comes when. Does not belong here: the faults themselves.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from tests.builders import record
from tests.fakes import arxiv_faults as faults
from tests.fakes.arxiv_faults import Fault
from tests.fakes.arxiv_oai import FakeArxiv

MAX_IN_A_ROW = 3
"""Requests in a row that bring no right page: a patient client gets through."""

FAILING: dict[str, Callable[[random.Random], Fault]] = {
    "busy for seconds": lambda rng: faults.busy(str(rng.randrange(60)), rng.choice((503, 429))),
    "busy until a date": lambda rng: faults.busy_until(rng.randrange(90), rng.choice((503, 429))),
    "HTTP error": lambda rng: faults.fail(rng.choice((500, 502, 504))),
    "HTML with 200": lambda rng: faults.html_with_200,
    "empty body": lambda rng: faults.empty_body,
    "cut": lambda rng: faults.cut,
    "truncated silently": lambda rng: faults.truncated_silently,
    "slow": lambda rng: faults.slow(at_most_seconds=0.02),
    "token refused": lambda rng: faults.refuse_token,
    "stale noRecordsMatch": lambda rng: faults.refuse("noRecordsMatch"),
    "bad UTF-8": lambda rng: faults.bad_utf8,
    "wholly ill-formed": lambda rng: faults.wholly_ill_formed,
    "document type": lambda rng: faults.document_type,
    "control reference": lambda rng: faults.control_reference(rng.randrange(1, 9)),
    "control character": lambda rng: faults.control_character(rng.randrange(1, 9)),
    "wrong content type": lambda rng: faults.wrong_content_type(
        rng.choice(("text/html", "application/json"))
    ),
}
"""Faults after which a client may have to ask again."""

HARMLESS: dict[str, Callable[[random.Random], Fault]] = {
    "duplicate": lambda rng: faults.duplicate,
    "a day goes by": lambda rng: faults.then(faults.past_midnight),
}
"""Faults that leave a right page."""

CHANGES = ("edit", "withdrawal", "new paper", "category loss")


def random_faults(
    rng: random.Random,
    *,
    n_requests: int,
    fake: FakeArxiv,
    last_edit: int | None = None,
    twice_a_day: bool = False,
) -> list[str]:
    """Fill ``fake.faults`` for the first requests; return a line for each, to show on failure.

    About half of the requests have a fault. There are at most ``per_page`` changes of papers in all
    (arXiv's own rate is far below a page per harvest), the last before request ``last_edit`` (None:
    half of the requests): what changes after a client has looked for the last time it cannot know.
    A change is made before its request is answered, and its request may have a fault besides. A
    paper that has today's datestamp already changes again only with ``twice_a_day``: its datestamp
    stays, so that no list of identifiers tells it.
    """
    changing = _changing_requests(rng, fake, n_requests // 2 if last_edit is None else last_edit)
    told, n_failing, n_days = [], 0, 0
    for number in range(1, n_requests + 1):
        name = _kind(rng, may_fail=n_failing < MAX_IN_A_ROW, may_rest=n_days < 2)
        n_failing = n_failing + 1 if name in FAILING else 0
        n_days += name == "a day goes by"
        fault = None if name is None else {**FAILING, **HARMLESS}[name](rng)
        words = [] if name is None else [name]
        if number in changing:
            kind, change = _change(rng, number, twice_a_day=twice_a_day)
            fault = faults.then(change, fault)
            words.insert(0, kind)
        if fault is not None:
            fake.faults[number] = fault
            told.append(f"{number}: {', then '.join(words)}")
    return told


def _changing_requests(rng: random.Random, fake: FakeArxiv, last_edit: int) -> set[int]:
    n = min(rng.randint(0, fake.per_page), last_edit)
    return set(rng.sample(range(1, last_edit + 1), n))


def _kind(rng: random.Random, *, may_fail: bool, may_rest: bool) -> str | None:
    """Return the name of a fault, or None for half of the requests."""
    kind = rng.choice([*FAILING, *HARMLESS]) if rng.random() < 0.5 else None
    if (kind in FAILING and not may_fail) or (kind == "a day goes by" and not may_rest):
        return None
    return kind


def _change(
    rng: random.Random, number: int, *, twice_a_day: bool
) -> tuple[str, Callable[[FakeArxiv], None]]:
    """Return a change of one paper, drawn now and made when its request comes."""
    kind, place = rng.choice(CHANGES), rng.random()

    def change(fake: FakeArxiv) -> None:
        today = fake.today()
        free = [
            r
            for r in fake.in_order()
            if not r.get("deleted") and (twice_a_day or r["datestamp"] < today)
        ]
        if kind == "new paper" or not free:
            fake.add(_new_paper(fake, number))
            return
        # with twice_a_day the newest oftener, which come last
        paper = free[int((place**0.3 if twice_a_day else place) * len(free))]
        if kind == "edit":
            fake.edit(paper["id"], title=f"{paper['title']} (edit {number})")
        elif kind == "withdrawal":
            fake.withdraw(paper["id"])
        else:
            fake.edit(paper["id"], categories="hep-th")

    return kind, change


def _new_paper(fake: FakeArxiv, number: int) -> dict[str, Any]:
    moment = fake.moment()
    created = moment.strftime("%a, %d %b %Y %H:%M:%S GMT")
    paper = record(
        f"{moment:%y%m}.{90_000 + number}", versions=[{"version": "v1", "created": created}]
    )
    return {**paper, "datestamp": fake.today()}


def random_outage(rng: random.Random, fake: FakeArxiv) -> str:
    """Let the server fail for some minutes of its clock, on top of what is planned; tell when."""
    start, minutes = rng.randint(1, 40), rng.choice((1, 3, 10, 45, 200))
    status, planned, until = rng.choice((500, 502, 503)), dict(fake.faults), list[float]()

    def dark(number: int) -> Fault:
        def run(exchange: faults.Exchange) -> None:
            now = fake.moment().timestamp()
            until or until.append(now + 60 * minutes)
            if now < until[0]:
                faults.fail(status)(exchange)
            else:
                planned.get(number, faults.Exchange.answer)(exchange)

        return run

    fake.faults |= {number: dark(number) for number in range(start, start + 400)}
    return f"{start}: HTTP {status} for {minutes} minutes"


def random_page_sizes(rng: random.Random, fake: FakeArxiv, *, n_requests: int) -> None:
    """Let the size of pages change now and then, on top of what is planned."""
    for number in rng.sample(range(1, n_requests + 1), min(n_requests, 4)):
        size = rng.randint(2, 25)

        def change(server: FakeArxiv, size: int = size) -> None:
            server.per_page = size

        fake.faults[number] = faults.then(change, fake.faults.get(number))
