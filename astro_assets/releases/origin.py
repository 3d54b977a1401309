"""What a release was made from, as its own manifests say: snapshot, its papers, windows, tokenizer.

What does not belong here: making any of it again (``rebuild``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.code_versions import CODE_VERSIONS
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import DamagedArtifactError, MissingArtifactError
from astro_assets.warehouse.binding import papers_of_table


@dataclass(frozen=True)
class Origin:
    """A release and what it was made from."""

    papers: Manifest
    """snapshot_papers."""
    updates: Manifest
    """arxiv_updates: the harvest windows."""
    astro: Manifest
    general: Manifest | None
    blocks: Manifest | None
    """token_blocks; None where the release has none."""
    near_copies: Manifest | None
    """None where nobody looked for them."""

    def manifests(self) -> tuple[Manifest, ...]:
        """Return all of them, in the order of the flow."""
        held = (self.papers, self.updates, self.astro)
        maybe = (self.general, self.blocks, self.near_copies)
        return held + tuple(manifest for manifest in maybe if manifest is not None)

    def moved_code(self) -> list[str]:
        """Say which stages' code has another version than the one that made this release."""
        return [
            f"{m.asset} was made with code version {m.code_version}; this is {now}."
            for m in self.manifests()
            if (now := CODE_VERSIONS[m.asset]) != m.code_version
        ]


def origin_of(store: Store, release: str) -> Origin:
    """Return what a release was made from.

    Raises:
        MissingArtifactError: the release was never made here, or a manifest it names is gone.
    """
    astro = store.require("astro_ph_papers", release)
    return Origin(
        papers=papers_of_table(store, release, astro),
        updates=_named(store, "arxiv_updates", astro),
        astro=astro,
        general=store.current("general_papers", release),
        blocks=store.current("token_blocks", release),
        near_copies=store.current("near_copies", release),
    )


def raw_snapshot(store: Store, table: Manifest) -> Manifest:
    """Return the raw snapshot an astro table is bound to, after reading all of its bytes.

    The same bytes may be known under several paths: the first that still has them is taken.

    Raises:
        MissingArtifactError, DamagedArtifactError: nowhere are those bytes any more.
    """
    digest = table.facts["snapshot"]
    problem = "no manifest of it is left"
    for manifest in every_manifest(store, "arxiv_snapshot"):
        if manifest.fingerprint != digest:
            continue
        path = store.path_of(manifest)
        if not path.exists():
            problem = f"{path} is gone"
            continue
        try:
            store.verify(manifest)
        except DamagedArtifactError as error:
            raise DamagedArtifactError(
                f"The raw snapshot of release {table.release} has changed: {error.found}",
                expected=f"the bytes with sha256 {digest[:12]}… that the release is bound to.",
                do="Put that file back, or start from the papers read out of it: --from-papers.",
            ) from error
        return manifest
    raise MissingArtifactError(
        f"The raw snapshot {digest[:12]}… of release {table.release} cannot be read: {problem}.",
        do="Put that file back, or start from the papers read out of it: --from-papers.",
    )


def tokenizer_of(store: Store, blocks: Manifest) -> Tokenizer:
    """Return the tokenizer that token blocks were made with, from any base this home knows.

    Raises:
        MissingArtifactError: no base folder holds it any more.
    """
    wanted = blocks.parameters["tokenizer"]
    for folder in base_folders(store):
        tokenizer = Tokenizer.load(folder)
        if tokenizer.fingerprint == wanted:
            return tokenizer
    raise MissingArtifactError(
        f"The tokenizer {wanted[:12]}… of release {blocks.release} is in no base of this home.",
        expected="the base model the release was tokenised for.",
        do="Put that base's folder back, or materialise token_blocks of the release again.",
    )


def base_folders(store: Store) -> Iterator[Path]:
    """Yield the folder of every base known that still holds a tokenizer; the present one first."""
    seen = set[Path]()
    present = store.current("base_model", None)
    for manifest in ([present] if present else []) + list(every_manifest(store, "base_model")):
        folder = store.path_of(manifest)
        if folder not in seen and (folder / "tokenizer.json").is_file():
            seen.add(folder)
            yield folder


def every_manifest(store: Store, asset: str) -> Iterator[Manifest]:
    """Yield every manifest of an asset that this home keeps."""
    for path in sorted((store.home.manifests / asset).glob("*.json")):
        manifest = store.find(asset, path.stem)
        if manifest is not None:
            yield manifest


def _named(store: Store, asset: str, child: Manifest) -> Manifest:
    """Return the parent that a manifest names by content."""
    content = child.parents[asset]
    present = store.current(asset, child.release)
    if present is not None and present.fingerprint == content:
        return present
    known = store.find_content(asset, content)
    if known is None:
        raise MissingArtifactError(
            f"{child.asset}, release {child.release}, was made from {asset} {content[:12]}…, which "
            "this home no longer knows.",
            do=f"Materialise {child.asset} of release {child.release} again.",
        )
    return known
