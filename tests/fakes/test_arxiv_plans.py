import random
import re
from urllib.parse import quote
from xml.etree.ElementTree import ParseError, fromstring

import httpx
import pytest

from tests.builders import record
from tests.fakes.arxiv_oai import FakeArxiv, serving
from tests.fakes.arxiv_plans import CHANGES, FAILING, HARMLESS, MAX_IN_A_ROW, random_faults

OAI = "{http://www.openarchives.org/OAI/2.0/}"
START = "metadataPrefix=arXivRaw&from=2026-06-01"


def _fake():
    papers = [
        {**record(f"2606.{i:05d}"), "datestamp": f"2026-06-{i // 3 + 1:02d}"} for i in range(1, 21)
    ]
    return FakeArxiv(papers, per_page=3)


def _plan(seed):
    fake = _fake()
    return fake, random_faults(random.Random(seed), n_requests=60, fake=fake)


def _words(told):
    return {int(n): rest.split(", then ") for n, rest in (line.split(": ", 1) for line in told)}


def test_equal_seeds_give_equal_plans():
    assert _plan(1)[1] == _plan(1)[1] != _plan(2)[1]


def test_every_kind_of_fault_and_change_is_planned():
    planned = {word for seed in range(30) for words in _words(_plan(seed)[1]).values()
               for word in words}  # fmt: skip
    assert planned == {*FAILING, *HARMLESS, *CHANGES}


@pytest.mark.parametrize("seed", range(10))
def test_a_plan_keeps_its_bounds(seed):
    fake, told = _plan(seed)
    words = _words(told)
    assert words.keys() == fake.faults.keys()
    fails = "".join("x" if words.get(n, [""])[-1] in FAILING else "." for n in range(1, 61))
    assert max(map(len, re.findall("x*", fails))) <= MAX_IN_A_ROW
    changes = [n for n in words if words[n][0] in CHANGES]
    assert len(changes) <= fake.per_page
    assert max(changes, default=0) <= 30


@pytest.mark.parametrize("seed", range(12))
def test_a_patient_client_ends_with_what_the_server_has(seed):
    fake = _fake()
    told = random_faults(random.Random(seed), n_requests=30, fake=fake)
    with serving(fake), httpx.Client() as client:
        held = _harvest(fake, client)
    assert held == {paper["id"]: paper["title"] for paper in fake.records}, told


def _harvest(fake, client):
    """Walk to the end, then fetch what the list of identifiers has newer, till there is nothing."""
    held, days = {}, {}
    _walk(fake, client, "ListRecords", lambda root: _keep(root, held, days))
    missing = ["?"]
    while missing or fake.faults:
        listed = {}
        _walk(fake, client, "ListIdentifiers", lambda root, into=listed: into.update(_days(root)))
        missing = [paper for paper, day in listed.items() if days.get(paper) != day]
        for paper in missing:
            query = f"verb=GetRecord&metadataPrefix=arXivRaw&identifier=oai:arXiv.org:{paper}"
            _keep(_right(fake, client, query), held, days)
    return held


def _walk(fake, client, verb, keep):
    query = f"verb={verb}&{START}"
    while query:
        root = _right(fake, client, query)
        if root.find(f"{OAI}error") is not None:
            query = f"verb={verb}&{START}"
            continue
        keep(root)
        token = root.findtext(f"{OAI}{verb}/{OAI}resumptionToken")
        query = token and f"verb={verb}&resumptionToken={quote(token, safe='')}"


def _right(fake, client, query):
    """Return an answer of the protocol's, asking again for whatever else comes."""
    for _ in range(MAX_IN_A_ROW + 1):
        try:
            answer = client.get(f"{fake.url}?{query}")
            root = fromstring(answer.content)
        except (httpx.HTTPError, ParseError):
            continue
        error = root.find(f"{OAI}error")
        stale = error is not None and error.get("code") == "noRecordsMatch"
        if root.tag == f"{OAI}OAI-PMH" and b"<!DOCTYPE" not in answer.content and not stale:
            return root
    raise AssertionError(f"no right answer to {query}")


def _days(root):
    return {
        header.findtext(f"{OAI}identifier")[14:]: header.findtext(f"{OAI}datestamp")
        for header in root.iter(f"{OAI}header")
    }


def _keep(root, held, days):
    for item in root.iter(f"{OAI}record"):
        (paper,) = (h.findtext(f"{OAI}identifier")[14:] for h in item.iter(f"{OAI}header"))
        titles = [e.text for e in item.iter("{http://arxiv.org/OAI/arXivRaw/}title")]
        held[paper], days[paper] = titles[0], item.findtext(f"{OAI}header/{OAI}datestamp")
