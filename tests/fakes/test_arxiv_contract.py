"""The fake server held against recorded answers of arXiv's own server program.

The papers are read out of the recorded pages, served by the fake, and asked for with the recorded
requests. Compared are status, headers, error, echo of the request, records in their order,
datestamps, sets, tokens and their end, and each arXivRaw element. White space between elements and
quotation marks of attributes are not, and of the set list only the setSpecs.
"""

import http.client
import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree.ElementTree import canonicalize, fromstring, tostring

import pytest

from tests.fakes.arxiv_oai import FakeArxiv, serving

OAI = "{http://www.openarchives.org/OAI/2.0/}"
RAW = "{http://arxiv.org/OAI/arXivRaw/}"
FOLDER = Path(__file__).resolve().parents[3] / "shared" / "oai" / "server"
PAGES = range(1, 4)

NOT_HELD = {
    **dict.fromkeys(
        [f"ListRecords_{form}_astro-ph_p{page:02d}"
         for form in ("arXiv", "arXivOld", "oai_dc") for page in PAGES]
        + ["GetRecord_arXiv", "GetRecord_arXivOld", "GetRecord_oai_dc"],
        "the fake makes arXivRaw only",
    ),
    **dict.fromkeys(
        ["schema_arXiv", "schema_arXivOld", "schema_arXivRaw"], "the fake serves no XML schemas"
    ),
}  # fmt: skip
N_HELD = 72


def _index():
    path = FOLDER / "_index.jsonl"
    lines = path.read_text().splitlines() if path.is_file() else []
    return {entry["name"]: entry for entry in map(json.loads, lines)}


INDEX = _index()
HELD = [name for name in INDEX if name not in NOT_HELD]
pytestmark = pytest.mark.skipif(not INDEX, reason=f"no recorded answers in {FOLDER}")


@pytest.fixture(scope="module")
def fake():
    """Serve the recorded papers, forty records and a hundred headers a page."""
    records, moved = _recorded_papers()
    with serving(FakeArxiv(records, per_page=40, moved=moved)) as fake:
        yield fake


def _recorded_papers():
    """Return the papers of the recorded harvest, and their order of change within a day.

    The server goes through a day by the second of change, which no answer tells, and sorts a page
    by id. Which page a paper stood on, in both lists, is what can be known of that order.
    """
    records, moved = {}, {}
    for page, root in enumerate(_roots("ListRecords_arXivRaw_all"), 1):
        for item in root.iter(f"{OAI}record"):
            made = _paper(item)
            records[made["id"]], moved[made["id"]] = made, page * 1000
    for page, root in enumerate(_roots("ListIdentifiers_all"), 1):
        for header in root.iter(f"{OAI}header"):
            moved[header.findtext(f"{OAI}identifier").removeprefix("oai:arXiv.org:")] += page
    return list(records.values()), moved


def _roots(name):
    return [fromstring(path.read_bytes()) for path in sorted(FOLDER.glob(f"{name}_p*.xml"))]


def _paper(item):
    raw = item.find(f"{OAI}metadata/{RAW}arXivRaw")
    fields = {child.tag.removeprefix(RAW): child.text for child in raw if not len(child)}
    versions = [
        {
            "version": version.get("version"),
            "created": version.findtext(f"{RAW}date"),
            "size": version.findtext(f"{RAW}size"),
            "source_type": version.findtext(f"{RAW}source_type"),
        }
        for version in raw.iter(f"{RAW}version")
    ]
    day = item.findtext(f"{OAI}header/{OAI}datestamp")
    return {**fields, "versions": versions, "datestamp": day}


def _ask(fake, request):
    """Repeat a recorded request, byte for byte; return status, headers and body."""
    method, _, rest = request.partition(" ")
    url, _, body = rest.partition(" body=")
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(urlsplit(fake.url).netloc, timeout=10)
    try:
        form = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request(method, path, body=body or None, headers=form)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def _facts(body):
    """Return what a harvester could read out of an answer."""
    root = fromstring(body)
    error, token = root.find(f"{OAI}error"), root.find(f".//{OAI}resumptionToken")
    formats, identify = root.find(f"{OAI}ListMetadataFormats"), root.find(f"{OAI}Identify")
    description = f"{OAI}description"
    return {
        "children": [child.tag for child in root],
        "responseDate": root.findtext(f"{OAI}responseDate"),
        "echo": root.find(f"{OAI}request").attrib,
        "error": None if error is None else (error.get("code"), error.text),
        "headers": [
            [(child.tag, child.text) for child in header] for header in root.iter(f"{OAI}header")
        ],
        "metadata": [_canonical(item) for item in root.iter(f"{OAI}metadata")],
        "token": None if token is None else (token.text, token.attrib),
        "sets": [spec.text for spec in root.iterfind(f"{OAI}ListSets/{OAI}set/{OAI}setSpec")],
        "formats": None if formats is None else _canonical(formats),
        "identify": [(c.tag, c.text) for c in identify or () if c.tag != description],
    }


def _canonical(element):
    # The tail belongs to what comes after the element, not to it.
    element.tail = None
    return canonicalize(tostring(element, encoding="unicode"), strip_text=True)


@pytest.mark.parametrize("name", HELD)
def test_the_fake_answers_as_arxiv_did(fake, name):
    recorded = _facts((FOLDER / f"{name}.xml").read_bytes())
    fake.now = lambda: datetime.fromisoformat(recorded["responseDate"])
    lines = (FOLDER / f"{name}.headers").read_text().splitlines()
    headers = dict(line.split(": ", 1) for line in lines if ": " in line)
    status, got_headers, body = _ask(fake, INDEX[name]["request"])
    assert f"HTTP {status}" == lines[0]
    for header in ("Content-Type", "Connection", "Server", "Date", "Surrogate-Control"):
        assert got_headers[header] == headers[header]
    got = _facts(body)
    for fact, value in recorded.items():
        assert got[fact] == value, fact


@pytest.mark.parametrize("name", [n for n in NOT_HELD if not n.startswith("schema")])
def test_other_formats_are_refused_as_formats(fake, name):
    first = INDEX[name.replace("_p02", "_p01").replace("_p03", "_p01")]
    _, _, body = _ask(fake, first["request"])
    code, text = _facts(body)["error"]
    assert (code, text.partition("Reason: ")[2]) == (
        "cannotDisseminateFormat",
        "Did not recognize requested format",
    )


def test_every_recorded_request_is_held_or_says_why_not():
    assert NOT_HELD.keys() <= INDEX.keys()
    assert (len(HELD), len(NOT_HELD)) == (N_HELD, 15)


def test_every_set_holds_as_many_papers_as_there(fake):
    counts = json.loads((FOLDER / "_summary.json").read_text())["set_counts"]
    fake.now = lambda: datetime.fromisoformat("2026-11-20T10:14:04Z")
    got = {wanted: _n_listed(fake, wanted) for wanted in counts}
    assert got == {wanted: count["ids"] for wanted, count in counts.items()}


def _n_listed(fake, wanted):
    query, n = f"verb=ListIdentifiers&metadataPrefix=arXivRaw&set={wanted}", 0
    while query:
        facts = _facts(fake.answer(query))
        n += len(facts["headers"])
        token = (facts["token"] or (None,))[0]
        query = token and f"verb=ListIdentifiers&resumptionToken={token.replace('%', '%25')}"
    return n


def test_the_recordings_hold_what_the_table_above_leaves_to_compare():
    kinds = Counter(name.split("_")[0] for name in HELD)
    assert kinds["ListRecords"] == 18
    assert kinds["ListIdentifiers"] == 8
    assert kinds["err"] >= 30
