"""A home whose release has a list of near copies of the papers it holds."""

from collections.abc import Sequence
from typing import Any

from astro_assets.artifacts.manifest import Built, Manifest, Store, Work

RELEASE = "2026-06"
TABLES = ("astro_ph_papers", "general_papers")


def keep(store: Store, asset: str, content: str, **facts: Any) -> Manifest:
    """Keep a manifest of an asset; a list of near copies is one of the tables as they are."""
    parents = {n: store.require(n, RELEASE).fingerprint for n in TABLES if asset == "near_copies"}
    counts = {"n_pairs": len(facts.get("first", []))}
    built = Built(content, store.home.root, counts=counts, facts=facts)
    return store.commit(Work(asset, RELEASE, {"content": content}, parents), built)


def made(store: Store, *, pairs: Sequence[dict[str, Any]] = ()) -> Manifest:
    """Keep both tables and the list of their near copies: paper 1, as these pairs say."""
    for table in TABLES:
        keep(store, table, f"{table} as it is")
    return keep(
        store, "near_copies", "c",
        near_copies={"astro": ["1"], "general": []}, first=list(pairs), pairs="pairs.parquet",
    )  # fmt: skip
