"""A month of arXiv comes in: the real sample cut at 2026-05, and 2026-06 as the server tells it."""

from __future__ import annotations

import json
import random
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from astro_assets.ingest.oai_pace import Pace
from astro_assets.ingest.vintage import day_of_version, month_of_id
from tests.builders import write_snapshot
from tests.e2e.world import World, statuses, write_recipe
from tests.fakes.arxiv_oai import FakeArxiv, serving

pytestmark = pytest.mark.slow

TABLES = ("arxiv_snapshot", "snapshot_papers", "base_model")
RELEASE_ASSETS = ("arxiv_updates", "astro_ph_papers", "general_papers", "token_blocks")
PLANTED = {"revised": 100, "withdrawn": 60, "lost": 70, "gained": 70}
JUNE = "2026-06"


@dataclass
class Month:
    """What arXiv held at the end of May, what June changed, and what it held afterwards."""

    before: list[dict[str, Any]]
    changed: dict[str, dict[str, Any]]
    """Id -> record after its change, with ``datestamp``."""

    @property
    def after(self) -> list[dict[str, Any]]:
        """Return all records as a snapshot of July would have them."""
        old = [r for r in self.before if r["id"] not in self.changed]
        new = [{**r, "update_date": r["datestamp"]} for r in self.changed.values()]
        return old + [{k: v for k, v in r.items() if k != "datestamp"} for r in new]

    @property
    def touched(self) -> set[str]:
        """Return the submission months of what changed: those of version v1."""
        first_days = (day_of_version(r["versions"][0]["created"]) for r in self.changed.values())
        return {str(day)[:7] for day in first_days}


def _real_records(shared: Path) -> list[dict[str, Any]]:
    path = shared / "data" / "arxiv-sample.zip"
    if not path.is_file():
        pytest.skip(f"no {path}")
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as lines:
        return [json.loads(line) for line in lines]


def _as_xml_has_it(record: dict[str, Any], day: str) -> dict[str, Any]:
    """Return a record as OAI-PMH tells it: with versions, and without what XML cannot carry."""
    text = {
        name: "".join(c for c in value if c in "\t\n" or c >= " ") or None
        for name, value in record.items()
        if isinstance(value, str)
    }
    month = month_of_id(record["id"])
    first = [{"version": "v1", "created": f"Mon, 15 {month.start:%b %Y} 12:00:00 GMT"}]
    return {**record, **text, "versions": record["versions"] or first, "datestamp": day}


def _one_version_more(record: dict[str, Any], **fields: Any) -> dict[str, Any]:
    last = {
        "version": f"v{len(record['versions']) + 1}",
        "created": "Wed, 10 Jun 2026 08:00:00 GMT",
    }
    return {**record, "versions": [*record["versions"], {**last, **fields}]}


def _plant(record: dict[str, Any], kind: str) -> dict[str, Any]:
    if kind == "revised":
        revised = f"{record['abstract'].strip()} We add a second data set in this version.\n"
        return {**_one_version_more(record), "abstract": revised}
    if kind == "withdrawn":
        withdrawn = _one_version_more(record, source_type="I")
        return {**withdrawn, "comments": "This paper has been withdrawn by the author"}
    if kind == "lost":
        return {**record, "categories": "physics.optics"}
    return {**record, "categories": f"astro-ph.IM {record['categories']}"}


@pytest.fixture(scope="module")
def month(shared: Path) -> Month:
    """June 2026: its own papers, what the sample says changed in it, and 300 planted changes."""
    rng = random.Random(2606)
    changed, before = {}, []
    for record in _real_records(shared):
        day = record["update_date"] or ""
        if record["id"].startswith("2606."):
            changed[record["id"]] = _as_xml_has_it(record, max(day, "2026-06-01"))
        else:
            before.append({**record, "update_date": "2026-05-01"} if day >= JUNE else record)
            if day >= JUNE:
                changed[record["id"]] = _as_xml_has_it(record, day)
    for kind, n in PLANTED.items():
        is_astro = kind != "gained"
        fit = [
            r
            for r in before
            if r["id"] not in changed
            and r["abstract"]
            and ("astro-ph" in r["categories"]) is is_astro
            and month_of_id(r["id"]) is not None
        ]
        for record in rng.sample(fit, n):
            day = f"2026-06-{rng.randint(1, 30):02d}"
            changed[record["id"]] = _plant(_as_xml_has_it(record, day), kind)
    return Month(before, changed)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the harvest take its turns without pausing in between."""
    pace = Pace(tmp_path / "turns.pace", sleep=lambda _seconds: None)
    monkeypatch.setattr(Pace, "of", classmethod(lambda _cls, _url: pace))


def _world(root: Path, records: list[dict[str, Any]], base: Path) -> World:
    root.mkdir()
    snapshot = write_snapshot(root / "snapshot.zip", records)
    return World(root, snapshot, base, write_recipe(root / "tiny.yaml"))


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _inodes(folder: Path) -> dict[Path, tuple[int, int]]:
    return {p: (p.stat().st_ino, p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


def _named(world: World, asset: str) -> dict[str, bytes]:
    """Return the files a release's manifest names, with their bytes."""
    manifest = world.store.require(asset, JUNE)
    folder = world.store.path_of(manifest)
    return {name: (folder / name).read_bytes() for name in manifest.files}


def test_a_harvested_month_gives_what_a_snapshot_of_it_would_have_given(
    month: Month, tiny_base: Path, tmp_path: Path, no_waiting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown = _world(tmp_path / "grown", month.before, tiny_base)
    ended = grown.run(*TABLES, *RELEASE_ASSETS, release="2026-05")
    assert ended.success, ended.errors
    papers, tokens = grown.home / "papers", grown.home / "tokens"
    held = {**_inodes(papers), **_inodes(tokens)}

    monkeypatch.setenv("ASTRO_HARVEST", "on")
    monkeypatch.setenv("ASTRO_CONTACT", "me@example.org")
    with serving(FakeArxiv(list(month.changed.values()), per_page=200)) as fake:
        monkeypatch.setenv("ASTRO_OAI_URL", fake.url)
        ended = grown.run(*RELEASE_ASSETS, release=JUNE)
    assert ended.success, ended.errors
    assert statuses(ended) == dict.fromkeys(RELEASE_ASSETS, "made")
    updates = grown.store.require("arxiv_updates", JUNE)
    assert updates.counts["n_papers"] == len(month.changed) == 1_202 + 43 + 300
    assert updates.facts["updates_through"] == JUNE

    # only changed months are written: what was there is untouched, what is new is of those months
    after = {**_inodes(papers), **_inodes(tokens)}
    assert {path: after[path] for path in held} == held
    tables = ("astro_ph_papers", "general_papers")
    new = [p for p in after if p not in held and p.parent.name in tables]
    written = Counter(path.parent.name for path in new)
    assert {path.name[:7] for path in new} <= month.touched
    print(f"months touched {len(month.touched)}, shards written {dict(written)}")

    fresh = _world(tmp_path / "fresh", month.after, tiny_base)
    monkeypatch.setenv("ASTRO_HARVEST", "off")
    ended = fresh.run(*TABLES, *RELEASE_ASSETS, release=JUNE)
    assert ended.success, ended.errors
    for asset in (*tables, "token_blocks"):
        assert _named(grown, asset) == _named(fresh, asset)
        fingerprints = {w.store.require(asset, JUNE).fingerprint for w in (grown, fresh)}
        assert len(fingerprints) == 1
    counts = grown.store.require("astro_ph_papers", JUNE).counts
    assert counts["excluded_withdrawn"] >= PLANTED["withdrawn"]
    print({name: n for name, n in counts.items() if n})
