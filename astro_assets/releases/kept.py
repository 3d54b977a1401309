"""What must stay: everything a current release or a registered model names, and what that names.

A manifest stays if a release points at it, if a registered model version is made of it, or if one
that stays was made from it. By content: parents are named by fingerprint, and every manifest with
that fingerprint stays. A superseded manifest is only a memory for re-use and may go.

Evaluations of single models (``ASIDE``) are many per release, so no pointer speaks for them: one
stays while its release does and still holds all that it was made from. It never keeps papers alive.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.code_versions import ASIDE
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.releases.due import month_named
from astro_assets.releases.registered import Registered

_KEYS = {"snapshot_key": "arxiv_snapshot", "snapshot_papers_key": "snapshot_papers"}
"""Fact of a manifest that names another one's key -> that one's asset."""


@dataclass(frozen=True)
class Kept:
    """What must stay."""

    manifests: frozenset[tuple[str, str]]
    """(asset, key)."""
    paths: frozenset[str]
    """Files and folders relative to the home, with every folder above them."""
    registered: Registered


def kept_of(store: Store, registered: Registered, *, forgotten: Collection[str] = ()) -> Kept:
    """Return all that must stay if the releases ``forgotten`` were no more.

    Raises:
        DamagedArtifactError: a manifest cannot be read; then nobody knows what it names.
    """
    known = _Known()
    for asset, key in _manifest_keys(store):
        manifest = store.find(asset, key)
        if manifest is not None:
            known.add(_node_of(store, manifest))
    places = [place for place in pointers(store) if (place[1] or "") not in forgotten]
    roots = [
        _node_of(store, manifest)
        for asset, release in places
        if asset not in ASIDE and (manifest := store.current(asset, release)) is not None
    ]
    roots += known.with_content("lora_checkpoint", registered.adapters | registered.elsewhere)
    roots += known.with_content("base_model", registered.bases)
    stay = known.closure(roots)
    stay |= known.closure(_bases_with_tokenizer(known, _tokenizers(stay)))
    stay |= set(_aside(known, stay, {release for _, release in places}))
    return Kept(
        manifests=frozenset((node.asset, node.key) for node in stay),
        paths=frozenset(_with_parents(path for node in stay for path in node.paths)),
        registered=registered,
    )


def pointers(store: Store) -> list[tuple[str, str | None]]:
    """Return (asset, release) of everything current; release None is the home's own.

    A folder that is named by no month holds none: it is not ours.
    """
    found: list[tuple[str, str | None]] = []
    for path in sorted(store.home.releases.glob("*/*.json")):
        release = path.parent.name
        if not path.name.startswith(".") and (release == "all" or month_named(release)):
            found.append((path.stem, None if release == "all" else release))
    return found


@dataclass(frozen=True)
class _Node:
    """A manifest without its bulk."""

    asset: str
    key: str
    release: str | None
    """The one it was first made for."""
    fingerprint: str
    parents: tuple[tuple[str, str], ...]
    """(asset, fingerprint)."""
    keys: tuple[tuple[str, str], ...]
    """(asset, key) of manifests that are named by key."""
    tokenizer: str | None
    """Fingerprint of the tokenizer that token blocks were made with."""
    folder: Path
    """Absolute; may lie elsewhere than in the home."""
    paths: frozenset[str]
    """Relative to the home; nothing for what lies elsewhere."""


@dataclass
class _Known:
    """All manifests of a home, by key and by content."""

    by_key: dict[tuple[str, str], _Node] = field(default_factory=dict)
    by_content: dict[tuple[str, str], list[_Node]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def add(self, node: _Node) -> None:
        self.by_key[node.asset, node.key] = node
        self.by_content[node.asset, node.fingerprint].append(node)

    def with_content(self, asset: str, contents: Iterable[str]) -> list[_Node]:
        return [node for content in contents for node in self.by_content.get((asset, content), [])]

    def closure(self, roots: Iterable[_Node]) -> set[_Node]:
        stay, todo = set[_Node](), list(roots)
        while todo:
            node = todo.pop()
            if node in stay:
                continue
            stay.add(node)
            for name in (*node.keys, (node.asset, node.key)):
                if name in self.by_key:
                    todo.append(self.by_key[name])
            for name in node.parents:
                todo += self.by_content.get(name, [])
        return stay


def _manifest_keys(store: Store) -> Iterator[tuple[str, str]]:
    for path in sorted(store.home.manifests.glob("*/*.json")):
        if not path.name.startswith("."):
            yield path.parent.name, path.stem


def _node_of(store: Store, manifest: Manifest) -> _Node:
    facts = manifest.facts
    return _Node(
        asset=manifest.asset,
        key=manifest.key,
        release=manifest.release,
        fingerprint=manifest.fingerprint,
        parents=tuple(manifest.parents.items()),
        keys=tuple((asset, facts[fact]) for fact, asset in _KEYS.items() if fact in facts),
        tokenizer=manifest.parameters.get("tokenizer"),
        folder=store.path_of(manifest),
        paths=_paths_of(store, manifest),
    )


def _paths_of(store: Store, manifest: Manifest) -> frozenset[str]:
    """Return what a manifest names, relative to the home."""
    folder = _relative(store.home.root, store.path_of(manifest))
    if folder is None:
        return frozenset()
    listed = [shard["file"] for shard in manifest.facts.get("shards", [])]
    names = {*manifest.files, *listed}
    return frozenset({folder.as_posix(), *((folder / name).as_posix() for name in names)})


def _relative(root: Path, path: Path) -> PurePosixPath | None:
    """Return a path relative to the home, also where either is written through a link."""
    for base, full in ((root, path), (root.resolve(), path.resolve())):
        if full.is_relative_to(base):
            return PurePosixPath(full.relative_to(base).as_posix())
    return None


def _tokenizers(nodes: Iterable[_Node]) -> set[str]:
    return {node.tokenizer for node in nodes if node.tokenizer is not None}


def _bases_with_tokenizer(known: _Known, wanted: set[str]) -> list[_Node]:
    """Return the bases kept blocks were tokenised for: without them no release can be rebuilt."""
    return [
        node
        for node in known.by_key.values()
        if node.asset == "base_model"
        and (node.folder / "tokenizer.json").is_file()
        and Tokenizer.load(node.folder).fingerprint in wanted
    ]


def _aside(known: _Known, stay: set[_Node], releases: Collection[str | None]) -> Iterator[_Node]:
    """Yield what stands beside the flow and was made of what stays, for releases that stay."""
    contents = {(node.asset, node.fingerprint) for node in stay}
    for node in known.by_key.values():
        made_of = {parent for parent in node.parents if parent[0] not in ASIDE}
        if node.asset in ASIDE and node.release in releases and made_of <= contents:
            yield node


def _with_parents(paths: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for path in paths:
        pure = PurePosixPath(path)
        found.add(path)
        found.update(parent.as_posix() for parent in pure.parents)
    return found
