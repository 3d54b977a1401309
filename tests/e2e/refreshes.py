"""A home with one release and a month that comes in: what is killed, starved and run twice.

What does not belong here: how its processes are started (children) and what is done to them.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import duckdb

from astro_assets.artifacts.fingerprint import of_folder
from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.ingest.synthetic import generate
from astro_assets.months import Month
from tests.builders import write_snapshot
from tests.e2e import children
from tests.e2e.children import Child, Said
from tests.e2e.world import ENVIRONMENT
from tests.fakes.arxiv_oai import Exchange, FakeArxiv, serving
from tests.releases.conftest import changes

MAY, JUNE = "2026-05", "2026-06"
ONCE = ("arxiv_snapshot", "snapshot_papers", "base_model")
OF_A_RELEASE = (
    "arxiv_updates",
    "astro_ph_papers",
    "general_papers",
    "near_copies",
    "token_blocks",
)
CONTENT = ("papers", "tokens", "near_copies")
"""Folders whose every byte is compared. What is on record of them (``proofs/``) is no content: it
has times of files in it, and may be lost."""
_FIRST_PAPERS = "2603"
"""Few months: a shard each is what takes time."""


@dataclass(frozen=True)
class HeldUp:
    """A request that is not answered yet: whoever sent it stands still, the home's lock held."""

    came: Event = field(default_factory=Event)
    let_go: Event = field(default_factory=Event)

    def answer(self, exchange: Exchange) -> None:
        self.came.set()
        self.let_go.wait(children.PATIENCE_SECONDS)
        exchange.answer()


@dataclass(frozen=True)
class Cost:
    """What a run takes without interruption."""

    seconds: float
    n_changes: int
    """How often it is about to change the home."""


@dataclass
class Refresh:
    """A home in which May is made and June can be."""

    root: Path
    environment: dict[str, str]
    fake: FakeArxiv
    """The server June is harvested from."""
    cost: Cost = Cost(0.0, 0)
    """Of June, where May is made."""
    whole: Content | None = None
    """What the home holds afterwards."""
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return Path(self.environment["ASTRO_HOME"])

    @property
    def store(self) -> Store:
        return Store(Home(self.home))

    def reset(self) -> None:
        """Put the home back to where only May is made; always at one path, as views name paths."""
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.copytree(self.root / "may", self.home)

    @contextmanager
    def held_up(self) -> Iterator[HeldUp]:
        """Let the next harvest wait for the answer to its first request, till it is let go."""
        held = HeldUp()
        self.fake.faults = {len(self.fake.queries) + 1: held.answer}
        try:
            yield held
        finally:
            held.let_go.set()
            self.fake.faults = {}

    def clear(self) -> None:
        """Leave no home."""
        shutil.rmtree(self.home, ignore_errors=True)

    def start(
        self, *, release: str = JUNE, dies_before: int | None = None, folder: str = "child"
    ) -> Child:
        assets = OF_A_RELEASE if release == JUNE and self.is_begun() else (*ONCE, *OF_A_RELEASE)
        return children.start(
            self.root / folder,
            self.environment,
            *("run", "--json", "--release", release, "--select", ",".join(assets)),
            dies_before=dies_before,
        )

    def run(self, *, release: str = JUNE) -> Said:
        return self.start(release=release).wait()

    def measure(self) -> Said:
        """Make June to its end from what is there, and note what that takes."""
        began = time.monotonic()
        said = self.run()
        assert said.code == 0, said.err
        self.cost = Cost(time.monotonic() - began, said.n_changes)
        return said

    def command(self, *arguments: str) -> Said:
        """Run another command on the home."""
        return children.run(self.root / "other", self.environment, *arguments)

    def is_begun(self) -> bool:
        """Tell whether the home has what is made once."""
        return all((self.home / f"releases/all/{asset}.json").is_file() for asset in ONCE)


@dataclass(frozen=True)
class Content:
    """Everything of a home that two ways to the same releases must agree on."""

    files: dict[str, str]
    """Of the folders of content, hidden ones included."""
    manifests: dict[str, dict[str, Any]]
    """Every manifest and pointer but for when it was made."""
    views: dict[str, list[tuple[Any, ...]]]


@contextmanager
def refresh_in(root: Path, base: Path) -> Iterator[Refresh]:
    """Make May, then June without interruption, and yield the home with May in it.

    The fake arXiv that June is harvested from answers as long as the context lasts.
    """
    root.mkdir(parents=True, exist_ok=True)
    until = Month.parse(JUNE)
    records = [r for r in generate(3_000, until=until) if r["id"][:4] >= _FIRST_PAPERS]
    is_new = [(r["update_date"] or "") >= JUNE or r["id"][:4] == "2606" for r in records]
    old = [r for r, new in zip(records, is_new, strict=True) if not new]
    new = [r for r, new in zip(records, is_new, strict=True) if new]
    changed = [{**record, "datestamp": "2026-06-30"} for record in changes(old, new)]
    with serving(FakeArxiv(changed, per_page=12)) as fake:
        refresh = Refresh(
            root,
            ENVIRONMENT
            | {
                "ASTRO_HOME": str(root / "disk" / "home"),
                "ASTRO_SNAPSHOT": str(write_snapshot(root / "snapshot.zip", old)),
                "ASTRO_BASE_MODEL": str(base),
                "ASTRO_HARVEST": "on",
                "ASTRO_CONTACT": "me@example.org",
                "ASTRO_OAI_URL": fake.url,
            },
            fake,
        )
        refresh.home.parent.mkdir()
        # Of May itself arXiv tells nothing that is not in the snapshot.
        refresh.environment["ASTRO_HARVEST"] = "off"
        said = refresh.run(release=MAY)
        assert said.code == 0, said.err
        refresh.environment["ASTRO_HARVEST"] = "on"
        shutil.copytree(refresh.home, root / "may")
        said = refresh.measure()
        refresh.whole, refresh.told = content_of(refresh.home), said.told
        refresh.reset()
        yield refresh


def content_of(home: Path) -> Content:
    return Content(
        {
            f"{folder}/{path}": digest
            for folder in CONTENT
            for path, digest in of_folder(home / folder).items()
        },
        {
            path.relative_to(home).as_posix(): _lasting(manifest)
            for path, manifest in manifests_in(home).items()
        },
        views_of(home),
    )


def manifests_in(home: Path) -> dict[Path, Manifest]:
    """Return every manifest and pointer; one that cannot be read is an error."""
    found = {}
    for folder in ("manifests", "releases"):
        for path in sorted((home / folder).glob("*/[!.]*.json")):
            manifest = Store._read(path)
            assert manifest is not None, path
            found[path] = manifest
    return found


def _lasting(manifest: Manifest) -> dict[str, Any]:
    return {name: value for name, value in asdict(manifest).items() if name != "made_at"}


def views_of(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of every view of the warehouse file, in order."""
    if not (home / "warehouse.duckdb").is_file():
        return {}
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as warehouse:
        names = warehouse.execute(
            "select view_name from duckdb_views() where not internal order by all"
        ).fetchall()
        return {
            name: warehouse.execute(f'from "{name}" order by all').fetchall() for (name,) in names
        }


def leftovers(home: Path) -> list[str]:
    """Return what lies in the home under a temporary name; Dagster's folder is Dagster's."""
    inside = (path for path in home.rglob("*") if path.name.startswith((".", "tmp_")))
    found = (path.relative_to(home) for path in inside if path.name != ".lock")
    return sorted(path.as_posix() for path in found if path.parts[0] != "dagster")


def assert_readable(refresh: Refresh, before: Content) -> None:
    """Everything can be read, what is current is intact, and what was there before is untouched."""
    store = refresh.store
    for path, manifest in manifests_in(refresh.home).items():
        if path.parent.parent.name == "releases":
            store.verify(manifest)
    now = content_of(refresh.home)
    assert lost(before.files, now.files) == {}
    assert lost(before.manifests, now.manifests) == {}
    views = {n: rows for n, rows in before.views.items() if not n.endswith("_latest")}
    assert lost(views, now.views) == {}


def assert_whole(refresh: Refresh, whole: Content | None = None) -> None:
    """The home holds what an uninterrupted one does, and nothing that was left behind."""
    now, whole = content_of(refresh.home), whole or refresh.whole
    assert whole is not None
    for part in ("files", "manifests", "views"):
        one, other = getattr(now, part), getattr(whole, part)
        assert lost(one, other) == {} and lost(other, one) == {}, part
    assert leftovers(refresh.home) == []


def lost(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return what is no longer as it was, by name: before and after."""
    return {n: (v, after.get(n)) for n, v in before.items() if n not in after or after[n] != v}


def of_june(content: Content) -> Content:
    """Return June's files and pointers; some of its views compare it with the release before."""
    pointers = {
        name: manifest
        for name, manifest in content.manifests.items()
        if name.startswith("releases/") and f"/{MAY}/" not in name
    }
    named = {
        f"{manifest['path']}/{file}"
        for manifest in pointers.values()
        if manifest["path"].split("/")[0] in CONTENT
        for file in manifest["files"]
    }
    return Content({n: d for n, d in content.files.items() if n in named}, pointers, {})
